import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.security.fingerprints import Fingerprinter

FINGERPRINTER = Fingerprinter(b"f" * 32)


@given(first=st.lists(st.text(max_size=5)), second=st.lists(st.text(max_size=5)))
def test_two_lists_have_one_fingerprint_only_if_they_are_equal(
    first: list[str], second: list[str]
) -> None:
    same = FINGERPRINTER.fingerprint(first) == FINGERPRINTER.fingerprint(second)
    assert same == (first == second)


@pytest.mark.parametrize(
    ("first", "second"),
    [(["ab", "c"], ["a", "bc"]), (["", "a"], ["a", ""]), (["1:a"], ["a"]), ([], [""])],
)
def test_parts_cannot_flow_into_each_other(first: list[str], second: list[str]) -> None:
    assert FINGERPRINTER.fingerprint(first) != FINGERPRINTER.fingerprint(second)


def test_fingerprints_under_another_key_are_different() -> None:
    assert Fingerprinter(b"g" * 32).fingerprint(["a"]) != FINGERPRINTER.fingerprint(["a"])


def test_a_fingerprint_is_64_hex_digits() -> None:
    assert len(bytes.fromhex(FINGERPRINTER.fingerprint(["0200", "100"]))) == 32


def test_a_fingerprinter_hides() -> None:
    assert "ffff" not in repr(FINGERPRINTER)
    with pytest.raises(TypeError):
        copy.copy(FINGERPRINTER)
