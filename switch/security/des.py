"""DES as this field still uses it: single blocks in ECB, one long-lived cipher context a key."""

from collections.abc import Callable
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

BLOCK_BYTES: Final = 8
KCV_BYTES: Final = 4  # what a key check value shows of a block; terminals compare these
KEY_BYTES: Final = (8, 16, 24)  # DES, two-key and three-key triple DES
_TRIPLE_KEY_BYTES: Final = 24
_ODD_PARITY: Final = bytes(byte if byte.bit_count() % 2 else byte ^ 1 for byte in range(256))


def triple_key(key: bytes) -> bytes:
    """
    Write any DES key as 24 bytes: K becomes KKK (which is single DES), KL becomes KLK.

    A 16 byte key whose right half is eight zero bytes is a single-length key as sign-on 003
    sends it.

    Raises:
        ValueError: not 8, 16 or 24 bytes.
    """
    if len(key) not in KEY_BYTES:
        raise ValueError(f"a DES key has 8, 16 or 24 bytes, not {len(key)}")
    left = key[:BLOCK_BYTES]
    if len(key) == BLOCK_BYTES or not any(key[BLOCK_BYTES:]):
        return left * 3
    return key if len(key) == _TRIPLE_KEY_BYTES else key + left


def open_block_cipher(key: bytes) -> Callable[[bytes], bytes]:
    """
    Prepare a function that encrypts whole blocks of 8 bytes, for as long as it is kept.

    ECB has no state between blocks, so one context serves any number of messages.

    Raises:
        ValueError: not 8, 16 or 24 bytes.
    """
    return _cipher_of(key).encryptor().update


def open_block_decipher(key: bytes) -> Callable[[bytes], bytes]:
    """
    Prepare the function that undoes what `open_block_cipher` of the same key does.

    Raises:
        ValueError: not 8, 16 or 24 bytes.
    """
    return _cipher_of(key).decryptor().update


def key_check_value(key: bytes) -> bytes:
    """
    Encrypt eight zero bytes and show the first four: tells keys apart without telling them.

    Raises:
        ValueError: not 8, 16 or 24 bytes.
    """
    return open_block_cipher(key)(bytes(BLOCK_BYTES))[:KCV_BYTES]


def set_odd_parity(key: bytes) -> bytes:
    """Set the last bit of each byte so that the byte has an odd number of ones, as DES keys do."""
    return key.translate(_ODD_PARITY)


def _cipher_of(key: bytes) -> Cipher[modes.ECB]:
    # single blocks of derived text, never a message of repeating blocks: ECB is the standard's word
    return Cipher(TripleDES(triple_key(key)), modes.ECB())  # noqa: S305
