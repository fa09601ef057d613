"""Keys that a registry file gives in clear: checked, sealed for their place, never shown."""

from typing import Final, NamedTuple, Protocol

from switch.domain.registry.entities import SealedKey
from switch.registrar.document import LoadProblem, Place
from switch.security.api_keys import hash_api_key
from switch.security.ciphers import CipherName, key_check_value
from switch.security.mac import MacKey

DEMO_ONLY: Final = "keys in clear are for demo instances only"


class SealKey(Protocol):
    """Seals a clear key for its owner (`Keys.seal_key`)."""

    def __call__(self, clear: bytes, owner: str, *, cipher: CipherName) -> SealedKey:
        """Seal `clear`; the check value is made with `cipher`."""
        ...


class StatedKey(NamedTuple):
    """
    What a file says about one key: in clear or nothing, and the check value it must have.

    `cipher` is what the key is for, `mac_algorithm` what a MAC key must serve beyond that.
    """

    field: str
    clear: str
    kcv: str
    cipher: CipherName
    owner: str
    mac_algorithm: str = ""

    def __repr__(self) -> str:
        """Hide the key."""
        return f"StatedKey({self.field!r}, {self.owner!r}, <hidden>)"


class ClearKeys:
    """Takes the keys of one file; what is wrong with them is added to its problems."""

    def __init__(
        self, seal_key: SealKey, problems: list[LoadProblem], *, are_allowed: bool
    ) -> None:
        self._seal_key = seal_key
        self._problems = problems
        self._are_allowed = are_allowed

    def take(self, stated: StatedKey, known: SealedKey | None, place: Place) -> SealedKey | None:
        """Give the key as it is to be: `known` if the file gives none, or the same one again."""
        kcv = self._check_value(stated, place) if stated.clear else known.kcv if known else ""
        if kcv is None:
            return known
        if stated.kcv and not kcv.startswith(stated.kcv.upper()):
            self._add(
                place,
                f"{stated.field}_kcv",
                f"the key has the check value {kcv}" if kcv else "there is no key to be checked",
                "correct the key or its check value",
            )
            return known
        if not stated.clear or (known is not None and known.kcv == kcv):
            return known
        return self._seal_key(bytes.fromhex(stated.clear), stated.owner, cipher=stated.cipher)

    def digest(self, key_hash: str, api_key: str | None, place: Place) -> str:
        """Give the digest by which the holder of an API key is known."""
        if (api_key is None) == (not key_hash):
            self._add(
                place,
                "key_hash",
                "one of key_hash and api_key must be given, not both",
                "give key_hash; api_key is for demo instances only",
            )
        if api_key is not None and not self._are_allowed:
            self._add(place, "api_key", DEMO_ONLY, "give key_hash instead")
        return key_hash if api_key is None else hash_api_key(api_key)

    def _check_value(self, stated: StatedKey, place: Place) -> str | None:
        """Compute the check value of a clear key; None if it may not or cannot be used."""
        if not self._are_allowed:
            remedy = "leave it out; a key that is there stays"
            self._add(place, stated.field, DEMO_ONLY, remedy)
            return None
        clear = bytes.fromhex(stated.clear)
        try:
            if stated.mac_algorithm:
                MacKey(stated.mac_algorithm, clear)
            return key_check_value(clear, stated.cipher).hex().upper()
        except ValueError as error:
            self._add(place, stated.field, str(error), "give a key that fits")
            return None

    def _add(self, place: Place, field: str, wrong: str, remedy: str) -> None:
        self._problems.append(LoadProblem(place.path_of(field), wrong, remedy))
