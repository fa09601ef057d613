"""A partition owned by this process: claim it, fold it, then append under the append check."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Final, Generic

from switch.adapters.clock import read_clock
from switch.adapters.sinks import call_sink
from switch.domain.clock import Now
from switch.eventlog.claimed_writer import AppendFault, ClaimedWriter, OwnedSink
from switch.eventlog.claims import RecordFormat
from switch.eventlog.journal_reader import RecordT
from switch.eventlog.port import (
    AppendRefused,
    AppendUnknown,
    Fenced,
    LogUnavailable,
    PartitionLog,
)
from switch.eventlog.takeover import Takeover

READ_COUNT_MAX: Final = 1_000  # a fold of one such slice holds up the event loop for milliseconds
READ_WAIT_MS: Final = 200


class OwnedJournal(Generic[RecordT]):
    """
    Appends under one claim; `claim_log` makes it.

    A sink learns its record's offset only once all earlier records are acked and nothing foreign
    lies before it (`ClaimedWriter` decides that). From the first failure on every outstanding and
    every later sink gets that failure; then start over from Claim with a newly opened partition.
    """

    def __init__(
        self,
        log: PartitionLog,
        record_format: RecordFormat[RecordT],
        *,
        claim_id: str,
        epoch: int,
        clock: Callable[[], Now],
        append_deadline_ms: int,
    ) -> None:
        self._log = log
        self._format = record_format
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._writer = ClaimedWriter(
            claim_id=claim_id, epoch=epoch, append_deadline_ms=append_deadline_ms
        )
        self._gap_reading: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.claim_id = claim_id
        self.epoch = epoch  # offset of the claim
        self.claim_acked_boot_ms = clock().boot_ms
        self._sequence = itertools.count(1)  # the claim itself is 0
        self.gap_count = 0  # how often something lay before an own record, if only an offset
        self._folded_void_count = 0

    @property
    def next_offset(self) -> int:
        """What the next record to be acked must get."""
        return self._writer.next_offset

    @property
    def next_append_offset(self) -> int:
        """The offset that a record appended now will get if nothing foreign comes between."""
        return self._writer.next_append_offset

    @property
    def is_reading_gap(self) -> bool:
        """Whether no offset can be foreseen: what lies before an own record is still being read."""
        return self._writer.gap_end is not None

    @property
    def failure(self) -> AppendFault | None:
        """Why nothing more can be appended; None while it can."""
        return self._writer.failure

    @property
    def void_count(self) -> int:
        """Void records met: before the claim, and between own records since."""
        return self._folded_void_count + self._writer.void_count

    def note_folded_voids(self, count: int) -> None:
        """Note how many void records lay before the claim."""
        self._folded_void_count = count

    def append(self, record: RecordT, sink: OwnedSink, *, traceparent: str = "") -> None:
        """
        Append one record; `sink` gets its offset once it may be acted on, or the failure.

        `traceparent` is the W3C trace of the request that caused it, if one did.
        """
        assert record.claim_id == self.claim_id, "a record must carry its writer's claim"
        if self._writer.failure is not None:
            self._loop.call_soon(call_sink, sink, self._writer.failure)
            return
        self._writer.note_append(sink, self._clock().boot_ms)
        if self._timer is None:
            self._set_timer()
        self._log.append(
            self._format.encode(record),
            self._take_ack,
            event_id=f"{self.claim_id}-{next(self._sequence)}",
            traceparent=traceparent,
        )

    async def look_behind(self) -> None:
        """
        See whether anybody wrote behind all that was appended here: a successor, most likely.

        The next append would tell, but who was paused and has nothing to write makes none.

        Raises:
            Fenced: somebody did; start over from Claim.
            LogUnavailable: it cannot be told.
        """
        end = await self._log.end()
        if end > self.next_append_offset and not self.is_reading_gap:
            raise Fenced(f"others have written behind offset {self.next_append_offset}")

    async def close(self) -> None:
        """Stop: outstanding records are unknown to whoever waits for them."""
        self._writer.fail(AppendUnknown("the partition was given up before the ack"))
        self._tell()
        if self._gap_reading is not None:
            self._gap_reading.cancel()
        await self._log.close()

    def _take_ack(self, outcome: int | AppendRefused | AppendUnknown) -> None:
        self._writer.take_ack(outcome)
        self._tell()

    def _tell(self) -> None:
        """Tell those who may be told; begin to read a gap that has shown up."""
        writer = self._writer
        for sink, outcome in writer.take_told():
            call_sink(sink, outcome)
        if writer.failure is not None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        elif writer.gap_end is not None and self._gap_reading is None:
            self._gap_reading = self._loop.create_task(self._read_gaps())

    async def _read_gaps(self) -> None:
        """Read what lies before own records; then the acks that waited for it go on."""
        writer = self._writer
        while writer.gap_end is not None and writer.failure is None:
            self.gap_count += 1
            try:
                await self._read_gap(writer.next_offset, writer.gap_end)
            except Exception as fault:  # noqa: BLE001 (unreadable: act on nothing after it)
                writer.fail(
                    AppendUnknown(f"what came before an own record cannot be judged: {fault}")
                )
            writer.end_gap()
        self._gap_reading = None
        self._tell()

    async def _read_gap(self, offset: int, own_offset: int) -> None:
        while offset < own_offset and self._writer.failure is None:
            # The own record is durable, so the reader must come to it; the append deadline
            # (`_check_time`) bounds how often this goes round.
            records = await self._log.read(offset, count_max=READ_COUNT_MAX, wait_ms=READ_WAIT_MS)
            gap = [record for record in records if record.offset < own_offset]
            self._writer.take_gap(self._format.decode(record.value) for record in gap)
            if len(gap) < len(records):
                return
            offset = records[-1].offset + 1 if records else offset

    def _set_timer(self) -> None:
        """Look again when the oldest outstanding record is due."""
        deadline = self._writer.deadline_boot_ms()
        if deadline is not None:
            left_ms = max(0, deadline - self._clock().boot_ms)
            self._timer = self._loop.call_later(left_ms / 1000, self._check_time)

    def _check_time(self) -> None:
        self._timer = None
        self._writer.check_time(self._clock().boot_ms)
        self._tell()
        if self._writer.failure is None:
            self._set_timer()


async def follow_log(log: PartitionLog, takeover: Takeover[RecordT], *, known_end: int = 0) -> None:
    """
    Fold everything up to the end of the log as it is now, in slices that let others run between.

    `known_end` is how far the log is known to have gone: a log that keeps what it acknowledged is
    never shorter, unless it is looked at where its news has not come yet.

    Raises:
        LogUnavailable: the log cannot be read, or is shorter.
        PositionOutOfRange: the log does not begin at its beginning any more.
    """
    if takeover.lacks_owner:
        for record in await log.read(takeover.epoch, count_max=1, wait_ms=READ_WAIT_MS):
            takeover.note_owner(record.value)
    end = await log.end()
    if end < known_end:
        raise LogUnavailable(
            f"the log ends at {end}, but {known_end} records were in it: while some are lost it is"
            " not served (docs/operations.md, Restore)"
        )
    while takeover.next_offset < end and await read_on(log, takeover, READ_WAIT_MS):
        pass  # the last offsets may hold no record


async def read_on(log: PartitionLog, takeover: Takeover[RecordT], wait_ms: int) -> int:
    """
    Fold the next slice and return how many records it held; wait so long for a first one.

    Raises:
        LogUnavailable: the log cannot be read.
        PositionOutOfRange: the log does not begin at its beginning any more.
    """
    records = await log.read(takeover.next_offset, count_max=READ_COUNT_MAX, wait_ms=wait_ms)
    takeover.feed(records)
    await asyncio.sleep(0)  # a log that has much at hand does not wait for anything
    return len(records)


async def claim_log(
    log: PartitionLog,
    record_format: RecordFormat[RecordT],
    takeover: Takeover[RecordT],
    *,
    owner: str,
    claim_id: str,
    append_deadline_ms: int,
    clock: Callable[[], Now] = read_clock,
) -> OwnedJournal[RecordT]:
    """
    Claim a partition: fold it as far as it goes, append the claim, fold what came before that.

    So little is left to be read once the claim has taken the log from whoever had it. The claim
    is the last record folded. `claim_id` must be random and never used before.

    Raises:
        AppendUnknown: no ack in time, or the claim is not where its ack said.
        AppendRefused: the log takes no records now; the message says why.
        LogUnavailable: the log cannot be read.
        PositionOutOfRange: the log does not begin at its beginning any more.
    """
    await follow_log(log, takeover)
    claim = record_format.make_claim(owner, claim_id, clock().wall_ms)
    epoch = await _append_claim(log, record_format.encode(claim), claim_id, append_deadline_ms)
    owned = OwnedJournal(
        log,
        record_format,
        claim_id=claim_id,
        epoch=epoch,
        clock=clock,
        append_deadline_ms=append_deadline_ms,
    )
    takeover.begin_claim(claim_id, epoch)
    await _read_up_to_claim(log, takeover, append_deadline_ms)
    takeover.check_claim()
    owned.note_folded_voids(takeover.void_count)
    return owned


async def _append_claim(
    log: PartitionLog, value: bytes, claim_id: str, append_deadline_ms: int
) -> int:
    acked: asyncio.Future[int | AppendRefused | AppendUnknown] = (
        asyncio.get_running_loop().create_future()
    )

    def take_ack(outcome: int | AppendRefused | AppendUnknown) -> None:
        if not acked.done():
            acked.set_result(outcome)

    log.append(value, take_ack, event_id=f"{claim_id}-0")
    try:
        async with asyncio.timeout(append_deadline_ms / 1000):
            outcome = await acked
    except TimeoutError:
        raise AppendUnknown(f"no ack of the claim within {append_deadline_ms} ms") from None
    if not isinstance(outcome, int):
        raise outcome
    return outcome


async def _read_up_to_claim(
    log: PartitionLog, takeover: Takeover[RecordT], stall_ms_max: int
) -> None:
    """Read what lies before the claim, which is durable: a reader must come to it."""
    stall_ms = 0
    while not takeover.is_done:
        count = await read_on(log, takeover, READ_WAIT_MS)
        stall_ms = 0 if count else stall_ms + READ_WAIT_MS
        if stall_ms > stall_ms_max:
            raise LogUnavailable(
                f"nothing can be read from offset {takeover.next_offset} on, "
                "although the claim behind it was acked"
            )
