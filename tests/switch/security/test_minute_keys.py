from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.adapters.key_file import FileKeyStore
from switch.security.keystore import MemoryKeyStore
from switch.security.minute_keys import MINUTE_MS, KeyDestroyed, MinuteKeys
from switch.security.sealing import SealBroken

NOW = 1_750_000_020_000 // MINUTE_MS * MINUTE_MS
LIFETIME = 45_250


@pytest.fixture
def store() -> MemoryKeyStore:
    return MemoryKeyStore()


@pytest.fixture
def keys(store: MemoryKeyStore) -> MinuteKeys:
    return MinuteKeys(store, LIFETIME)


def test_what_one_minute_sealed_opens_in_it_and_after_it(keys: MinuteKeys) -> None:
    key_id, blob = keys.seal(NOW, b"track", "g-1")
    keys.seal(NOW + MINUTE_MS, b"other", "g-2")
    assert keys.open(key_id, blob, "g-1") == b"track"


def test_one_minute_has_one_key_and_the_next_another(keys: MinuteKeys) -> None:
    first, _ = keys.seal(NOW, b"", "")
    last, _ = keys.seal(NOW + MINUTE_MS - 1, b"", "")
    following, _ = keys.seal(NOW + MINUTE_MS, b"", "")
    assert first == last == f"minute-{NOW // MINUTE_MS}"
    assert following != first


def test_a_key_is_destroyed_one_lifetime_after_its_minute_at_the_earliest(
    keys: MinuteKeys, store: MemoryKeyStore
) -> None:
    key_id, blob = keys.seal(NOW, b"track", "g-1")
    assert keys.destroy_expired(NOW + MINUTE_MS + LIFETIME - 1) == 0
    assert keys.open(key_id, blob, "g-1") == b"track"
    assert keys.destroy_expired(NOW + MINUTE_MS + LIFETIME) == 1
    assert store.find_key(key_id) is None
    with pytest.raises(KeyDestroyed):
        keys.open(key_id, blob, "g-1")


@given(offset=st.integers(0, 10 * MINUTE_MS), age=st.integers(0, 10 * MINUTE_MS))
def test_a_blob_opens_at_least_for_its_lifetime_and_not_two_minutes_longer(
    offset: int, age: int
) -> None:
    keys = MinuteKeys(MemoryKeyStore(), LIFETIME)
    key_id, blob = keys.seal(NOW + offset, b"track", "g")
    keys.destroy_expired(NOW + offset + age)
    if age <= LIFETIME:
        assert keys.open(key_id, blob, "g") == b"track"
    if age >= LIFETIME + 2 * MINUTE_MS:
        with pytest.raises(KeyDestroyed):
            keys.open(key_id, blob, "g")


def test_a_clock_that_fell_back_does_not_revive_a_destroyed_minute(keys: MinuteKeys) -> None:
    key_id, blob = keys.seal(NOW, b"track", "g-1")
    keys.destroy_expired(NOW + 10 * MINUTE_MS)
    later_id, later = keys.seal(NOW, b"again", "g-2")
    assert later_id != key_id
    assert keys.open(later_id, later, "g-2") == b"again"
    with pytest.raises(KeyDestroyed):
        keys.open(key_id, blob, "g-1")


def test_another_process_with_the_same_store_opens_while_the_key_lasts(tmp_path: Path) -> None:
    key_id, blob = MinuteKeys(FileKeyStore(tmp_path), LIFETIME).seal(NOW, b"track", "g-1")
    restarted = MinuteKeys(FileKeyStore(tmp_path), LIFETIME)
    assert restarted.open(key_id, blob, "g-1") == b"track"
    assert restarted.destroy_expired(NOW + 3 * MINUTE_MS) == 1
    with pytest.raises(KeyDestroyed):
        restarted.open(key_id, blob, "g-1")
    with pytest.raises(KeyDestroyed):
        MinuteKeys(FileKeyStore(tmp_path), LIFETIME).open(key_id, blob, "g-1")


def test_a_key_destroyed_by_another_process_is_forgotten_here_as_well(
    keys: MinuteKeys, store: MemoryKeyStore
) -> None:
    key_id, blob = keys.seal(NOW, b"track", "g-1")
    MinuteKeys(store, LIFETIME).destroy_expired(NOW + 3 * MINUTE_MS)
    assert keys.destroy_expired(NOW + 3 * MINUTE_MS) == 0
    with pytest.raises(KeyDestroyed):
        keys.open(key_id, blob, "g-1")


@pytest.mark.parametrize("key_id", ["", "minute-", "minute-x", "card-seal-1", "../minute-1"])
def test_a_key_id_that_is_not_a_minute_opens_nothing(
    keys: MinuteKeys, store: MemoryKeyStore, key_id: str
) -> None:
    store.ensure_key("card-seal-1", durable=True)
    with pytest.raises(KeyDestroyed):
        keys.open(key_id, b"x" * 40, "g-1")


def test_other_keys_of_the_store_are_never_destroyed(
    keys: MinuteKeys, store: MemoryKeyStore
) -> None:
    store.ensure_key("card-seal-1", durable=True)
    keys.destroy_expired(NOW * 2)
    assert store.find_key("card-seal-1") is not None


def test_a_blob_opens_only_for_its_own_message(keys: MinuteKeys) -> None:
    key_id, blob = keys.seal(NOW, b"track", "g-1")
    with pytest.raises(SealBroken):
        keys.open(key_id, blob, "g-1/reply")


def test_a_lifetime_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        MinuteKeys(MemoryKeyStore(), 0)


def test_minute_keys_hide(keys: MinuteKeys) -> None:
    assert "hidden" in repr(keys)
