import copy
import hmac
import pickle
from functools import reduce
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.security import mac as mac_module
from switch.security.des import open_block_cipher
from switch.security.mac import (
    ALGORITHMS,
    ALGORITHMS_OF_DOUBLE_KEYS,
    MAB_BYTES_MAX,
    MacKey,
    cipher_of,
    xor_blocks,
)

DES = bytes.fromhex("0123456789ABCDEF")
DOUBLE = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
MAK = bytes.fromhex("1C1C1C1C1C1C1C1C")
SM4 = bytes.fromhex("0A7B7FC042C83F5F75061D1ED7D3F778")
KEYS = {"unionpay-ecb": DOUBLE, "unionpay-ecb-sm4": SM4, "x9.9": DES, "x9.19": DOUBLE}
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


def test_the_known_answer_over_sm4() -> None:
    mab = b"SPA009622218600167014610294120210429000014000003239996938481210000"
    assert MacKey("unionpay-ecb-sm4", SM4).compute(mab) == b"A3A22286"


@pytest.mark.parametrize(
    ("key", "mab", "mac"),
    [
        (DES, b"7654321 Now is the time for ", "F1D30F6849312CA4"),  # FIPS 113
        (DES, b"Now is the time for all ", "70A30640CC76DD8B"),  # ISO 9797-1, algorithm 1
        (DES, b"Now is the time for it", "E45B3AD2B7CC0856"),
        (MAK, SALE_MAB, "657936DD8CB09637"),
    ],
)
def test_known_answers_of_x9_9(key: bytes, mab: bytes, mac: str) -> None:
    mac_key = MacKey("x9.9", key)
    assert mac_key.compute(mab).hex().upper() == mac
    assert mac_key.verify(mab, bytes.fromhex(mac))


@pytest.mark.parametrize(
    ("key", "mab", "mac"),
    [
        (DOUBLE, b"Now is the time for all ", "A1C72E74EA3FA9B6"),  # ISO 9797-1, algorithm 3
        (DOUBLE, b"Now is the time for it", "2E2B1428CC78254F"),
        (DOUBLE, SALE_MAB, "80BFF4B0F7C5213A"),
        (b"A" * 8 + b"B" * 8, b"hello world", "3DDE5C5511661CBF"),  # padding 1: zero bytes
        (b"A" * 8 + b"B" * 8, b"hello world\x80", "E16941032C3BC7D4"),  # padding 2 by hand
        (b"A" * 8 + b"B" * 8, b"\0" * 7 + b"\x58hello world", "BA90F750EF43F668"),  # padding 3
        (b"\xaa" * 8 + b"\xbb" * 8, b"hello world", "78DA3D3DEB48FD4D"),
    ],
)
def test_known_answers_of_x9_19(key: bytes, mab: bytes, mac: str) -> None:
    mac_key = MacKey("x9.19", key)
    assert mac_key.compute(mab).hex().upper() == mac
    assert mac_key.verify(mab, bytes.fromhex(mac))


@given(key=st.binary(min_size=8, max_size=8).filter(any), mab=st.binary(max_size=100))
def test_x9_19_under_two_equal_halves_is_x9_9(key: bytes, mab: bytes) -> None:
    assert MacKey("x9.19", key * 2).compute(mab) == MacKey("x9.9", key).compute(mab)


