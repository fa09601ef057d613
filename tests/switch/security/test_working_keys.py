import copy
import hmac
import pickle
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.security import working_keys as module
from switch.security.des import key_check_value
from switch.security.working_keys import (
    KeyCheckFailed,
    KeyScheme,
    WorkingKeys,
    generate_working_keys,
    unwrap_working_keys,
    wrap_working_keys,
)

TMK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PIK = bytes.fromhex("3132333435363738393A3B3C3D3E3F40")
MAK = bytes.fromhex("1C1C1C1C1C1C1C1C")
TDK = bytes.fromhex("404142434445464748494A4B4C4D4E4F")
WRAPPED_PIK = bytes.fromhex("41D2FFBA3CDC15FE1B3E9D841B3D7F7B 759368C0")
WRAPPED_MAK = bytes.fromhex("0988B74AD3BE6469 0000000000000000 77800CBA")
WRAPPED_TDK = bytes.fromhex("13893F6EAD67582CCD80D02A960E2FFF 8BAF473F")

schemes = st.sampled_from(KeyScheme)
tmks = st.binary(min_size=16, max_size=16).filter(lambda key: any(key[8:]))


@pytest.mark.parametrize(
    ("scheme", "keys", "de62"),
    [
        (KeyScheme.DOUBLE, WorkingKeys(PIK, MAK), WRAPPED_PIK + WRAPPED_MAK),
        (
            KeyScheme.DOUBLE_WITH_TRACK,
            WorkingKeys(PIK, MAK, TDK),
            WRAPPED_PIK + WRAPPED_MAK + WRAPPED_TDK,
        ),
        (
            KeyScheme.SINGLE,
            WorkingKeys(MAK, MAK),
            (WRAPPED_MAK[:8] + WRAPPED_MAK[16:]) * 2,
        ),
    ],
)
def test_the_de_62_of_the_domain_is_written_and_read(
    scheme: KeyScheme, keys: WorkingKeys, de62: bytes
) -> None:
    assert wrap_working_keys(keys, scheme, TMK) == de62
    assert unwrap_working_keys(de62, scheme, TMK) == keys


def test_sm4_keys_are_wrapped_whole_under_sm4() -> None:
    kek = bytes.fromhex("42314631354338344444363831374239")
    key = bytes.fromhex("376D90E7945AA5CFDB4C07CCB35CEFD3")
    wrapped = bytes.fromhex("89A4CA515B89220AAFA32D695D95A890 08EEDEC7")
    assert wrap_working_keys(WorkingKeys(key, key), KeyScheme.SM4, kek) == wrapped * 2
    assert unwrap_working_keys(wrapped * 2, KeyScheme.SM4, kek) == WorkingKeys(key, key)


@pytest.mark.parametrize(
    ("scheme", "length"),
    [
        (KeyScheme.SINGLE, 24),
        (KeyScheme.DOUBLE, 40),
        (KeyScheme.DOUBLE_WITH_TRACK, 60),
        (KeyScheme.SM4, 40),
    ],
)
@given(seed=st.randoms(use_true_random=False), tmk=tmks)
def test_what_is_generated_and_wrapped_is_unwrapped(
    scheme: KeyScheme, length: int, seed: Random, tmk: bytes
) -> None:
    keys = generate_working_keys(scheme, seed.randbytes)
    de62 = wrap_working_keys(keys, scheme, tmk)
    assert len(de62) == length
    assert unwrap_working_keys(de62, scheme, tmk) == keys
    for clear in (keys.pik, keys.mak, keys.tdk):
        assert not clear or clear not in de62


@given(seed=st.randoms(use_true_random=False))
def test_generated_des_keys_have_odd_parity(seed: Random) -> None:
    keys = generate_working_keys(KeyScheme.DOUBLE_WITH_TRACK, seed.randbytes)
    assert [len(key) for key in (keys.pik, keys.mak, keys.tdk)] == [16, 8, 16]
    assert all(byte.bit_count() % 2 for byte in keys.pik + keys.mak + keys.tdk)


def test_sm4_keys_are_as_random_as_they_came() -> None:
    keys = generate_working_keys(KeyScheme.SM4, lambda size: bytes(range(size)))
    assert keys == WorkingKeys(bytes(range(16)), bytes(range(16)))


def test_a_mac_key_of_two_halves_fills_its_place() -> None:
    keys = generate_working_keys(
        KeyScheme.DOUBLE, lambda size: bytes(range(size)), has_double_mak=True
    )
    assert len(keys.mak) == 16
    de62 = wrap_working_keys(keys, KeyScheme.DOUBLE, TMK)
    assert len(de62) == 40
    assert de62[36:] == key_check_value(keys.mak)
    assert unwrap_working_keys(de62, KeyScheme.DOUBLE, TMK) == keys


