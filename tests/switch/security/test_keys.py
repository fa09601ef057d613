from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.adapters.key_file import FileKeyStore
from switch.domain.registry.entities import (
    Issuer,
    SealedKey,
    SealedWorkingKeys,
    Terminal,
    TerminalStatus,
)
from switch.security import keys as keys_module
from switch.security.ciphers import CipherName, key_check_value
from switch.security.keys import (
    Keys,
    KeyUnfit,
    MasterKeyMissing,
    PinKeyMissing,
    SchemeRefused,
    mak_owner,
    pik_owner,
    tdk_owner,
    tmk_owner,
    zpk_owner,
)
from switch.security.keystore import MemoryKeyStore
from switch.security.mac import ALGORITHMS, MacKey
from switch.security.pin_block import (
    PinFault,
    PinFormat,
    PinKey,
    encrypt_pin_block,
    holds_pin,
)
from switch.security.sealing import SealBroken
from switch.security.working_keys import KeyScheme, WorkingKeys, unwrap_working_keys

MAK = bytes.fromhex("1C1C1C1C1C1C1C1C")
TMK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PIK = bytes.fromhex("3132333435363738393A3B3C3D3E3F40")
ZPK = bytes.fromhex("89ABCDEF0123456776543210FEDCBA98")
PAN = "6200000000000005"
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
    monkeypatch.setattr(keys_module, "OPEN_KEY_COUNT_MAX", 2)
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


# -- sign-on

SCHEME_OF = {"unionpay-ecb-sm4": KeyScheme.SM4}


def _mastered(keys: Keys, *, cipher: CipherName = "des", **changed: object) -> Terminal:
    scheme = "006" if cipher == "sm4" else "003"
    changed = {"key_scheme": scheme, **changed}
    terminal = msgspec.structs.replace(BARE, **changed)
    tmk = keys.seal_key(TMK, tmk_owner(terminal), cipher=cipher)
    return msgspec.structs.replace(terminal, tmk=tmk)


def _of_algorithm(keys: Keys, algorithm: str) -> tuple[Terminal, KeyScheme]:
    scheme = SCHEME_OF.get(algorithm, KeyScheme.DOUBLE)
    return _mastered(keys, cipher=scheme.cipher, mac_algorithm=algorithm), scheme


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_terminal_and_switch_prove_messages_to_each_other_after_a_sign_on(
    keys: Keys, algorithm: str
) -> None:
    terminal, scheme = _of_algorithm(keys, algorithm)
    offered = keys.offer_working_keys(terminal, scheme)
    theirs = MacKey(algorithm, unwrap_working_keys(offered.wrapped, scheme, TMK).mak)
    ours = keys.open_working_mac(terminal, offered.sealed)
    assert ours.verify(b"0200", theirs.compute(b"0200"))
    assert keys.open_working_mac(terminal, offered.sealed) is ours


@pytest.mark.parametrize(
    ("scheme", "length"),
    [(KeyScheme.SINGLE, 24), (KeyScheme.DOUBLE, 40), (KeyScheme.DOUBLE_WITH_TRACK, 60)],
)
def test_an_offer_has_the_keys_of_its_scheme(keys: Keys, scheme: KeyScheme, length: int) -> None:
    offered = keys.offer_working_keys(_mastered(keys), scheme)
    clear = unwrap_working_keys(offered.wrapped, scheme, TMK)
    sealed = offered.sealed
    assert (len(offered.wrapped), sealed.scheme) == (length, scheme.value)
    kcvs = [key.kcv for key in (sealed.pik, sealed.mak, sealed.tdk) if key is not None]
    assert kcvs == [
        key_check_value(key).hex().upper() for key in (clear.pik, clear.mak, clear.tdk) if key
    ]
    assert (sealed.tdk is None) == (scheme is not KeyScheme.DOUBLE_WITH_TRACK)


