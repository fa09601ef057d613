"""The block ciphers that working keys are for, by name."""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from switch.security import des, sm4

KCV_BYTES: Final = des.KCV_BYTES

CipherName = Literal["des", "sm4"]


class BlockCipher(NamedTuple):
    """What one cipher does with single blocks; `des` is single, double or triple by its key."""

    block_bytes: int
    open_encryptor: Callable[[bytes], Callable[[bytes], bytes]]
    open_decryptor: Callable[[bytes], Callable[[bytes], bytes]]


CIPHERS: Final[dict[CipherName, BlockCipher]] = {
    "des": BlockCipher(des.BLOCK_BYTES, des.open_block_cipher, des.open_block_decipher),
    "sm4": BlockCipher(sm4.BLOCK_BYTES, sm4.open_block_cipher, sm4.open_block_decipher),
}


def key_check_value(key: bytes, cipher: CipherName = "des") -> bytes:
    """
    Encrypt a block of zero bytes and show the first four: tells keys apart without telling them.

    Raises:
        ValueError: the cipher takes no key of this length.
    """
    block_cipher = CIPHERS[cipher]
    return block_cipher.open_encryptor(key)(bytes(block_cipher.block_bytes))[:KCV_BYTES]
