"""API keys of partners: the switch keeps a digest, never the key."""

import hashlib
import secrets
from typing import Final

API_KEY_BYTES: Final = 24  # 192 random bits: a plain digest cannot be searched


def make_api_key() -> str:
    """Make a new API key; show it once, store `hash_api_key` of it."""
    return "sk_" + secrets.token_urlsafe(API_KEY_BYTES)


def hash_api_key(api_key: str) -> str:
    """Compute what the registry keeps of an API key: 64 hex digits."""
    return hashlib.sha256(b"switch api key\0" + api_key.encode()).hexdigest()