@given(data=st.binary(max_size=700), size=st.sampled_from([8, 16]))
def test_folding_in_halves_is_the_xor_of_all_blocks(data: bytes, size: int) -> None:
    padded = data + bytes(-len(data) % size)
    blocks = [int.from_bytes(padded[i : i + size], "big") for i in range(0, len(padded), size)]
    assert xor_blocks(data, size) == reduce(xor, blocks, 0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(mab=st.binary(max_size=100), zeros=st.integers(0, 16))
def test_zero_bytes_fill_up_the_last_block_and_an_empty_message_has_one(
    algorithm: str, mab: bytes, zeros: int
) -> None:
    mac_key = MacKey(algorithm, KEYS[algorithm])
    size = 16 if algorithm == "unionpay-ecb-sm4" else 8
    block_count = max(1, -(-len(mab) // size))
    longer = (mab + bytes(zeros))[: block_count * size]
    assert mac_key.compute(longer) == mac_key.compute(mab)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(first=st.binary(max_size=200), second=st.binary(max_size=200))
def test_one_message_leaves_no_trace_in_the_code_of_the_next(
    algorithm: str, first: bytes, second: bytes
) -> None:
    mac_key = MacKey(algorithm, KEYS[algorithm])
    mac_key.compute(first)
    mac = mac_key.compute(second)
    assert mac == MacKey(algorithm, KEYS[algorithm]).compute(second)
    assert len(mac) == 8


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(mab=st.binary(min_size=1, max_size=200), bit=st.integers(min_value=0))
def test_one_changed_bit_breaks_the_mac(algorithm: str, mab: bytes, bit: int) -> None:
    mac_key = MacKey(algorithm, KEYS[algorithm])
    position = bit % (len(mab) * 8)
    changed = bytearray(mab)
    changed[position // 8] ^= 1 << position % 8
    assert not mac_key.verify(bytes(changed), mac_key.compute(mab))


@pytest.mark.parametrize("mac", [b"", b"48E1FCA", b"48E1FCAF", b"48e1fcae", b"48E1FCAE0"])
def test_any_other_mac_is_refused(mac: bytes) -> None:
    assert not MacKey("unionpay-ecb", MAK).verify(SALE_MAB, mac)


def test_codes_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(first: bytes, second: bytes) -> bool:
        compared.append((first, second))
        return hmac.compare_digest(first, second)

    monkeypatch.setattr(mac_module, "compare_digest", compare)
    for algorithm in ALGORITHMS:
        assert not MacKey(algorithm, KEYS[algorithm]).verify(b"0123", b"00000000")
    assert len(compared) == len(ALGORITHMS)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_longest_message_has_a_mac_and_one_byte_more_has_none(algorithm: str) -> None:
    mac_key = MacKey(algorithm, KEYS[algorithm])
    assert len(mac_key.compute(bytes(MAB_BYTES_MAX))) == 8
    with pytest.raises(ValueError, match="at most"):
        mac_key.compute(bytes(MAB_BYTES_MAX + 1))


@pytest.mark.parametrize("algorithm", ["x9.20", "none", "", "UNIONPAY-ECB"])
def test_an_unknown_algorithm_is_refused_by_name(algorithm: str) -> None:
    expected = f"{algorithm!r}.*unionpay-ecb, unionpay-ecb-sm4, x9.9, x9.19"
    with pytest.raises(ValueError, match=expected):
        MacKey(algorithm, MAK)
    with pytest.raises(ValueError, match=expected):
        cipher_of(algorithm)


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("unionpay-ecb", MAK[:7]),
        ("unionpay-ecb", MAK * 4),
        ("unionpay-ecb-sm4", MAK),
        ("unionpay-ecb-sm4", MAK * 3),
        ("x9.9", DOUBLE),
        ("x9.9", MAK[:7]),
        ("x9.19", MAK),
        ("x9.19", MAK + bytes(8)),  # a single-length key as sign-on 003 sends it is half of one
        ("x9.19", MAK * 3),
    ],
)
def test_a_key_that_the_algorithm_does_not_take_is_refused_without_showing_it(
    algorithm: str, key: bytes
) -> None:
    with pytest.raises(ValueError, match=f"not {len(key)}$"):
        MacKey(algorithm, key)


def test_each_algorithm_names_the_cipher_of_its_keys() -> None:
    assert [cipher_of(algorithm) for algorithm in ALGORITHMS] == ["des", "sm4", "des", "des"]
    assert set(ALGORITHMS_OF_DOUBLE_KEYS) < set(ALGORITHMS)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_mac_key_hides_and_cannot_be_copied_out(algorithm: str) -> None:
    mac_key = MacKey(algorithm, KEYS[algorithm])
    assert repr(mac_key) == f"MacKey({algorithm!r}, <hidden>)"
    with pytest.raises(TypeError):
        pickle.dumps(mac_key)
    with pytest.raises(TypeError):
        copy.deepcopy(mac_key)