def test_every_sign_on_has_new_keys_and_nothing_shows_them(keys: Keys) -> None:
    terminal = _mastered(keys)
    first = keys.offer_working_keys(terminal, KeyScheme.DOUBLE)
    second = keys.offer_working_keys(terminal, KeyScheme.DOUBLE)
    assert first.wrapped != second.wrapped
    assert first.sealed.mak.kcv != second.sealed.mak.kcv
    clear = unwrap_working_keys(first.wrapped, KeyScheme.DOUBLE, TMK)
    stored = msgspec.msgpack.encode(first.sealed)
    for key in (clear.pik, clear.mak, TMK):
        assert key not in stored
        assert key.hex() not in repr(first).lower()


@pytest.mark.parametrize("algorithm", ["unionpay-ecb", "x9.9", "x9.19", "unionpay-ecb-sm4"])
def test_keys_that_are_wrapped_again_are_the_same(keys: Keys, algorithm: str) -> None:
    terminal, scheme = _of_algorithm(keys, algorithm)
    offered = keys.offer_working_keys(terminal, scheme)
    assert keys.wrap_again(terminal, offered.sealed) == offered.wrapped


def test_keys_are_not_wrapped_again_for_what_they_no_longer_fit(keys: Keys) -> None:
    terminal, scheme = _of_algorithm(keys, "unionpay-ecb")
    sealed = keys.offer_working_keys(terminal, scheme).sealed
    with pytest.raises(MasterKeyMissing):
        keys.wrap_again(msgspec.structs.replace(terminal, tmk=None), sealed)
    with pytest.raises(KeyUnfit):
        keys.wrap_again(msgspec.structs.replace(terminal, mac_algorithm="x9.19"), sealed)
    with pytest.raises(SealBroken):
        keys.wrap_again(msgspec.structs.replace(terminal, terminal_id="00000077"), sealed)


def test_keys_are_not_wrapped_under_another_master_key_than_at_first(keys: Keys) -> None:
    terminal, scheme = _of_algorithm(keys, "unionpay-ecb")
    sealed = keys.offer_working_keys(terminal, scheme).sealed
    other = keys.seal_key(TMK[::-1], tmk_owner(terminal))
    with pytest.raises(KeyUnfit, match="another master key"):
        keys.wrap_again(msgspec.structs.replace(terminal, tmk=other), sealed)
    sealed_anew = keys.seal_key(TMK, tmk_owner(terminal))
    assert keys.wrap_again(msgspec.structs.replace(terminal, tmk=sealed_anew), sealed)
    unknown = msgspec.structs.replace(sealed, tmk_kcv="")
    with pytest.raises(KeyUnfit):
        keys.wrap_again(terminal, unknown)


def test_a_terminal_without_a_master_key_is_offered_nothing(keys: Keys) -> None:
    with pytest.raises(MasterKeyMissing, match="00000001"):
        keys.offer_working_keys(BARE, KeyScheme.DOUBLE)


def test_a_master_key_of_another_terminal_does_not_open(keys: Keys) -> None:
    moved = msgspec.structs.replace(_mastered(keys), terminal_id="00000002")
    with pytest.raises(SealBroken):
        keys.offer_working_keys(moved, KeyScheme.DOUBLE)


@pytest.mark.parametrize(
    ("cipher", "algorithm", "scheme"),
    [
        ("des", "unionpay-ecb", KeyScheme.SM4),
        ("des", "none", KeyScheme.SM4),
        ("sm4", "unionpay-ecb-sm4", KeyScheme.DOUBLE),
        ("sm4", "unionpay-ecb", KeyScheme.SM4),
        ("des", "unionpay-ecb-sm4", KeyScheme.DOUBLE),
        ("des", "x9.19", KeyScheme.SINGLE),
    ],
)
def test_keys_that_the_terminal_could_not_use_are_not_offered(
    keys: Keys, cipher: CipherName, algorithm: str, scheme: KeyScheme
) -> None:
    terminal = _mastered(keys, cipher=cipher, mac_algorithm=algorithm)
    with pytest.raises(SchemeRefused, match=scheme.value):
        keys.offer_working_keys(terminal, scheme)


