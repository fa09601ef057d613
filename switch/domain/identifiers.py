"""Identity of payments: partition key, idempotency key, RRN (docs/rules.md 1)."""

from typing import Final

RRN_DIGITS: Final = 12
RRN_OFFSET_MODULUS: Final = 10**10
PARTITION_COUNT_MAX: Final = 100  # the RRN spends two digits on the partition

_MASK: Final = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Hash as Kafka's default partitioner does (32-bit MurmurHash2, seed 0x9747b28c)."""
    m, length = 0x5BD1E995, len(data)
    h = 0x9747B28C ^ length
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & _MASK
        k ^= k >> 24
        h = (h * m & _MASK) ^ (k * m & _MASK)
    if tail := data[whole:]:
        h = (h ^ int.from_bytes(tail, "little")) * m & _MASK
    h = (h ^ h >> 13) * m & _MASK
    return h ^ h >> 15


def make_partition_key(acquirer: str, merchant_id: str) -> str:
    """Join what decides the partition: the acquirer and DE 42 merchant_id *as sent*."""
    return f"{acquirer}|{merchant_id}"


def partition_of(partition_key: str, partition_count: int) -> int:
    """Place a key as every Kafka client with the default partitioner would."""
    return (murmur2(partition_key.encode()) & 0x7FFFFFFF) % partition_count


def make_direct_key(partition: int) -> str:
    """Name a partition itself, for what concerns one of its cases; no merchant's key is like it."""
    return f"#{partition:02d}"


def place_of(key: str, partition_count: int) -> int:
    """Place what is written to the inbound log: where its key says, or where that belongs."""
    if key.startswith("#") and "|" not in key:
        return int(key[1:]) % partition_count
    return partition_of(key, partition_count)


def make_rrn(partition: int, offset: int) -> str:
    """Build DE 37 from the address of the journal record that opened the payment."""
    return f"{partition:02d}{offset % RRN_OFFSET_MODULUS:010d}"


def parse_rrn(rrn: str) -> tuple[int, int]:
    """
    Split an RRN into partition and journal offset (modulo 10^10).

    Raises:
        ValueError: not twelve digits, so not ours.
    """
    if len(rrn) != RRN_DIGITS or not (rrn.isascii() and rrn.isdecimal()):
        raise ValueError("an RRN has twelve digits")
    return int(rrn[:2]), int(rrn[2:])


MESSAGE_CLASSES: Final = {
    "1": "payment",
    "2": "payment",
    "3": "upload",
    "4": "reversal",
    "5": "reconciliation",
    "6": "advice",
    "8": "management",
}


def make_idempotency_key(
    *, acquirer: str, merchant_id: str, terminal_id: str, batch: str, stan: str, message_class: str
) -> str:
    """Join what names one request of one terminal for ever; all parts as the terminal sent them."""
    return f"{acquirer}|{merchant_id}|{terminal_id}|{batch}|{stan}|{message_class}"


def make_client_key(*, client: str, merchant_id: str, idempotency_key: str) -> str:
    """Join what names one JSON request: client, merchant and the Idempotency-Key header."""
    return f"json|{client}|{merchant_id}|{idempotency_key}"