def test_a_single_length_sign_on_has_no_room_for_a_mac_key_of_two_halves() -> None:
    assert [scheme.value for scheme in KeyScheme if not scheme.takes_double_mak] == ["001"]
    with pytest.raises(ValueError, match="001 has no room"):
        generate_working_keys(KeyScheme.SINGLE, bytes, has_double_mak=True)
    assert len(generate_working_keys(KeyScheme.SM4, bytes, has_double_mak=True).mak) == 16


@given(scheme=schemes, seed=st.randoms(use_true_random=False), tmk=tmks, other=tmks)
def test_another_master_key_fails_the_check(
    scheme: KeyScheme, seed: Random, tmk: bytes, other: bytes
) -> None:
    # below the parity bits, which DES does not look at
    if [byte >> 1 for byte in tmk] == [byte >> 1 for byte in other]:
        return
    de62 = wrap_working_keys(generate_working_keys(scheme, seed.randbytes), scheme, tmk)
    with pytest.raises(KeyCheckFailed, match="check value of the pik does not fit"):
        unwrap_working_keys(de62, scheme, other)


@given(scheme=schemes, seed=st.randoms(use_true_random=False), where=st.integers(0, 10_000))
def test_one_altered_bit_fails_the_check(scheme: KeyScheme, seed: Random, where: int) -> None:
    de62 = bytearray(wrap_working_keys(generate_working_keys(scheme, seed.randbytes), scheme, TMK))
    position = where % (8 * len(de62))
    de62[position // 8] ^= 1 << position % 8
    with pytest.raises(KeyCheckFailed):
        unwrap_working_keys(bytes(de62), scheme, TMK)


@given(scheme=schemes, de62=st.binary(max_size=80))
def test_noise_fails_the_check_and_nothing_else(scheme: KeyScheme, de62: bytes) -> None:
    with pytest.raises(KeyCheckFailed):
        unwrap_working_keys(de62, scheme, TMK)


def test_a_de_62_of_another_scheme_fails_by_its_length() -> None:
    with pytest.raises(KeyCheckFailed, match="004 has 60 bytes, not 40"):
        unwrap_working_keys(WRAPPED_PIK + WRAPPED_MAK, KeyScheme.DOUBLE_WITH_TRACK, TMK)


@pytest.mark.parametrize(
    ("scheme", "keys", "message"),
    [
        (KeyScheme.SINGLE, WorkingKeys(PIK, MAK), "pik of sign-on 001 has not 16 bytes"),
        (KeyScheme.SINGLE, WorkingKeys(MAK, PIK), "mak of sign-on 001 has not 16 bytes"),
        (KeyScheme.DOUBLE, WorkingKeys(PIK, b""), "mak of sign-on 003 has not 0 bytes"),
        (KeyScheme.DOUBLE, WorkingKeys(PIK, MAK, TDK), "003 has no room for a tdk"),
        (KeyScheme.DOUBLE_WITH_TRACK, WorkingKeys(PIK, MAK), "tdk of sign-on 004 has not 0"),
        (KeyScheme.SM4, WorkingKeys(PIK, MAK), "mak of sign-on 006 has not 8 bytes"),
    ],
)
def test_keys_of_another_length_are_not_wrapped(
    scheme: KeyScheme, keys: WorkingKeys, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        wrap_working_keys(keys, scheme, TMK)


def test_check_values_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def count(first: bytes, second: bytes) -> bool:
        compared.append(len(first))
        return hmac.compare_digest(first, second)

    monkeypatch.setattr(module, "compare_digest", count)
    unwrap_working_keys(WRAPPED_PIK + WRAPPED_MAK, KeyScheme.DOUBLE, TMK)
    assert compared == [4, 4]


def test_working_keys_hide_from_every_output() -> None:
    keys = WorkingKeys(PIK, MAK, TDK)
    assert repr(keys) == str(keys) == "WorkingKeys(<hidden>)"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy, msgspec.json.encode, hash):
        with pytest.raises(TypeError):
            leak(keys)


def test_working_keys_are_equal_if_all_of_them_are() -> None:
    keys = WorkingKeys(PIK, MAK, TDK)
    assert keys == WorkingKeys(PIK, MAK, TDK)
    assert keys != WorkingKeys(TDK, MAK, TDK)
    assert keys != WorkingKeys(PIK, PIK, TDK)
    assert keys != WorkingKeys(PIK, MAK)
    assert keys != "keys"
