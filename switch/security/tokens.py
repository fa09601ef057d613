"""Card tokens: an HMAC of the whole PAN; the same card has the same token under the same key."""

from collections.abc import Mapping
from typing import NoReturn

from switch.security.keyed_hash import KeyedHash


class CardTokenizer:
    """
    HMAC-SHA-256 under the newest key, comparable under every live one.

    After a rotation old tokens keep their key id until that key is destroyed.
    """

    __slots__ = ("_current_key", "_keys", "_older", "key_id")

    def __init__(self, keys: Mapping[str, bytes], key_id: str) -> None:
        """Take all live keys by id, newest first; `key_id` names the one for new tokens."""
        self._keys = {name: KeyedHash(key) for name, key in keys.items()}
        self._current_key = self._keys[key_id]
        self._older = tuple((name, key) for name, key in self._keys.items() if name != key_id)
        self.key_id = key_id

    def __repr__(self) -> str:
        return f"CardTokenizer({self.key_id!r}, {len(self._keys)} live keys, <hidden>)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a CardTokenizer is not to be copied or written anywhere")

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Every live key version."""
        return tuple(self._keys)

    def token_of(self, pan: str) -> str:
        """Compute the token of a PAN under the newest key, 64 hex digits."""
        return self._current_key.digest(pan.encode())

    def older_tokens_of(self, pan: str) -> tuple[tuple[str, str], ...]:
        """Compute the tokens under the other live keys, by key id, in the order of the keys."""
        return tuple((key_id, key.digest(pan.encode())) for key_id, key in self._older)