def test_a_master_key_that_the_cipher_does_not_take_is_refused(keys: Keys) -> None:
    tmk = keys.seal_key(TMK + TMK[:8], tmk_owner(BARE))
    terminal = msgspec.structs.replace(
        BARE, tmk=tmk, key_scheme="006", mac_algorithm="unionpay-ecb-sm4"
    )
    with pytest.raises(SchemeRefused, match="16 bytes, not 24"):
        keys.offer_working_keys(terminal, KeyScheme.SM4)


@pytest.mark.parametrize("scheme", [KeyScheme.SINGLE, KeyScheme.DOUBLE])
def test_a_terminal_without_macs_is_given_keys_for_its_pins(keys: Keys, scheme: KeyScheme) -> None:
    terminal = _mastered(keys, mac_algorithm="none")
    offered = keys.offer_working_keys(terminal, scheme)
    with pytest.raises(KeyUnfit, match="'none'"):
        keys.open_working_mac(terminal, offered.sealed)


@pytest.mark.parametrize("algorithm", ["unionpay-ecb-sm4", "x9.19", "none"])
def test_keys_of_a_sign_on_do_not_serve_an_algorithm_that_came_later(
    keys: Keys, algorithm: str
) -> None:
    terminal = _mastered(keys)
    offered = keys.offer_working_keys(terminal, KeyScheme.DOUBLE)
    keys.open_working_mac(terminal, offered.sealed)
    changed = msgspec.structs.replace(terminal, mac_algorithm=algorithm)
    with pytest.raises(KeyUnfit):
        keys.open_working_mac(changed, offered.sealed)


def test_a_registered_key_that_its_algorithm_does_not_take_is_unfit(keys: Keys) -> None:
    terminal = msgspec.structs.replace(_keyed(keys), mac_algorithm="x9.19")
    with pytest.raises(KeyUnfit, match="not 8"):
        keys.mac_key_of(terminal)


def test_keys_given_to_one_terminal_do_not_open_for_another(keys: Keys) -> None:
    terminal = _mastered(keys)
    offered = keys.offer_working_keys(terminal, KeyScheme.DOUBLE)
    other = msgspec.structs.replace(terminal, terminal_id="00000002")
    with pytest.raises(SealBroken):
        keys.open_working_mac(other, offered.sealed)


def test_a_pin_key_does_not_open_as_a_mac_key(keys: Keys) -> None:
    terminal = _mastered(keys)
    sealed = keys.offer_working_keys(terminal, KeyScheme.DOUBLE).sealed
    swapped = msgspec.structs.replace(sealed, mak=sealed.pik)
    with pytest.raises(SealBroken):
        keys.open_working_mac(terminal, swapped)


def test_a_simulation_with_the_same_randomness_offers_the_same_keys() -> None:
    def offer(seed: int) -> tuple[SealedWorkingKeys, bytes]:
        random_bytes = Random(seed).randbytes
        keys = Keys(
            MemoryKeyStore(random_bytes), minute_key_lifetime_ms=1, random_bytes=random_bytes
        )
        keys.vault.protect(PAN, "3012", "g-1")
        keys.minute_keys.seal(0, b"x", "y")
        return keys.offer_working_keys(_mastered(keys), KeyScheme.DOUBLE)

    assert offer(1) == offer(1) != offer(2)


# -- PINs

ISSUER = Issuer(issuer_id="demo-bank", name="Demo Bank", bins=("62",))


def _with_zpk(keys: Keys, pin_format: str = "iso-0") -> Issuer:
    zpk = keys.seal_key(ZPK, zpk_owner(ISSUER))
    return msgspec.structs.replace(ISSUER, zpk=zpk, pin_format=pin_format)


