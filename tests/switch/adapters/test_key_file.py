import stat
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from switch.adapters.key_file import DOOMED, MASTER_FILE, FileKeyStore
from switch.security.keystore import KeyStore, KeyStoreFault, MemoryKeyStore


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> KeyStore:
    return MemoryKeyStore() if request.param == "memory" else FileKeyStore(tmp_path / "keys")


def test_a_key_is_made_once_and_found_again(store: KeyStore) -> None:
    assert store.find_key("card-seal-1") is None
    key = store.ensure_key("card-seal-1", durable=True)
    assert len(key) == 32
    assert store.ensure_key("card-seal-1", durable=False) == key
    assert store.find_key("card-seal-1") == key


def test_a_destroyed_key_is_gone_and_destroying_it_again_is_fine(store: KeyStore) -> None:
    key = store.ensure_key("minute-1", durable=False)
    store.destroy_key("minute-1")
    store.destroy_key("minute-1")
    assert store.find_key("minute-1") is None
    assert store.ensure_key("minute-1", durable=False) != key


def test_names_are_listed_by_prefix_in_order(store: KeyStore) -> None:
    for name in ("minute-3", "minute-12", "card-1"):
        store.ensure_key(name, durable=False)
    assert store.list_names("minute-") == ("minute-12", "minute-3")


def test_a_bad_name_is_refused_by_every_store(store: KeyStore) -> None:
    with pytest.raises(ValueError, match="not a key name"):
        store.ensure_key("../../etc/x", durable=True)


def test_keys_survive_a_restart(tmp_path: Path) -> None:
    key = FileKeyStore(tmp_path).ensure_key("card-token-1", durable=True)
    assert FileKeyStore(tmp_path).find_key("card-token-1") == key


def test_files_are_for_the_owner_alone_and_hold_no_key_in_clear(tmp_path: Path) -> None:
    directory = tmp_path / "keys"
    key = FileKeyStore(directory).ensure_key("card-token-1", durable=True)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for path in directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert key not in path.read_bytes()
        assert key.hex() not in path.read_text("latin-1")
    assert {path.name for path in directory.iterdir()} == {MASTER_FILE, "card-token-1.sealed"}


def test_a_master_key_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    FileKeyStore(tmp_path)
    (tmp_path / MASTER_FILE).chmod(0o640)
    with pytest.raises(KeyStoreFault, match="run: chmod 600"):
        FileKeyStore(tmp_path)


def test_a_damaged_master_key_is_refused_without_showing_it(tmp_path: Path) -> None:
    path = tmp_path / MASTER_FILE
    FileKeyStore(tmp_path)
    path.write_text("secretsecret")
    with pytest.raises(KeyStoreFault) as caught:
        FileKeyStore(tmp_path)
    assert "secretsecret" not in str(caught.value)


def test_a_key_sealed_elsewhere_says_which_pair_does_not_fit(tmp_path: Path) -> None:
    FileKeyStore(tmp_path / "a").ensure_key("card-token-1", durable=True)
    other = FileKeyStore(tmp_path / "b")
    (tmp_path / "a" / "card-token-1.sealed").rename(tmp_path / "b" / "card-token-1.sealed")
    with pytest.raises(KeyStoreFault, match="another data directory"):
        other.find_key("card-token-1")


def test_a_key_file_under_another_name_does_not_open(tmp_path: Path) -> None:
    store = FileKeyStore(tmp_path)
    store.ensure_key("card-token-1", durable=True)
    (tmp_path / "card-token-1.sealed").rename(tmp_path / "card-token-2.sealed")
    with pytest.raises(KeyStoreFault):
        store.find_key("card-token-2")


def test_a_directory_that_cannot_be_made_says_what_to_check(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyStoreFault, match="check its owner, its mode"):
        FileKeyStore(tmp_path / "file" / "keys")


def test_a_directory_that_went_away_is_a_fault_not_a_missing_key(tmp_path: Path) -> None:
    store = FileKeyStore(tmp_path / "keys")
    (tmp_path / "keys" / MASTER_FILE).unlink()
    (tmp_path / "keys").rmdir()
    with pytest.raises(KeyStoreFault):
        store.ensure_key("a-1", durable=False)
    with pytest.raises(KeyStoreFault):
        store.list_names("a")


def test_what_a_crash_left_half_destroyed_is_erased_at_the_next_start(tmp_path: Path) -> None:
    store = FileKeyStore(tmp_path)
    store.ensure_key("minute-1", durable=False)
    left_over = tmp_path / f".minute-1.sealed{DOOMED}00"
    (tmp_path / "minute-1.sealed").rename(left_over)
    FileKeyStore(tmp_path)
    assert not left_over.exists()


def _make_keys(directory: str) -> list[bytes]:
    store = FileKeyStore(Path(directory))
    return [store.ensure_key(f"card-seal-{n}", durable=False) for n in range(1, 20)]


@pytest.mark.process
def test_processes_that_start_at_once_agree_on_every_key(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        answers = list(pool.map(_make_keys, [str(tmp_path / "keys")] * 8))
    assert all(answer == answers[0] for answer in answers)


def test_the_store_shows_its_place_only(tmp_path: Path) -> None:
    assert repr(FileKeyStore(tmp_path)) == f"FileKeyStore('{tmp_path}')"
