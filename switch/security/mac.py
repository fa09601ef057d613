"""Message authentication codes of terminals (DE 64), docs/iso8583.md 4."""

from binascii import b2a_hex
from collections.abc import Callable
from hmac import compare_digest
from typing import Final, NoReturn

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from switch.security import des, sm4
from switch.security.ciphers import CipherName

MAC_BYTES: Final = 8  # DE 64 holds eight bytes, whatever the algorithm puts there
MAB_BYTES_MAX: Final = 4096  # the longest frame that any listener takes

_CodeOf = Callable[[bytes], bytes]


def xor_blocks(data: bytes, block_bytes: int = des.BLOCK_BYTES) -> int:
    """
    XOR all blocks, the last one filled up with zero bytes, as one number.

    The whole message is one integer that is folded in halves: log2(n) operations, not n.

    Raises:
        ValueError: more than MAB_BYTES_MAX bytes.
    """
    _check_length(data)
    missing = -len(data) % block_bytes
    folded = int.from_bytes(data, "big") << 8 * missing
    for half_bits, mask in _HALVES[block_bytes][(len(data) + missing) // block_bytes]:
        folded = (folded >> half_bits) ^ (folded & mask)
    return folded


_Halves = tuple[tuple[int, int], ...]  # bits of the lower half, and the mask that leaves it


def _list_halves(block_bytes: int) -> tuple[_Halves, ...]:
    """List for each number of blocks how it is halved until one is left."""
    halves: list[_Halves] = [(), ()]
    for block_count in range(2, MAB_BYTES_MAX // block_bytes + 1):
        half = (block_count + 1) // 2
        bits = 8 * block_bytes * half
        halves.append(((bits, (1 << bits) - 1), *halves[half]))
    return tuple(halves)


_HALVES: Final = {size: _list_halves(size) for size in (des.BLOCK_BYTES, sm4.BLOCK_BYTES)}


def _check_length(mab: bytes) -> None:
    if len(mab) > MAB_BYTES_MAX:
        raise ValueError(f"a message has at most {MAB_BYTES_MAX} bytes, not {len(mab)}")


def _open_unionpay(encrypt: _CodeOf, block_bytes: int) -> _CodeOf:
    """
    XOR of all blocks as hex digits, E1 = Enc(first half), E2 = Enc(E1 xor second half).

    The code is the ASCII of E2's first eight hex digits. This runs twice for each payment: what
    does not change is bound once.
    """
    to_number = int.from_bytes
    hex_digits = b"%%0%dX" % (2 * block_bytes)

    def code_of(mab: bytes) -> bytes:
        digits = hex_digits % xor_blocks(mab, block_bytes)
        first = to_number(encrypt(digits[:block_bytes]), "big")
        mixed = first ^ to_number(digits[block_bytes:], "big")
        return b2a_hex(encrypt(mixed.to_bytes(block_bytes, "big"))[: MAC_BYTES // 2]).upper()

    return code_of


def _open_unionpay_des(key: bytes) -> _CodeOf:
    return _open_unionpay(des.open_block_cipher(key), des.BLOCK_BYTES)


def _open_unionpay_sm4(key: bytes) -> _CodeOf:
    return _open_unionpay(sm4.open_block_cipher(key), sm4.BLOCK_BYTES)


def _open_chain(key: bytes) -> _CodeOf:
    """
    Take the last block of CBC from a start of zeros: every block depends on all before it.

    One context serves all messages, for a new one costs as much as half a message. It goes on from
    the last block of the message before, which is cancelled in the first block of the next.
    """
    cipher = Cipher(TripleDES(des.triple_key(key)), modes.CBC(bytes(des.BLOCK_BYTES)))
    encrypt, to_number = cipher.encryptor().update, int.from_bytes
    last = 0

    def code_of(mab: bytes) -> bytes:
        nonlocal last
        _check_length(mab)
        size = max(len(mab) + -len(mab) % des.BLOCK_BYTES, des.BLOCK_BYTES)
        blocks = to_number(mab.ljust(size, b"\0"), "big")
        begun = blocks ^ last << 8 * (size - des.BLOCK_BYTES)
        code = encrypt(begun.to_bytes(size, "big"))[-des.BLOCK_BYTES :]
        last = to_number(code, "big")
        return code

    return code_of


def _open_x9_9(key: bytes) -> _CodeOf:
    """ANSI X9.9: single DES in CBC; all eight bytes of the last block are sent."""
    if len(key) != des.BLOCK_BYTES:
        raise ValueError(f"x9.9 takes a key of {des.BLOCK_BYTES} bytes, not {len(key)}")
    return _open_chain(key)


def _open_x9_19(key: bytes) -> _CodeOf:
    """ANSI X9.19: X9.9 under the left half, decrypted by the right one, encrypted by the left."""
    left, right = key[: des.BLOCK_BYTES], key[des.BLOCK_BYTES :]
    if len(right) != des.BLOCK_BYTES or not any(right):
        raise ValueError(f"x9.19 takes a key of 16 bytes, neither half empty, not {len(key)}")
    chain = _open_chain(left)
    decrypt = des.open_block_decipher(right)
    encrypt = des.open_block_cipher(left)
    return lambda mab: encrypt(decrypt(chain(mab)))


_OPENERS: Final[dict[str, tuple[CipherName, Callable[[bytes], _CodeOf]]]] = {
    "unionpay-ecb": ("des", _open_unionpay_des),
    "unionpay-ecb-sm4": ("sm4", _open_unionpay_sm4),
    "x9.9": ("des", _open_x9_9),
    "x9.19": ("des", _open_x9_19),
}
ALGORITHMS: Final = tuple(_OPENERS)
ALGORITHMS_OF_DOUBLE_KEYS: Final = ("x9.19",)  # these need a MAC key with a second half


def cipher_of(algorithm: str) -> CipherName:
    """
    Name the cipher that the keys of an algorithm are for.

    Raises:
        ValueError: an unknown algorithm.
    """
    return _find_opener(algorithm)[0]


def _find_opener(algorithm: str) -> tuple[CipherName, Callable[[bytes], _CodeOf]]:
    if algorithm not in _OPENERS:
        raise ValueError(f"unknown MAC algorithm {algorithm!r}; known: {', '.join(ALGORITHMS)}")
    return _OPENERS[algorithm]


class MacKey:
    """
    A key that proves messages under one algorithm; it shows neither itself nor what it proved.

    `unionpay-ecb` takes 8, 16 or 24 bytes, `unionpay-ecb-sm4` and `x9.19` 16, `x9.9` 8. Not to be
    shared between threads.
    """

    __slots__ = ("_code_of", "algorithm")

    def __init__(self, algorithm: str, key: bytes) -> None:
        """
        Prepare the cipher context; it lives as long as this object.

        Raises:
            ValueError: an unknown algorithm, or a key of another length than it needs.
        """
        _, open_key = _find_opener(algorithm)
        self.algorithm = algorithm
        self._code_of = open_key(key)

    def __repr__(self) -> str:
        return f"MacKey({self.algorithm!r}, <hidden>)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a MacKey is not to be copied or written anywhere")

    def compute(self, mab: bytes) -> bytes:
        """
        Compute the eight bytes of DE 64 over a message from its MTI to the element before the MAC.

        Raises:
            ValueError: more than MAB_BYTES_MAX bytes.
        """
        return self._code_of(mab)

    def verify(self, mab: bytes, mac: bytes) -> bool:
        """
        Tell whether `mac` is the code of `mab`, in a time that does not depend on the answer.

        Raises:
            ValueError: more than MAB_BYTES_MAX bytes.
        """
        return compare_digest(self._code_of(mab), mac)
