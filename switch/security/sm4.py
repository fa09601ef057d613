"""SM4 (GB/T 32907): single blocks in ECB, as the newer terminals use it beside DES."""

from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import SM4

BLOCK_BYTES: Final = 16
KEY_BYTES: Final = 16


def open_block_cipher(key: bytes) -> Callable[[bytes], bytes]:
    """
    Prepare a function that encrypts whole blocks of 16 bytes, for as long as it is kept.

    Raises:
        ValueError: not 16 bytes.
    """
    return _cipher_of(key).encryptor().update


def open_block_decipher(key: bytes) -> Callable[[bytes], bytes]:
    """
    Prepare the function that undoes what `open_block_cipher` of the same key does.

    Raises:
        ValueError: not 16 bytes.
    """
    return _cipher_of(key).decryptor().update


def _cipher_of(key: bytes) -> Cipher[modes.ECB]:
    if len(key) != KEY_BYTES:
        raise ValueError(f"an SM4 key has {KEY_BYTES} bytes, not {len(key)}")
    return Cipher(SM4(key), modes.ECB())  # noqa: S305 - as in des.py: single blocks
