"""Reading a payment back from the journal, for a refund long after it (docs/rules.md 2)."""

import bisect
from typing import Final, NamedTuple

from switch.domain.identifiers import RRN_OFFSET_MODULUS, parse_rrn
from switch.domain.payment.payment import Payment
from switch.eventlog.journal import UnknownEvent, decode_record
from switch.eventlog.port import LogUnavailable, PartitionLog, PositionOutOfRange
from switch.handlers.recollection import Recollection

READ_COUNT_MAX: Final = 500
READ_RECORDS_MAX: Final = 200_000  # of one original; then it counts as unreadable


class Recalled(NamedTuple):
    """What was found; `fault` says why nothing could be read, empty if it could."""

    payment: Payment | None
    fault: str = ""


class Claims:
    """The claims of one partition, by offset: what the void rule needs to read from the middle."""

    def __init__(self) -> None:
        self._offsets: list[int] = []
        self._claim_ids: list[str] = []

    def note(self, offset: int, claim_id: str) -> None:
        """Take the next claim, in the order of the journal."""
        self._offsets.append(offset)
        self._claim_ids.append(claim_id)

    def in_force_at(self, offset: int) -> str:
        """Return the claim id that a valid record at this offset carries."""
        place = bisect.bisect_right(self._offsets, offset)
        return self._claim_ids[place - 1] if place else ""


async def recall_payment(log: PartitionLog, claims: Claims, rrn: str, end: int) -> Recalled:
    """
    Read a payment back, from the offset that its RRN names; never beyond `end`.

    Most records are passed over unread: only those that name the RRN are decoded, and now and then
    one for its time.
    """
    _, at = parse_rrn(rrn)
    offset = end - (end - at) % RRN_OFFSET_MODULUS if end > RRN_OFFSET_MODULUS else at
    recollection = Recollection(rrn)
    needle = rrn.encode()
    last = min(end, offset + READ_RECORDS_MAX)
    try:
        while offset < last:
            records = await log.read(offset, count_max=READ_COUNT_MAX, wait_ms=0)
            if not records:
                break
            for index, (record_offset, value) in enumerate(records):
                if needle not in value and index:
                    continue
                record = decode_record(value)
                is_valid = record.claim_id == claims.in_force_at(record_offset)
                if is_valid and recollection.feed(record):
                    return Recalled(recollection.payment)
            offset = records[-1].offset + 1
    except (LogUnavailable, PositionOutOfRange, UnknownEvent) as error:
        return Recalled(None, str(error))
    return Recalled(recollection.payment)
