"""A partition owned by this process: claim it, fold it, then append under the append check."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, NamedTuple

from switch.adapters.clock import read_clock
from switch.adapters.sinks import call_sink
from switch.domain.clock import Now
from switch.eventlog.append_check import AppendVerdict, check_append, count_strays
from switch.eventlog.journal import (
    JournalRecord,
    PartitionClaimed,
    decode_record,
    encode_record,
)
from switch.eventlog.journal_reader import RecordReader, RecordT
from switch.eventlog.port import (
    AppendRefused,
    AppendUnknown,
    Fenced,
    LogUnavailable,
    PartitionLog,
)

READ_COUNT_MAX: Final = 1_000  # a fold of one such slice holds up the event loop for milliseconds
READ_WAIT_MS: Final = 200

AppendFault = Fenced | AppendRefused | AppendUnknown
OwnedSink = Callable[[int | AppendFault], None]


class RecordFormat(NamedTuple, Generic[RecordT]):
    """How the records of a claimed log are written, read and claimed with."""

    encode: Callable[[RecordT], bytes]
    decode: Callable[[bytes], RecordT]
    make_claim: Callable[[str, str, int], RecordT]  # owner, claim id, wall clock in ms


def _make_journal_claim(owner: str, claim_id: str, at: int) -> JournalRecord:
    claimed = PartitionClaimed(owner=owner, claim_id=claim_id, at=at)
    return JournalRecord(
        claim_id=claim_id, at=at, watermark=0, registry_position=0, events=(claimed,)
    )


JOURNAL_FORMAT: Final = RecordFormat(encode_record, decode_record, _make_journal_claim)


class OwnedJournal(Generic[RecordT]):
    """
    Appends under one claim; `claim_log` makes it.

    A sink learns its record's offset only once all earlier records are acked and nothing foreign
    lies before it. From the first failure on every outstanding and every later sink gets that
    failure; then start over from Claim with a newly opened partition.
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
        self._append_deadline_ms = append_deadline_ms
        self._loop = asyncio.get_running_loop()
        self._outstanding: deque[tuple[OwnedSink, int]] = deque()  # sink, boot_ms of the append
        self._held: deque[int] = deque()  # acks that came while a gap is being read
        self._gap_reading: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.claim_id = claim_id
        self.epoch = epoch  # offset of the claim
        self.next_offset = epoch + 1  # what the next record to be acked must get
        self.claim_acked_boot_ms = clock().boot_ms
        self.failure: AppendFault | None = None
        self.void_count = 0

    @property
    def next_append_offset(self) -> int:
        """The offset that a record appended now will get if nothing foreign comes between."""
        return self.next_offset + len(self._outstanding)

    def append(self, record: RecordT, sink: OwnedSink) -> None:
        """Append one record; `sink` gets its offset once it may be acted on, or the failure."""
        assert record.claim_id == self.claim_id, "a record must carry its writer's claim"
        if self.failure is not None:
            self._loop.call_soon(call_sink, sink, self.failure)
            return
        self._outstanding.append((sink, self._clock().boot_ms))
        if self._timer is None:
            self._timer = self._loop.call_later(self._append_deadline_ms / 1000, self._check_time)
        self._log.append(self._format.encode(record), self._take_ack)

    async def close(self) -> None:
        """Stop: outstanding records are unknown to whoever waits for them."""
        self._fail(AppendUnknown("the partition was given up before the ack"))
        if self._gap_reading is not None:
            self._gap_reading.cancel()
        await self._log.close()

    def _take_ack(self, outcome: int | AppendRefused | AppendUnknown) -> None:
        """Take the log's word on the oldest record that has none yet."""
        if self.failure is not None:
            return
        if not isinstance(outcome, int):
            self._fail(outcome)
        elif self._gap_reading is not None:
            self._held.append(outcome)
        else:
            self._take_offset(outcome)

    def _take_offset(self, offset: int) -> None:
        match check_append(self.next_offset, offset):
            case AppendVerdict.CONTIGUOUS:
                self.next_offset = offset + 1
                sink, _ = self._outstanding.popleft()
                call_sink(sink, offset)
            case AppendVerdict.GAP:
                self._held.append(offset)
                self._gap_reading = self._loop.create_task(self._read_gap(offset))
            case AppendVerdict.BACKWARDS:
                self._fail(
                    AppendUnknown(f"got offset {offset} where {self.next_offset} had to come")
                )

    async def _read_gap(self, own_offset: int) -> None:
        """Read what lies before an own record; then go on with the acks that waited for it."""
        try:
            self.void_count += await self._count_gap_strays(own_offset)
        except (Fenced, AppendUnknown) as fault:
            self._fail(fault)
        except Exception as fault:  # noqa: BLE001 (unreadable or undecodable: act on nothing after it)
            self._fail(AppendUnknown(f"what came before an own record cannot be judged: {fault}"))
        else:
            self.next_offset = own_offset
            self._gap_reading = None
            self._take_held()

    def _take_held(self) -> None:
        while self._held and self._gap_reading is None and self.failure is None:
            self._take_offset(self._held.popleft())

    async def _count_gap_strays(self, own_offset: int) -> int:
        offset, stray_count = self.next_offset, 0
        while offset < own_offset:
            # The own record is durable, so the reader must come to it; the append deadline
            # (`_check_time`) bounds how often this goes round.
            records = await self._log.read(offset, count_max=READ_COUNT_MAX, wait_ms=READ_WAIT_MS)
            if self.failure is not None:
                break
            gap = [record for record in records if record.offset < own_offset]
            stray_count += count_strays(
                (self._format.decode(record.value) for record in gap), self.claim_id
            )
            if len(gap) < len(records):
                break
            offset = records[-1].offset + 1 if records else offset
        return stray_count

    def _check_time(self) -> None:
        """Fail if the oldest outstanding record is past the deadline, else look again when due."""
        self._timer = None
        if not self._outstanding:
            return
        _, appended_boot_ms = self._outstanding[0]
        left_ms = appended_boot_ms + self._append_deadline_ms - self._clock().boot_ms
        if left_ms <= 0:
            self._fail(AppendUnknown(f"no ack within {self._append_deadline_ms} ms"))
        else:
            self._timer = self._loop.call_later(left_ms / 1000, self._check_time)

    def _fail(self, fault: AppendFault) -> None:
        if self.failure is not None:
            return
        self.failure = fault
        if self._timer is not None:
            self._timer.cancel()
        self._held.clear()
        outstanding, self._outstanding = self._outstanding, deque()
        for sink, _ in outstanding:
            call_sink(sink, fault)


