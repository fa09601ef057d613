"""Message authentication codes of terminals (DE 64), docs/iso8583.md 4."""

from hmac import compare_digest
from typing import Final, NoReturn

from switch.security.des import BLOCK_BYTES, open_block_cipher

ALGORITHMS: Final = ("unionpay-ecb",)
MAC_BYTES: Final = 8  # DE 64 holds eight bytes, whatever the algorithm puts there
MAB_BYTES_MAX: Final = 4096  # the longest frame that any listener takes
_BLOCK_BITS: Final = BLOCK_BYTES * 8
_MASKS: Final = tuple((1 << _BLOCK_BITS * n) - 1 for n in range(MAB_BYTES_MAX // BLOCK_BYTES + 1))


def xor_blocks(data: bytes) -> int:
    """
    XOR all blocks of 8 bytes, the last one filled up with zero bytes, as one number.

    The whole message is one integer that is folded in halves: log2(n) operations, not n.

    Raises:
        ValueError: more than MAB_BYTES_MAX bytes.
    """
    if len(data) > MAB_BYTES_MAX:
        raise ValueError(f"a message has at most {MAB_BYTES_MAX} bytes, not {len(data)}")
    missing = -len(data) % BLOCK_BYTES
    block_count = (len(data) + missing) // BLOCK_BYTES
    folded = int.from_bytes(data, "big") << 8 * missing
    while block_count > 1:
        block_count = (block_count + 1) // 2
        folded = (folded >> _BLOCK_BITS * block_count) ^ (folded & _MASKS[block_count])
    return folded


class MacKey:
    """
    A key that proves messages under one algorithm; it shows neither itself nor what it proved.

    `unionpay-ecb`: XOR of all blocks as 16 hex digits, E1 = Enc(first 8), E2 = Enc(E1 xor last 8);
    the code is the ASCII of E2's first 8 hex digits. Not to be shared between threads.
    """

    __slots__ = ("_encrypt", "algorithm")

    def __init__(self, algorithm: str, key: bytes) -> None:
        """
        Prepare the cipher context; it lives as long as this object.

        Raises:
            ValueError: an unknown algorithm, or a key of another length than it needs.
        """
        if algorithm not in ALGORITHMS:
            raise ValueError(f"unknown MAC algorithm {algorithm!r}; known: {', '.join(ALGORITHMS)}")
        self.algorithm = algorithm
        self._encrypt = open_block_cipher(key)

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
        digits = b"%016X" % xor_blocks(mab)
        encrypt = self._encrypt
        first = int.from_bytes(encrypt(digits[:8]), "big")
        mixed = first ^ int.from_bytes(digits[8:], "big")
        return encrypt(mixed.to_bytes(BLOCK_BYTES, "big")).hex().upper()[:MAC_BYTES].encode()

    def verify(self, mab: bytes, mac: bytes) -> bool:
        """
        Tell whether `mac` is the code of `mab`, in a time that does not depend on the answer.

        Raises:
            ValueError: more than MAB_BYTES_MAX bytes.
        """
        return compare_digest(self.compute(mab), mac)
