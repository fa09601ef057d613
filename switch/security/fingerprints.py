"""Fingerprints: what a request said, to tell a repeat from a conflict (docs/rules.md 1)."""

from collections.abc import Sequence
from typing import Final, NoReturn

from switch.security.keyed_hash import KeyedHash


class _Lengths(dict[int, str]):
    """Lengths as they are written before a part; the usual ones are written once for all."""

    def __missing__(self, length: int) -> str:
        return f"{length}:"


_LENGTHS: Final = _Lengths({length: f"{length}:" for length in range(100)})


class Fingerprinter:
    """HMAC-SHA-256 over a list of texts; keyed, so that amounts and cards cannot be guessed."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        """Take the key; fingerprints under another key are all different."""
        self._key = KeyedHash(key)

    def __repr__(self) -> str:
        return "Fingerprinter(<hidden>)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Fingerprinter is not to be copied or written anywhere")

    def fingerprint(self, parts: Sequence[str]) -> str:
        """Compute 64 hex digits; each part carries its length, so no two lists look alike."""
        content = "".join([_LENGTHS[len(part)] + part for part in parts])
        return self._key.digest(content.encode())
