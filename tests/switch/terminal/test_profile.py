"""Every profile names a dialect that exists and can carry what it promises."""

import pytest

from switch.terminal.profile import PROFILES


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_profile_with_batches_has_an_element_for_them(name: str) -> None:
    profile = PROFILES[name]
    assert profile.dialect.name == name
    assert ("batch_data" in profile.dialect.specs) == profile.has_batch
