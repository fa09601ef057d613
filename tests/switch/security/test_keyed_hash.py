import hmac
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.security.keyed_hash import KeyedHash


@given(st.binary(max_size=64), st.binary(max_size=300))
def test_it_is_hmac_sha_256(key, content):
    assert KeyedHash(key).digest(content) == hmac.digest(key, content, "sha256").hex()


def test_one_hash_does_not_disturb_the_next():
    keyed = KeyedHash(b"k" * 32)
    first = keyed.digest(b"a")
    keyed.digest(b"b")
    assert keyed.digest(b"a") == first


def test_a_key_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="at most 64 bytes"):
        KeyedHash(bytes(65))


def test_it_neither_shows_nor_gives_away_its_key():
    keyed = KeyedHash(b"secret")
    assert "secret" not in repr(keyed)
    with pytest.raises(TypeError):
        pickle.dumps(keyed)
