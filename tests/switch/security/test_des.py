import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.security.des import (
    key_check_value,
    open_block_cipher,
    open_block_decipher,
    set_odd_parity,
    triple_key,
)

DES = bytes.fromhex("0123456789ABCDEF")
DOUBLE = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


@pytest.mark.parametrize(
    ("key", "kcv"),
    [
        (DES, "D5D44FF7"),
        (DOUBLE, "08D7B4FB"),
        (bytes.fromhex("3132333435363738393A3B3C3D3E3F40"), "759368C0"),  # PIK
        (bytes.fromhex("1C1C1C1C1C1C1C1C"), "77800CBA"),  # MAK
        (bytes.fromhex("404142434445464748494A4B4C4D4E4F"), "8BAF473F"),  # TDK
    ],
)
def test_key_check_values_are_those_of_the_domain(key: bytes, kcv: str) -> None:
    assert key_check_value(key).hex().upper() == kcv


def test_the_sign_on_keys_are_encrypted_under_the_terminal_master_key() -> None:
    encrypt = open_block_cipher(DOUBLE)
    assert encrypt(bytes.fromhex("1C" * 8)).hex().upper() == "0988B74AD3BE6469"
    pik = bytes.fromhex("3132333435363738393A3B3C3D3E3F40")
    assert encrypt(pik).hex().upper() == "41D2FFBA3CDC15FE1B3E9D841B3D7F7B"


def test_a_key_followed_by_eight_zero_bytes_is_single_des() -> None:
    assert triple_key(DES + bytes(8)) == triple_key(DES) == DES * 3


def test_a_double_length_key_repeats_its_left_half() -> None:
    assert triple_key(DOUBLE) == DOUBLE + DOUBLE[:8]


def test_a_triple_length_key_is_taken_as_it_is() -> None:
    key = DOUBLE + bytes.fromhex("89ABCDEF01234567")
    assert triple_key(key) == key


def test_a_key_followed_by_sixteen_zero_bytes_is_single_des_too() -> None:
    assert triple_key(DES + bytes(16)) == DES * 3


@pytest.mark.parametrize("length", [0, 7, 9, 15, 17, 23, 25, 32])
def test_a_key_of_another_length_is_refused_without_showing_it(length: int) -> None:
    with pytest.raises(ValueError, match=f"not {length}$"):
        triple_key(b"\x41" * length)


def test_one_cipher_context_serves_any_number_of_blocks() -> None:
    encrypt = open_block_cipher(DES)
    assert encrypt(bytes(8)) == encrypt(bytes(8)) == encrypt(bytes(16))[8:]


@given(
    key=st.one_of([st.binary(min_size=n, max_size=n) for n in (8, 16, 24)]),
    block=st.binary(min_size=8, max_size=8),
)
def test_decryption_undoes_encryption(key: bytes, block: bytes) -> None:
    assert open_block_decipher(key)(open_block_cipher(key)(block)) == block


@given(st.binary(max_size=24))
def test_odd_parity_changes_nothing_but_the_parity_bits(key: bytes) -> None:
    adjusted = set_odd_parity(key)
    assert all(byte.bit_count() % 2 == 1 for byte in adjusted)
    assert [byte >> 1 for byte in adjusted] == [byte >> 1 for byte in key]


def test_parity_is_no_part_of_the_key() -> None:
    assert key_check_value(set_odd_parity(bytes(range(16)))) == key_check_value(bytes(range(16)))
