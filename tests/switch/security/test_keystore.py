import pytest

from switch.security.keystore import (
    MemoryKeyStore,
    check_key_name,
    list_versions,
    start_next_version,
)


def test_a_family_starts_with_version_one() -> None:
    assert list_versions(MemoryKeyStore(), "card-token") == ("card-token-1",)


def test_versions_are_listed_newest_first_and_counted_as_numbers() -> None:
    store = MemoryKeyStore()
    for _ in range(10):
        newest = start_next_version(store, "card-token")
    versions = list_versions(store, "card-token")
    assert newest == versions[0] == "card-token-11"
    assert versions[-1] == "card-token-1"


def test_another_family_with_the_same_beginning_is_not_mixed_in() -> None:
    store = MemoryKeyStore()
    store.ensure_key("card-seal-old-7", durable=True)
    assert list_versions(store, "card-seal") == ("card-seal-1",)


@pytest.mark.parametrize("name", ["", "Up", "a b", "../x", "a/b", "-a", "a-", "a--b", "1a", "a."])
def test_a_name_that_could_leave_the_directory_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a key name"):
        check_key_name(name)


def test_the_memory_store_shows_no_key() -> None:
    store = MemoryKeyStore()
    key = store.ensure_key("a-1", durable=True)
    assert repr(store) == "MemoryKeyStore(1 keys)"
    assert len(key) == 32
