"""A section takes the fields that it names, within their bounds, and nothing else."""

from typing import Annotated

import msgspec
import pytest

from switch.apps.settings_section import Section, meta, secret


class _Shop(Section, frozen=True, kw_only=True):
    count_max: Annotated[int, meta("How many.", ge=1, le=9)] = 5
    door_key: Annotated[str, secret("Never shown.")] = ""


def test_a_field_within_its_bounds_is_taken():
    assert msgspec.convert({"count_max": 9}, _Shop).count_max == 9


@pytest.mark.parametrize("given", [{"count_max": 0}, {"count_max": 10}, {"colour": "red"}])
def test_what_is_out_of_bounds_or_unknown_is_refused(given):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, _Shop)


def test_a_secret_says_that_it_is_one():
    assert secret("Never shown.").extra == {"secret": True}
