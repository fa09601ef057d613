"""Where keys live: a port of four methods, its memory twin, and key families with versions."""

import re
import secrets
from collections.abc import Callable
from typing import ClassVar, Final, Protocol

from switch.security.sealing import KEY_BYTES

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class KeyStoreFault(Exception):
    """The key store cannot be used now; the message says what an operator should do."""

    retryable: ClassVar[bool] = True


class KeyStore(Protocol):
    """
    Named keys of 32 bytes, shared by all processes that open the same store.

    This is what an adapter to an HSM or a key management service implements: it keeps the keys
    under a master key that never leaves the device (docs/adr/0014-keys-behind-a-port.md).

    Names are lower-case words joined by hyphens. Every method may raise KeyStoreFault.
    """

    def ensure_key(self, name: str, *, durable: bool) -> bytes:
        """
        Return the key of that name; make a random one if there is none.

        Of several processes that ask at once, all get the same key. A key that is not `durable`
        may be lost with the power: for keys of the minute, which expire in any case.
        """
        ...

    def find_key(self, name: str) -> bytes | None:
        """Return the key of that name, or None if there is none (or no longer)."""
        ...

    def destroy_key(self, name: str) -> None:
        """Destroy a key for ever, and with it what it sealed; no key of that name is fine too."""
        ...

    def list_names(self, prefix: str) -> tuple[str, ...]:
        """Return the names that begin with `prefix`, in alphabetical order."""
        ...


def check_key_name(name: str) -> None:
    """
    Refuse a name that is no name; it may become part of a path.

    Raises:
        ValueError: not lower-case words joined by hyphens.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a key name: lower-case words joined by hyphens")


class MemoryKeyStore:
    """The key store of tests and simulations; nothing outlives it."""

    def __init__(self, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> None:
        """Start empty; keys are made of `random_bytes`."""
        self._keys: dict[str, bytes] = {}
        self._random_bytes = random_bytes

    def __repr__(self) -> str:
        return f"MemoryKeyStore({len(self._keys)} keys)"

    def ensure_key(self, name: str, *, durable: bool) -> bytes:  # noqa: ARG002 - nothing is durable
        """Return the key of that name; make a random one if there is none."""
        check_key_name(name)
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = self._random_bytes(KEY_BYTES)
        return key

    def find_key(self, name: str) -> bytes | None:
        """Return the key of that name, or None."""
        return self._keys.get(name)

    def destroy_key(self, name: str) -> None:
        """Forget a key."""
        self._keys.pop(name, None)

    def list_names(self, prefix: str) -> tuple[str, ...]:
        """Return the names that begin with `prefix`, in alphabetical order."""
        return tuple(sorted(name for name in self._keys if name.startswith(prefix)))


def list_versions(keystore: KeyStore, family: str) -> tuple[str, ...]:
    """
    Return the key ids of a family (`card-token-1`, `card-token-2`, ...), newest first.

    Makes version 1 where there is none yet.

    Raises:
        KeyStoreFault: the store cannot be used now.
    """
    versions = [
        int(name.removeprefix(family + "-"))
        for name in keystore.list_names(family + "-")
        if name.removeprefix(family + "-").isdecimal()
    ]
    if not versions:
        keystore.ensure_key(f"{family}-1", durable=True)
        versions = [1]
    return tuple(f"{family}-{version}" for version in sorted(versions, reverse=True))


def start_next_version(keystore: KeyStore, family: str) -> str:
    """
    Make the next key of a family and return its id; older ones stay live until destroyed.

    Raises:
        KeyStoreFault: the store cannot be used now.
    """
    newest = int(list_versions(keystore, family)[0].rpartition("-")[2])
    key_id = f"{family}-{newest + 1}"
    keystore.ensure_key(key_id, durable=True)
    return key_id
