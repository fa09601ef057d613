"""Sealing: AES-256-GCM with associated data, so that a blob opens only where it belongs."""

import itertools
import secrets
from collections.abc import Callable
from typing import ClassVar, Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16


class SealBroken(Exception):
    """A blob does not open: another key, other associated data, or altered bytes."""

    retryable: ClassVar[bool] = False


_NONCE_MODULUS: Final = 1 << 8 * NONCE_BYTES


class Sealer:
    """One AES-256 key, ready for use; it never shows itself. Blob = nonce, ciphertext, tag."""

    __slots__ = ("_aead", "_nonces")

    def __init__(
        self, key: bytes, random_bytes: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        """
        Prepare the cipher; only a simulation gives its own `random_bytes`, to be repeatable.

        Raises:
            ValueError: the key does not have KEY_BYTES bytes.
        """
        if len(key) != KEY_BYTES:
            raise ValueError(f"a sealing key has {KEY_BYTES} bytes, not {len(key)}")
        self._aead = AESGCM(key)
        # Counted on from a random start of 96 bits: never twice in this object, and the ranges of
        # two objects with one key, 2^40 seals each, overlap with a chance of 2^-55. A random nonce
        # each time would cost a system call.
        self._nonces = itertools.count(int.from_bytes(random_bytes(NONCE_BYTES), "big"))

    def __repr__(self) -> str:
        return "Sealer(<hidden>)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Sealer is not to be copied or written anywhere")

    def seal(self, plaintext: bytes, associated: str) -> bytes:
        """Seal for one place, named by `associated`; opening needs the same name."""
        nonce = self._take_nonce()
        return nonce + self._aead.encrypt(nonce, plaintext, associated.encode())

    def _take_nonce(self) -> bytes:
        return (next(self._nonces) % _NONCE_MODULUS).to_bytes(NONCE_BYTES, "big")

    def open(self, blob: bytes, associated: str) -> bytes:
        """
        Open what `seal` made.

        Raises:
            SealBroken: another key, other associated data, or altered bytes.
        """
        if len(blob) < NONCE_BYTES + TAG_BYTES:
            raise SealBroken("a sealed blob is too short to be one")
        try:
            return self._aead.decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], associated.encode())
        except InvalidTag:
            raise SealBroken(
                "a sealed blob does not open: other key, other place, or altered"
            ) from None
