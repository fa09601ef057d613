"""Keys that follow from the seed, so that a run looks the same each time."""

import hashlib

from switch.security.keystore import check_key_name


class SeededKeyStore:
    """The key store of one simulated world, shared by all its processes."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._keys: dict[str, bytes] = {}

    def ensure_key(self, name: str, *, durable: bool) -> bytes:
        del durable
        key = self._keys.get(name)
        if key is None:
            check_key_name(name)
            key = hashlib.sha256(f"{self._seed}/{name}".encode()).digest()
            self._keys[name] = key
        return key

    def find_key(self, name: str) -> bytes | None:
        return self._keys.get(name)

    def destroy_key(self, name: str) -> None:
        self._keys.pop(name, None)

    def list_names(self, prefix: str) -> tuple[str, ...]:
        return tuple(sorted(name for name in self._keys if name.startswith(prefix)))