async def claim_log(
    log: PartitionLog,
    record_format: RecordFormat[RecordT],
    *,
    owner: str,
    claim_id: str,
    on_record: Callable[[int, RecordT], None],
    append_deadline_ms: int,
    clock: Callable[[], Now] = read_clock,
) -> OwnedJournal[RecordT]:
    """
    Claim a partition: append the claim, then feed every valid record up to it to `on_record`.

    The claim itself is the last record fed. `claim_id` must be random and never used before.

    Raises:
        AppendUnknown: no ack in time, or the claim is not where its ack said.
        AppendRefused: the log takes no records now; the message says why.
        LogUnavailable: the log cannot be read.
        PositionOutOfRange: the log does not begin at its beginning any more.
    """
    claim = record_format.make_claim(owner, claim_id, clock().wall_ms)
    epoch = await _append_claim(log, record_format.encode(claim), append_deadline_ms)
    owned = OwnedJournal(
        log,
        record_format,
        claim_id=claim_id,
        epoch=epoch,
        clock=clock,
        append_deadline_ms=append_deadline_ms,
    )
    reader = await _fold(log, record_format, epoch, on_record, append_deadline_ms)
    if reader.epoch != epoch or reader.claim_id != claim_id:
        raise AppendUnknown(f"the claim was acked at offset {epoch}, but is not there")
    owned.void_count = reader.void_count
    return owned


async def claim_journal(
    log: PartitionLog,
    *,
    owner: str,
    claim_id: str,
    on_record: Callable[[int, JournalRecord], None],
    append_deadline_ms: int,
    clock: Callable[[], Now] = read_clock,
) -> OwnedJournal[JournalRecord]:
    """Claim a partition of the journal; see `claim_log`."""
    return await claim_log(
        log,
        JOURNAL_FORMAT,
        owner=owner,
        claim_id=claim_id,
        on_record=on_record,
        append_deadline_ms=append_deadline_ms,
        clock=clock,
    )


async def _append_claim(log: PartitionLog, value: bytes, append_deadline_ms: int) -> int:
    acked: asyncio.Future[int | AppendRefused | AppendUnknown] = (
        asyncio.get_running_loop().create_future()
    )

    def take_ack(outcome: int | AppendRefused | AppendUnknown) -> None:
        if not acked.done():
            acked.set_result(outcome)

    log.append(value, take_ack)
    try:
        async with asyncio.timeout(append_deadline_ms / 1000):
            outcome = await acked
    except TimeoutError:
        raise AppendUnknown(f"no ack of the claim within {append_deadline_ms} ms") from None
    if not isinstance(outcome, int):
        raise outcome
    return outcome


async def _fold(
    log: PartitionLog,
    record_format: RecordFormat[RecordT],
    epoch: int,
    on_record: Callable[[int, RecordT], None],
    stall_ms_max: int,
) -> RecordReader[RecordT]:
    """Read from the first record up to the one at `epoch`."""
    reader = RecordReader(record_format.decode)
    stall_ms = 0
    while reader.next_offset <= epoch:
        records = await log.read(reader.next_offset, count_max=READ_COUNT_MAX, wait_ms=READ_WAIT_MS)
        stall_ms = 0 if records else stall_ms + READ_WAIT_MS
        if stall_ms > stall_ms_max:
            raise LogUnavailable(
                f"nothing can be read from offset {reader.next_offset} on, "
                f"although offset {epoch} was acked"
            )
        for offset, value in records:
            if offset > epoch:
                return reader
            record = reader.feed(offset, value)
            if record is not None:
                on_record(offset, record)
    return reader
