"""Reading a payment back from the journal, for a refund long after it (docs/rules.md 2)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from switch.domain.identifiers import RRN_OFFSET_MODULUS, parse_rrn
from switch.domain.payment.payment import Payment
from switch.eventlog.journal import UnknownEvent, decode_record
from switch.eventlog.journal_place import Claims
from switch.eventlog.port import LogUnavailable, PartitionLog, PositionOutOfRange
from switch.handlers.recollection import OPENED_WITHIN_COUNT, Recollection

READ_COUNT_MAX: Final = 500
READ_RECORDS_MAX: Final = 200_000  # of one original; then it counts as unreadable
READ_TIMEOUT_S: Final = 10.0  # its turn included; whoever wants it waits not much longer


class Recalled(NamedTuple):
    """What was found; `fault` says why nothing could be read, empty if it could."""

    payment: Payment | None
    fault: str = ""


async def recall_payment(log: PartitionLog, claims: Claims, rrn: str, end: int) -> Recalled:
    """
    Read a payment back, from the offset that its RRN names; never beyond `end`.

    Most records are passed over unread: only those that name the RRN are decoded, and now and then
    one for its time.
    """
    _, at = parse_rrn(rrn)
    start = end - (end - at) % RRN_OFFSET_MODULUS if end > RRN_OFFSET_MODULUS else at
    offset, recollection, needle = start, Recollection(rrn), rrn.encode()
    try:
        end = min(end, await log.end())
        while offset < end:
            records = await log.read(offset, count_max=READ_COUNT_MAX, wait_ms=0)
            if not records:
                return Recalled(None, f"nothing can be read from offset {offset} on")
            for index, (record_offset, value) in enumerate(records):
                if needle not in value and index:
                    continue
                record = decode_record(value)
                is_valid = record.claim_id == claims.in_force_at(record_offset)
                if is_valid and recollection.feed(record):
                    return Recalled(recollection.payment)
            offset = records[-1].offset + 1
            if offset - start > OPENED_WITHIN_COUNT and not recollection.has_begun:
                break
            if offset - start > READ_RECORDS_MAX:
                return Recalled(None, f"no outcome within {READ_RECORDS_MAX} records")
    except (LogUnavailable, PositionOutOfRange, UnknownEvent) as error:
        return Recalled(None, str(error))
    return Recalled(recollection.payment)


class OriginalReader:
    """
    Reads originals of one partition back, one after the other, over a reader of its own.

    The journal's own reader stands where its writer looks for foreign claims: nobody may move it.
    """

    def __init__(
        self,
        open_log: Callable[[], Awaitable[PartitionLog]],
        claims: Claims,
        *,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        self._open_log = open_log
        self._claims = claims
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()
        self._log: PartitionLog | None = None

    async def read(self, rrn: str, end: int) -> Recalled:
        """Read a payment back; there is always an answer, and in time."""
        try:
            async with asyncio.timeout(self._timeout_s), self._turn:
                return await self._read(rrn, end)
        except TimeoutError:
            return Recalled(None, f"not read within {self._timeout_s:g} s")

    async def _read(self, rrn: str, end: int) -> Recalled:
        is_whole = False
        try:
            if self._log is None:
                self._log = await self._open_log()
            recalled = await recall_payment(self._log, self._claims, rrn, end)
            is_whole = not recalled.fault
        except Exception as error:  # noqa: BLE001 - whoever waits must hear; never with content
            return Recalled(None, type(error).__name__)
        else:
            return recalled
        finally:
            if not is_whole:
                await self.close()  # where a reader stands that was broken off is not known

    async def close(self) -> None:
        """Let the reader go; the next one is opened when it is needed."""
        log, self._log = self._log, None
        if log is not None:
            await log.close()