def _with_pik(keys: Keys) -> Terminal:
    return msgspec.structs.replace(BARE, pik=keys.seal_key(PIK, pik_owner(BARE)))


def _translate(
    keys: Keys,
    block: bytes,
    terminal: Terminal,
    *,
    working: SealedWorkingKeys | None = None,
    issuer: Issuer | None = None,
) -> bytes:
    return keys.translate_pin(
        block,
        terminal=terminal,
        working=working,
        terminal_format=PinFormat.ISO_0,
        issuer=issuer or _with_zpk(keys),
        pan=PAN,
    )


@pytest.mark.parametrize("pin_format", PinFormat)
@given(pin=st.text("0123456789", min_size=4, max_size=12))
def test_a_pin_under_the_first_key_reaches_the_issuer(pin_format: PinFormat, pin: str) -> None:
    keys = Keys(MemoryKeyStore(), minute_key_lifetime_ms=1)
    block = encrypt_pin_block(pin, key=PinKey("des", PIK), pin_format=PinFormat.ISO_0, pan=PAN)
    issuer = _with_zpk(keys, pin_format.value)
    sent = _translate(keys, block, _with_pik(keys), issuer=issuer)
    assert holds_pin(sent, pin, key=PinKey("des", ZPK), pin_format=pin_format, pan=PAN)


@pytest.mark.parametrize("scheme", KeyScheme)
def test_a_pin_under_the_key_of_a_sign_on_reaches_the_issuer(keys: Keys, scheme: KeyScheme) -> None:
    terminal = _mastered(keys, cipher=scheme.cipher, mac_algorithm="none")
    terminal = msgspec.structs.replace(terminal, pik=_with_pik(keys).pik)
    offered = keys.offer_working_keys(terminal, scheme)
    clear: WorkingKeys = unwrap_working_keys(offered.wrapped, scheme, TMK)
    block = encrypt_pin_block(
        "123456", key=PinKey(scheme.cipher, clear.pik), pin_format=PinFormat.ISO_0, pan=PAN
    )
    for _ in range(2):
        sent = _translate(keys, block, terminal, working=offered.sealed)
        assert holds_pin(
            sent, "123456", key=PinKey("des", ZPK), pin_format=PinFormat.ISO_0, pan=PAN
        )
    with pytest.raises(PinFault):
        _translate(keys, block, terminal, working=keys.offer_working_keys(terminal, scheme).sealed)


def test_without_a_pin_key_at_either_end_no_pin_is_translated(keys: Keys) -> None:
    with pytest.raises(PinKeyMissing, match="terminal 00000001 has no PIN key"):
        _translate(keys, bytes(8), BARE)
    with pytest.raises(PinKeyMissing, match="issuer demo-bank has no zone PIN key"):
        _translate(keys, bytes(8), _with_pik(keys), issuer=ISSUER)


def test_a_pin_key_of_another_cipher_is_as_good_as_none(keys: Keys) -> None:
    single = keys.seal_key(MAK, pik_owner(BARE))
    terminal = msgspec.structs.replace(BARE, pik=single, key_scheme="006")
    with pytest.raises(PinKeyMissing, match="16 bytes, not 8"):
        _translate(keys, bytes(16), terminal)


def test_a_block_that_holds_no_pin_is_a_fault_that_may_not_be_retried(keys: Keys) -> None:
    with pytest.raises(PinFault) as caught:
        _translate(keys, bytes(8), _with_pik(keys))
    assert not caught.value.retryable


def test_open_pin_keys_are_bounded_too(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "OPEN_KEY_COUNT_MAX", 2)
    for number in range(5):
        terminal = msgspec.structs.replace(BARE, terminal_id=f"{number:08d}")
        pik = keys.seal_key(PIK, pik_owner(terminal))
        with pytest.raises(PinFault):
            _translate(keys, bytes(8), msgspec.structs.replace(terminal, pik=pik))
    assert len(keys._pin_keys) == 2
