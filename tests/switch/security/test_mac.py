import copy
import pickle
from functools import reduce
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.security.des import open_block_cipher
from switch.security.mac import MAB_BYTES_MAX, MacKey, xor_blocks

DES = bytes.fromhex("0123456789ABCDEF")
DOUBLE = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
MAK = bytes.fromhex("1C1C1C1C1C1C1C1C")
# tests/vectors/messages.toml, from MTI to DE 60
SALE_MAB = bytes.fromhex(
    "0200 7024048000C08011 16 6200000000000005 000000 000000000100 000123 3012 0120 00"
    "3030303030303031 383938313130313534313130303031 313536 0013 22000001000500"
)
REVERSAL_MAB = bytes.fromhex(
    "0400 7020048002C08011 16 6200000000000005 000000 000000000100 000123 0120 00 3938"
    "3030303030303031 383938313130313534313130303031 313536 0013 22000001000500"
)


def test_the_composed_sale_is_71_bytes_with_the_known_xor() -> None:
    assert len(SALE_MAB) == 71
    assert f"{xor_blocks(SALE_MAB):016X}" == "832072720D8A1AD2"


@pytest.mark.parametrize(
    ("key", "mab", "mac"),
    [
        (MAK, SALE_MAB, b"48E1FCAE"),
        (MAK, REVERSAL_MAB, b"6C9AE045"),
        (DOUBLE, SALE_MAB, b"63D0E3DE"),
        (DES, b"0123456789ABCDEF0123", b"EE23EF43"),
        (DOUBLE, b"0123456789ABCDEF0123", b"3562EFFA"),
        (MAK + bytes(8), SALE_MAB, b"48E1FCAE"),  # as sign-on 003 sends a single-length MAK
    ],
)
def test_known_answers(key: bytes, mab: bytes, mac: bytes) -> None:
    mac_key = MacKey("unionpay-ecb", key)
    assert mac_key.compute(mab) == mac
    assert mac_key.verify(mab, mac)


@pytest.mark.parametrize(
    ("key", "first", "second"),
    [
        (DES, "F9E1EB39DF2E360A", "EE23EF438059617B"),
        (DOUBLE, "6F2CB5EB30A5B6AA", "3562EFFA157D116D"),
    ],
)
def test_the_steps_between_are_those_of_the_domain(key: bytes, first: str, second: str) -> None:
    folded = xor_blocks(b"0123456789ABCDEF0123")
    assert f"{folded:016X}" == "3839414277717371"
    encrypt = open_block_cipher(key)
    e1 = encrypt(b"38394142")
    assert e1.hex().upper() == first
    mixed = bytes(a ^ b for a, b in zip(e1, b"77717371", strict=True))
    assert encrypt(mixed).hex().upper() == second


@given(st.binary(max_size=700))
def test_folding_in_halves_is_the_xor_of_all_blocks(data: bytes) -> None:
    padded = data + bytes(-len(data) % 8)
    blocks = [int.from_bytes(padded[i : i + 8], "big") for i in range(0, len(padded), 8)]
    assert xor_blocks(data) == reduce(xor, blocks, 0)


@given(mab=st.binary(min_size=1, max_size=200), bit=st.integers(min_value=0))
def test_one_changed_bit_breaks_the_mac(mab: bytes, bit: int) -> None:
    mac_key = MacKey("unionpay-ecb", DOUBLE)
    position = bit % (len(mab) * 8)
    changed = bytearray(mab)
    changed[position // 8] ^= 1 << position % 8
    assert not mac_key.verify(bytes(changed), mac_key.compute(mab))


@pytest.mark.parametrize("mac", [b"", b"48E1FCA", b"48E1FCAF", b"48e1fcae", b"48E1FCAE0"])
def test_any_other_mac_is_refused(mac: bytes) -> None:
    assert not MacKey("unionpay-ecb", MAK).verify(SALE_MAB, mac)


def test_the_longest_message_has_a_mac_and_one_byte_more_has_none() -> None:
    mac_key = MacKey("unionpay-ecb", MAK)
    assert len(mac_key.compute(bytes(MAB_BYTES_MAX))) == 8
    with pytest.raises(ValueError, match="at most"):
        mac_key.compute(bytes(MAB_BYTES_MAX + 1))


def test_an_unknown_algorithm_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'x9\.19'.*unionpay-ecb"):
        MacKey("x9.19", MAK)


def test_a_mac_key_hides_and_cannot_be_copied_out() -> None:
    mac_key = MacKey("unionpay-ecb", MAK)
    assert repr(mac_key) == "MacKey('unionpay-ecb', <hidden>)"
    with pytest.raises(TypeError):
        pickle.dumps(mac_key)
    with pytest.raises(TypeError):
        copy.deepcopy(mac_key)
