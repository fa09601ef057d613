"""All keys of a process in one bundle, made from its key store."""

import secrets
from collections.abc import Callable
from typing import ClassVar, Final, NamedTuple, TypeVar

from switch.domain.registry.entities import (
    NO_MAC,
    Issuer,
    SealedKey,
    SealedWorkingKeys,
    Terminal,
)
from switch.security.cards import CardVault
from switch.security.ciphers import CipherName, key_check_value
from switch.security.fingerprints import Fingerprinter
from switch.security.keystore import KeyStore, list_versions
from switch.security.mac import ALGORITHMS_OF_DOUBLE_KEYS, MacKey, cipher_of
from switch.security.minute_keys import MinuteKeys
from switch.security.pin_block import PinFault, PinFormat, PinKey, translate_pin_block
from switch.security.sealing import SealBroken, Sealer
from switch.security.working_keys import (
    KeyScheme,
    WorkingKeys,
    generate_working_keys,
    wrap_working_keys,
)

FINGERPRINT_FAMILY: Final = "fingerprint"
WORKING_KEY_FAMILY: Final = "working-key"
OPEN_KEY_COUNT_MAX: Final = 20_000  # about 1 KB each; beyond it the longest-held is reopened


class KeyUnfit(ValueError):
    """A key opened, but the terminal's MAC algorithm does not take it: registry against key."""

    retryable: ClassVar[bool] = False


class MasterKeyMissing(Exception):
    """A terminal without a master key cannot be given working keys."""

    retryable: ClassVar[bool] = False


class SchemeRefused(Exception):
    """A terminal asks for working keys that do not go with its master key or MAC algorithm."""

    retryable: ClassVar[bool] = False


class PinKeyMissing(PinFault):
    """A PIN cannot be translated: its terminal or its issuer has no PIN key, or one unfit."""


class OfferedKeys(NamedTuple):
    """New working keys: `sealed` for the terminal's events, `wrapped` as DE 62 of the answer."""

    sealed: SealedWorkingKeys
    wrapped: bytes


