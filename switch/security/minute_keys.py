"""Keys of the minute: what they seal is readable for minutes, then never (docs/design.md 5)."""

import secrets
from collections.abc import Callable
from typing import ClassVar, Final

from switch.security.keystore import KeyStore
from switch.security.sealing import Sealer

MINUTE_MS: Final = 60_000
FAMILY: Final = "minute"


class KeyDestroyed(Exception):
    """The key of that minute is gone: the request is too old to be sent anywhere."""

    retryable: ClassVar[bool] = False


class MinuteKeys:
    """
    One sealing key a minute, made when first needed, destroyed `lifetime_ms` after its minute.

    `lifetime_ms` is at least the terminal's deadline plus the clock skew allowed between hosts.
    Keys live in the key store, so another process (or the next one) can open while they last.
    """

    def __init__(
        self,
        keystore: KeyStore,
        lifetime_ms: int,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """
        Use the minute keys of a key store; `random_bytes` as `Sealer` has it.

        Raises:
            ValueError: a lifetime that is not positive.
        """
        if lifetime_ms <= 0:
            raise ValueError(f"lifetime_ms must be positive, not {lifetime_ms}")
        self._keystore = keystore
        self._lifetime_ms = lifetime_ms
        self._random_bytes = random_bytes
        self._sealers: dict[str, Sealer] = {}
        self._minute = -1
        self._oldest_minute = 0  # no minute before it is ever used again by this object
        self._key_id = ""
        self._sealer: Sealer | None = None

    def __repr__(self) -> str:
        return f"MinuteKeys(lifetime_ms={self._lifetime_ms}, {len(self._sealers)} open, <hidden>)"

    def seal(self, now_wall_ms: int, plaintext: bytes, associated: str) -> tuple[str, bytes]:
        """
        Seal under the key of this minute; return the key's id and the blob.

        Raises:
            KeyStoreFault: the key of a new minute cannot be stored now.
        """
        minute = now_wall_ms // MINUTE_MS
        sealer = self._sealer
        if sealer is None or minute != self._minute:
            sealer = self._start_minute(minute)
        return self._key_id, sealer.seal(plaintext, associated)

    def open(self, key_id: str, blob: bytes, associated: str) -> bytes:
        """
        Open a blob while its minute lasts.

        Raises:
            KeyDestroyed: the minute is over, or there never was such a key.
            SealBroken: other associated data, or altered bytes.
            KeyStoreFault: the store cannot be used now.
        """
        sealer = self._sealers.get(key_id)
        if sealer is None:
            key = self._keystore.find_key(key_id) if _minute_of(key_id) >= 0 else None
            if key is None:
                raise KeyDestroyed(f"the key {key_id!r} of this message no longer exists")
            sealer = self._sealers[key_id] = Sealer(key, self._random_bytes)
        return sealer.open(blob, associated)

    def destroy_expired(self, now_wall_ms: int) -> int:
        """
        Destroy every key whose minute ended `lifetime_ms` ago or earlier; return how many.

        Raises:
            KeyStoreFault: the store cannot be used now; call again later.
        """
        oldest = (now_wall_ms - self._lifetime_ms) // MINUTE_MS
        self._oldest_minute = max(self._oldest_minute, oldest)
        for key_id in [key_id for key_id in self._sealers if _minute_of(key_id) < oldest]:
            del self._sealers[key_id]
        if self._minute < oldest:
            self._sealer, self._minute = None, -1
        expired = [
            key_id
            for key_id in self._keystore.list_names(FAMILY + "-")
            if 0 <= _minute_of(key_id) < oldest
        ]
        for key_id in expired:
            self._keystore.destroy_key(key_id)
        return len(expired)

    def _start_minute(self, minute: int) -> Sealer:
        """Switch to a minute; a clock that fell back never revives one that was destroyed."""
        usable = max(minute, self._oldest_minute)
        key_id = f"{FAMILY}-{usable}"
        sealer = self._sealers.get(key_id)
        if sealer is None:
            key = self._keystore.ensure_key(key_id, durable=False)
            sealer = self._sealers[key_id] = Sealer(key, self._random_bytes)
        self._minute, self._key_id, self._sealer = minute, key_id, sealer
        return sealer


def _minute_of(key_id: str) -> int:
    """Read the minute from a key id; -1 for any other name."""
    family, _, minute = key_id.rpartition("-")
    return int(minute) if family == FAMILY and minute.isascii() and minute.isdecimal() else -1
