"""All keys of a process in one bundle, made from its key store."""

from typing import Final

from switch.domain.registry.entities import NO_MAC, Issuer, SealedKey, Terminal
from switch.security.cards import CardVault
from switch.security.ciphers import CipherName, key_check_value
from switch.security.fingerprints import Fingerprinter
from switch.security.keystore import KeyStore, list_versions
from switch.security.mac import MacKey
from switch.security.minute_keys import MinuteKeys
from switch.security.sealing import SealBroken, Sealer

FINGERPRINT_FAMILY: Final = "fingerprint"
WORKING_KEY_FAMILY: Final = "working-key"
OPEN_MAC_KEY_COUNT_MAX: Final = 20_000  # about 1 KB each; beyond it the longest-held is reopened


class Keys:
    """
    Card vault, minute keys, fingerprints and the working keys of terminals.

    The fingerprint key is never rotated: stored fingerprints are compared for ever.
    """

    def __init__(self, keystore: KeyStore, *, minute_key_lifetime_ms: int) -> None:
        """
        Open everything, making the first keys if there are none.

        Raises:
            KeyStoreFault: the store cannot be used now.
        """
        self._keystore = keystore
        self.vault = CardVault(keystore)
        self.minute_keys = MinuteKeys(keystore, minute_key_lifetime_ms)
        self.fingerprinter = Fingerprinter(
            keystore.ensure_key(f"{FINGERPRINT_FAMILY}-1", durable=True)
        )
        self._working_key_id = list_versions(keystore, WORKING_KEY_FAMILY)[0]
        self._sealers: dict[str, Sealer] = {}
        self._mac_keys: dict[tuple[bytes, str], MacKey] = {}

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

    def open_mac_key(self, algorithm: str, sealed: SealedKey, owner: str) -> MacKey:
        """
        Open a working key for MACs; opened keys are kept, so this is fast for each message.

        Raises:
            SealBroken: sealed for another owner, altered, or its sealing key was destroyed.
            ValueError: the algorithm does not take this key.
            KeyStoreFault: the store cannot be used now.
        """
        mac_key = self._mac_keys.get((sealed.sealed, owner))
        if mac_key is None or mac_key.algorithm != algorithm:
            clear = self._sealer_of(sealed.key_id).open(sealed.sealed, owner)
            if len(self._mac_keys) >= OPEN_MAC_KEY_COUNT_MAX:
                del self._mac_keys[next(iter(self._mac_keys))]
            mac_key = self._mac_keys[sealed.sealed, owner] = MacKey(algorithm, clear)
        return mac_key

    def mac_key_of(self, terminal: Terminal) -> MacKey | None:
        """
        Return the MAC key that the registry holds for a terminal; None if it has or needs none.

        Raises:
            SealBroken: the registry's key does not open here (another key store sealed it).
            KeyStoreFault: the store cannot be used now.
        """
        if terminal.mak is None or terminal.mac_algorithm == NO_MAC:
            return None
        return self.open_mac_key(terminal.mac_algorithm, terminal.mak, mak_owner(terminal))

    def _sealer_of(self, key_id: str) -> Sealer:
        sealer = self._sealers.get(key_id)
        if sealer is None:
            key = self._keystore.find_key(key_id)
            if key is None:
                raise SealBroken(f"the key {key_id!r} that sealed a working key no longer exists")
            sealer = self._sealers[key_id] = Sealer(key)
        return sealer


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