class Keys:
    """
    Card vault, minute keys, fingerprints and the working keys of terminals.

    Whatever is done with a terminal's or an issuer's key is a method here, and takes it sealed:
    where an HSM does it, these methods call the HSM (docs/adr/0014-keys-behind-a-port.md).
    The fingerprint key is never rotated: stored fingerprints are compared for ever.
    """

    def __init__(
        self,
        keystore: KeyStore,
        *,
        minute_key_lifetime_ms: int,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """
        Open everything, making the first keys if there are none.

        Working keys and the beginnings of nonces are taken from `random_bytes`; only a simulation
        gives its own, to be repeatable.

        Raises:
            KeyStoreFault: the store cannot be used now.
        """
        self._keystore = keystore
        self._random_bytes = random_bytes
        self.vault = CardVault(keystore, random_bytes)
        self.minute_keys = MinuteKeys(keystore, minute_key_lifetime_ms, random_bytes)
        self.fingerprinter = Fingerprinter(
            keystore.ensure_key(f"{FINGERPRINT_FAMILY}-1", durable=True)
        )
        self._working_key_id = list_versions(keystore, WORKING_KEY_FAMILY)[0]
        self._sealers: dict[str, Sealer] = {}
        self._mac_keys: dict[tuple[bytes, str], MacKey] = {}
        self._pin_keys: dict[tuple[bytes, str], PinKey] = {}

    def __repr__(self) -> str:
        return "Keys(<hidden>)"

    def seal_key(self, clear: bytes, owner: str, *, cipher: CipherName = "des") -> SealedKey:
        """
        Seal a working or master key for `owner` (`mak_owner` and so on); it opens for no other.

        `cipher` is what the key is for: its check value is made with it.

        Raises:
            ValueError: the cipher takes no key of this length.
            KeyStoreFault: the store cannot be used now.
        """
        kcv = key_check_value(clear, cipher).hex().upper()
        sealer = self._sealer_of(self._working_key_id)
        return SealedKey(key_id=self._working_key_id, sealed=sealer.seal(clear, owner), kcv=kcv)

    # -- MACs

    def open_mac_key(self, algorithm: str, sealed: SealedKey, owner: str) -> MacKey:
        """
        Open a working key for MACs; opened keys are kept, so this is fast for each message.

        Raises:
            SealBroken: sealed for another owner, altered, or its sealing key was destroyed.
            KeyUnfit: the algorithm does not take this key, or there is no such algorithm.
            KeyStoreFault: the store cannot be used now.
        """
        mac_key = self._mac_keys.get((sealed.sealed, owner))
        if mac_key is None or mac_key.algorithm != algorithm:
            clear = self._open(sealed, owner)
            try:
                mac_key = MacKey(algorithm, clear)
            except ValueError as error:
                raise KeyUnfit(str(error)) from None
            _keep(self._mac_keys, (sealed.sealed, owner), mac_key)
        return mac_key

    def mac_key_of(self, terminal: Terminal) -> MacKey | None:
        """
        Return the MAC key that the registry holds for a terminal; None if it has or needs none.

        Raises:
            SealBroken: the registry's key does not open here (another key store sealed it).
            KeyUnfit: the registry's algorithm does not take the registry's key.
            KeyStoreFault: the store cannot be used now.
        """
        if terminal.mak is None or terminal.mac_algorithm == NO_MAC:
            return None
        return self.open_mac_key(terminal.mac_algorithm, terminal.mak, mak_owner(terminal))

    def open_working_mac(self, terminal: Terminal, sealed: SealedWorkingKeys) -> MacKey:
        """
        Open the MAC key that a sign-on gave to a terminal; opened keys are kept.

        Raises:
            SealBroken: the keys were given to another terminal, or do not open here.
            KeyUnfit: the terminal's algorithm was changed since, or is `none`: it must sign on.
            KeyStoreFault: the store cannot be used now.
        """
        owner = mak_owner(terminal)
        algorithm = terminal.mac_algorithm
        mac_key = self._mac_keys.get((sealed.mak.sealed, owner))
        if mac_key is not None and mac_key.algorithm == algorithm:
            return mac_key
        if algorithm == NO_MAC or cipher_of(algorithm) != KeyScheme(sealed.scheme).cipher:
            raise KeyUnfit(f"keys of sign-on {sealed.scheme} are not for {algorithm!r}")
        return self.open_mac_key(algorithm, sealed.mak, owner)

    # -- sign-on

    def offer_working_keys(self, terminal: Terminal, scheme: KeyScheme) -> OfferedKeys:
        """
        Make new working keys for a terminal: sealed for us, wrapped under its master key for it.

        The MAC key has the length that the terminal's algorithm needs.

        Raises:
            MasterKeyMissing: the registry has no master key of this terminal.
            SchemeRefused: the scheme's cipher or key length does not go with the terminal's.
            SealBroken: the master key does not open here.
            KeyStoreFault: the store cannot be used now.
        """
        if terminal.tmk is None:
            raise MasterKeyMissing(f"terminal {terminal.terminal_id} has no master key")
        has_double_mak = terminal.mac_algorithm in ALGORITHMS_OF_DOUBLE_KEYS
        _check_scheme(terminal, scheme, has_double_mak=has_double_mak)
        clear = generate_working_keys(scheme, self._random_bytes, has_double_mak=has_double_mak)
        tmk = self._open(terminal.tmk, tmk_owner(terminal))
        try:
            wrapped = wrap_working_keys(clear, scheme, tmk)
        except ValueError as error:
            raise SchemeRefused(
                f"the master key does not go with {scheme.value}: {error}"
            ) from None
        cipher = scheme.cipher
        sealed = SealedWorkingKeys(
            scheme=scheme.value,
            pik=self.seal_key(clear.pik, pik_owner(terminal), cipher=cipher),
            mak=self.seal_key(clear.mak, mak_owner(terminal), cipher=cipher),
            tdk=self.seal_key(clear.tdk, tdk_owner(terminal), cipher=cipher) if clear.tdk else None,
            tmk_kcv=terminal.tmk.kcv,
        )
        return OfferedKeys(sealed, wrapped)

    def wrap_again(self, terminal: Terminal, sealed: SealedWorkingKeys) -> bytes:
        """
        Wrap the working keys of an earlier offer under the terminal's master key once more.

        Under that same key only: whoever holds an earlier one, as the thief of a terminal that was
        replaced, can read what was wrapped under it.

        Raises:
            MasterKeyMissing: the registry has no master key of this terminal.
            KeyUnfit: the terminal's algorithm no longer takes these keys, or it has another master
                key since.
            SchemeRefused: its master key no longer goes with their scheme.
            SealBroken: a key does not open here.
            KeyStoreFault: the store cannot be used now.
        """
        if terminal.tmk is None:
            raise MasterKeyMissing(f"terminal {terminal.terminal_id} has no master key")
        if sealed.tmk_kcv != terminal.tmk.kcv:
            raise KeyUnfit("they were handed out under another master key")
        self.open_working_mac(terminal, sealed)
        scheme, tdk = KeyScheme(sealed.scheme), sealed.tdk
        clear = WorkingKeys(
            self._open(sealed.pik, pik_owner(terminal)),
            self._open(sealed.mak, mak_owner(terminal)),
            self._open(tdk, tdk_owner(terminal)) if tdk else b"",
        )
        try:
            return wrap_working_keys(clear, scheme, self._open(terminal.tmk, tmk_owner(terminal)))
        except ValueError as error:
            raise SchemeRefused(
                f"the master key does not go with {scheme.value}: {error}"
            ) from None

    # -- PINs

    def translate_pin(
        self,
        block: bytes,
        *,
        terminal: Terminal,
        working: SealedWorkingKeys | None,
        terminal_format: PinFormat,
        issuer: Issuer,
        pan: str,
    ) -> bytes:
        """
        Turn a terminal's PIN block into the issuer's, under the issuer's zone PIN key.

        `working` are the keys of the terminal's sign-on; without one its first PIN key is used.

        Raises:
            PinKeyMissing: the terminal or the issuer has no PIN key, or one of another cipher.
            PinFault: the block holds no PIN under the terminal's key, form and this card number.
            SealBroken: a key does not open here.
            KeyStoreFault: the store cannot be used now.
        """
        scheme, sealed = terminal.key_scheme, terminal.pik
        if working is not None:
            scheme, sealed = working.scheme, working.pik
        if sealed is None:
            raise PinKeyMissing(f"terminal {terminal.terminal_id} has no PIN key")
        if issuer.zpk is None:
            raise PinKeyMissing(f"issuer {issuer.issuer_id} has no zone PIN key")
        return translate_pin_block(
            block,
            from_key=self._open_pin_key(KeyScheme(scheme).cipher, sealed, pik_owner(terminal)),
            from_format=terminal_format,
            to_key=self._open_pin_key("des", issuer.zpk, zpk_owner(issuer)),
            to_format=PinFormat(issuer.pin_format),
            pan=pan,
        )

    def _open_pin_key(self, cipher: CipherName, sealed: SealedKey, owner: str) -> PinKey:
        pin_key = self._pin_keys.get((sealed.sealed, owner))
        if pin_key is None or pin_key.cipher != cipher:
            clear = self._open(sealed, owner)
            try:
                pin_key = PinKey(cipher, clear)
            except ValueError as error:
                raise PinKeyMissing(f"{owner} is no PIN key: {error}") from None
            _keep(self._pin_keys, (sealed.sealed, owner), pin_key)
        return pin_key

    def _open(self, sealed: SealedKey, owner: str) -> bytes:
        return self._sealer_of(sealed.key_id).open(sealed.sealed, owner)

    def _sealer_of(self, key_id: str) -> Sealer:
        sealer = self._sealers.get(key_id)
        if sealer is None:
            key = self._keystore.find_key(key_id)
            if key is None:
                raise SealBroken(f"the key {key_id!r} that sealed a working key no longer exists")
            sealer = self._sealers[key_id] = Sealer(key, self._random_bytes)
        return sealer


_Opened = TypeVar("_Opened", MacKey, PinKey)


def _keep(opened: dict[tuple[bytes, str], _Opened], place: tuple[bytes, str], key: _Opened) -> None:
    """Keep an opened key, in the place of the longest-held if there are enough."""
    if place not in opened and len(opened) >= OPEN_KEY_COUNT_MAX:
        del opened[next(iter(opened))]
    opened[place] = key


def _check_scheme(terminal: Terminal, scheme: KeyScheme, *, has_double_mak: bool) -> None:
    """Refuse keys of another cipher than the terminal's, and a MAC key too short for it."""
    if KeyScheme(terminal.key_scheme).cipher != scheme.cipher:
        raise SchemeRefused(
            f"sign-on {scheme.value} needs another master key than {terminal.key_scheme} has"
        )
    if not terminal.needs_mac:
        return
    if cipher_of(terminal.mac_algorithm) != scheme.cipher or (
        has_double_mak and not scheme.takes_double_mak
    ):
        raise SchemeRefused(f"sign-on {scheme.value} has no MAC key for {terminal.mac_algorithm!r}")


def mak_owner(terminal: Terminal) -> str:
    """Name the place where a terminal's MAC key belongs: associated data of its seal."""
    return f"mak:{terminal.acquirer}:{terminal.terminal_id}"


def pik_owner(terminal: Terminal) -> str:
    """Name the place where a terminal's PIN key belongs."""
    return f"pik:{terminal.acquirer}:{terminal.terminal_id}"


def tdk_owner(terminal: Terminal) -> str:
    """Name the place where a terminal's track key belongs."""
    return f"tdk:{terminal.acquirer}:{terminal.terminal_id}"


def tmk_owner(terminal: Terminal) -> str:
    """Name the place where a terminal's master key belongs."""
    return f"tmk:{terminal.acquirer}:{terminal.terminal_id}"


def zpk_owner(issuer: Issuer) -> str:
    """Name the place where the PIN key shared with an issuer belongs."""
    return f"zpk:{issuer.issuer_id}"
