from pathlib import Path

import msgspec
import pytest

from switch.adapters.key_file import FileKeyStore
from switch.domain.registry.entities import Issuer, SealedKey, Terminal, TerminalStatus
from switch.security import keys as keys_module
from switch.security.keys import Keys, mak_owner, pik_owner, tdk_owner, tmk_owner, zpk_owner
from switch.security.keystore import MemoryKeyStore
from switch.security.sealing import SealBroken

MAK = bytes.fromhex("1C1C1C1C1C1C1C1C")
BARE = Terminal(
    acquirer="demo",
    terminal_id="00000001",
    profile="unionpay-pos",
    status=TerminalStatus.ACTIVATED,
)


@pytest.fixture
def keys() -> Keys:
    return Keys(MemoryKeyStore(), minute_key_lifetime_ms=1_000)


def _keyed(keys: Keys, terminal: Terminal = BARE) -> Terminal:
    return msgspec.structs.replace(terminal, mak=keys.seal_key(MAK, mak_owner(terminal)))


def test_a_terminals_key_opens_and_stays_open(keys: Keys) -> None:
    terminal = _keyed(keys)
    mac_key = keys.mac_key_of(terminal)
    assert mac_key is not None
    assert mac_key.compute(b"0123") == mac_key.compute(b"0123")
    assert keys.mac_key_of(terminal) is mac_key


def test_a_sealed_key_shows_only_its_check_value(keys: Keys) -> None:
    sealed = keys.seal_key(MAK, "x")
    assert repr(sealed) == "SealedKey(kcv='77800CBA')"
    assert MAK not in sealed.sealed
    assert repr(keys) == "Keys(<hidden>)"


def test_a_key_moved_to_another_terminal_does_not_open(keys: Keys) -> None:
    moved = msgspec.structs.replace(_keyed(keys), terminal_id="00000002")
    with pytest.raises(SealBroken):
        keys.mac_key_of(moved)


def test_a_terminal_without_a_key_or_without_macs_has_none(keys: Keys) -> None:
    assert keys.mac_key_of(BARE) is None
    assert keys.mac_key_of(msgspec.structs.replace(_keyed(keys), mac_algorithm="none")) is None


def test_a_key_of_another_store_says_that_its_sealing_key_is_missing(keys: Keys) -> None:
    sealed = SealedKey(key_id="working-key-9", sealed=b"x" * 40, kcv="00000000")
    with pytest.raises(SealBroken, match="working-key-9"):
        keys.open_mac_key("unionpay-ecb", sealed, "x")


def test_a_sealed_sm4_key_shows_the_check_value_of_sm4(keys: Keys) -> None:
    key = bytes.fromhex("376D90E7945AA5CFDB4C07CCB35CEFD3")
    assert keys.seal_key(key, "x", cipher="sm4").kcv == "08EEDEC7"


def test_each_key_of_each_owner_has_a_place_of_its_own() -> None:
    other = msgspec.structs.replace(BARE, terminal_id="00000002")
    issuer = Issuer(issuer_id="demo", name="", bins=())
    places = [
        place_of(terminal)
        for place_of in (mak_owner, pik_owner, tdk_owner, tmk_owner)
        for terminal in (BARE, other)
    ]
    assert len({*places, zpk_owner(issuer)}) == 9


def test_a_key_of_another_length_is_not_sealed(keys: Keys) -> None:
    with pytest.raises(ValueError, match="not 5"):
        keys.seal_key(b"12345", "x")


def test_open_keys_are_bounded_and_reopened_when_needed(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys_module, "OPEN_MAC_KEY_COUNT_MAX", 2)
    terminals = [
        _keyed(keys, msgspec.structs.replace(BARE, terminal_id=f"{n:08d}")) for n in range(3)
    ]
    opened = [keys.mac_key_of(terminal) for terminal in terminals]
    assert keys.mac_key_of(terminals[0]) is not opened[0]
    assert keys.mac_key_of(terminals[2]) is opened[2]


def test_keys_sealed_before_a_restart_open_after_it(tmp_path: Path) -> None:
    terminal = _keyed(Keys(FileKeyStore(tmp_path), minute_key_lifetime_ms=1))
    restarted = Keys(FileKeyStore(tmp_path), minute_key_lifetime_ms=1)
    assert restarted.mac_key_of(terminal) is not None
    assert restarted.fingerprinter.fingerprint(["a"]) == Keys(
        FileKeyStore(tmp_path), minute_key_lifetime_ms=1
    ).fingerprinter.fingerprint(["a"])
