import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.security.sealing import KEY_BYTES, SealBroken, Sealer

SEALER = Sealer(b"k" * KEY_BYTES)


@given(plaintext=st.binary(max_size=300), associated=st.text(max_size=40))
def test_what_was_sealed_opens_in_its_place(plaintext: bytes, associated: str) -> None:
    assert SEALER.open(SEALER.seal(plaintext, associated), associated) == plaintext


def test_the_same_plaintext_never_seals_to_the_same_blob() -> None:
    assert SEALER.seal(b"same", "place") != SEALER.seal(b"same", "place")


def test_a_blob_does_not_open_in_another_place() -> None:
    with pytest.raises(SealBroken):
        SEALER.open(SEALER.seal(b"x", "here"), "there")


def test_a_blob_does_not_open_under_another_key() -> None:
    with pytest.raises(SealBroken):
        Sealer(b"o" * KEY_BYTES).open(SEALER.seal(b"x", "here"), "here")


@given(position=st.integers(min_value=0, max_value=30), flip=st.integers(1, 255))
def test_an_altered_blob_does_not_open(position: int, flip: int) -> None:
    blob = bytearray(SEALER.seal(b"abc", "here"))
    blob[position] ^= flip
    with pytest.raises(SealBroken):
        SEALER.open(bytes(blob), "here")


@pytest.mark.parametrize("length", [0, 11, 12, 27])
def test_a_blob_too_short_to_be_one_is_broken(length: int) -> None:
    with pytest.raises(SealBroken, match="too short"):
        SEALER.open(bytes(length), "here")


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 16"):
        Sealer(bytes(16))


def test_a_sealer_hides_and_cannot_be_copied_out() -> None:
    assert repr(SEALER) == "Sealer(<hidden>)"
    with pytest.raises(TypeError):
        copy.copy(SEALER)
