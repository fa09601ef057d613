"""
The log's memory twin: a test target, a stage for faults and the smallest example of a log.

Nothing happens by itself: `pump` (or `land` and `ack` of one writer) moves what was appended into
the log and the acks back. With `call_soon` an append pumps itself; with `sleep` a read waits.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from switch.eventlog.port import (
    RECORD_BYTES_MAX,
    AppendRefused,
    AppendSink,
    AppendUnknown,
    PositionOutOfRange,
    StoredRecord,
    check_address,
)

AppendFailure = AppendRefused | AppendUnknown
POLL_MS: Final = 5  # how often a waiting read looks again


class MemoryPartition:
    """What is durable in one partition; raise `first_offset` to drop old records."""

    def __init__(self) -> None:
        self.records: list[StoredRecord] = []
        self.first_offset = 0
        self.next_offset = 0

    def put(self, value: bytes) -> int:
        """Make one record durable, whoever wrote it: a stray, a foreign claim."""
        offset = self.next_offset
        self.records.append(StoredRecord(offset, value))
        self.next_offset += 1
        return offset

    def skip(self, count: int = 1) -> None:
        """Leave a gap in the offsets, as an aborted batch does."""
        self.next_offset += count


class MemoryWriter:
    """One opened partition (a `PartitionLog`), with its faults within reach."""

    def __init__(self, log: "MemoryLog", partition: MemoryPartition) -> None:
        self._log, self.partition = log, partition
        self.queued: deque[tuple[bytes, AppendSink]] = deque()  # not in the log yet
        self.landed: deque[tuple[int | AppendFailure, AppendSink]] = deque()  # not acked yet
        self.failure: AppendFailure | None = None  # set it: nothing lands any more
        self.is_held = False  # `pump` passes this writer by
        self.lost_ack_count = 0  # how many of the next acks never come
        self.doubled_count = 0  # how many of the next records land twice

    def append(
        self,
        value: bytes,
        sink: AppendSink,
        *,
        key: bytes = b"",  # noqa: ARG002
        event_id: str = "",  # noqa: ARG002
        traceparent: str = "",  # noqa: ARG002
    ) -> None:
        """Queue one record."""
        self.queued.append((value, sink))
        if self._log.call_soon is not None:
            self._log.call_soon(self._log.pump)

    def land(self) -> None:
        """Make the oldest queued record durable, or fail it if this writer has failed."""
        value, sink = self.queued.popleft()
        if len(value) > RECORD_BYTES_MAX:
            self.failure = AppendRefused(f"a record of {len(value)} bytes is too large")
        if self.failure is not None:
            self.landed.append((self.failure, sink))
            return
        if self.doubled_count:
            self.doubled_count -= 1
            self.partition.put(value)
        self.landed.append((self.partition.put(value), sink))

    def ack(self) -> None:
        """Tell what became of the oldest one, or keep silent for ever if its ack is lost."""
        outcome, sink = self.landed.popleft()
        if self.lost_ack_count:
            self.lost_ack_count -= 1
            return
        sink(outcome)

    def pump(self) -> None:
        """Land and ack all that is queued."""
        while self.queued:
            self.land()
        while self.landed:
            self.ack()

    async def read(self, offset: int, *, count_max: int, wait_ms: int) -> list[StoredRecord]:
        """Return durable records; wait only if the log was given a `sleep`."""
        for _ in range(1 + wait_ms // POLL_MS):
            if not self.partition.first_offset <= offset <= self.partition.next_offset:
                raise PositionOutOfRange(f"offset {offset} is outside this partition")
            start = bisect_left(self.partition.records, (offset,))
            found = self.partition.records[start : start + count_max]
            if found or self._log.sleep is None or not wait_ms:
                return found
            await self._log.sleep(POLL_MS / 1000)
        return []

    async def end(self) -> int:
        """Return the next offset."""
        return self.partition.next_offset

    async def close(self) -> None:
        """Refuse what is still queued."""
        self.failure = self.failure or AppendRefused("the log was closed")
        self.pump()


class MemoryLog:
    """All partitions of all logs in memory; `writers` are those opened, in order."""

    def __init__(
        self,
        partition_count: int,
        *,
        call_soon: Callable[[Callable[[], None]], object] | None = None,
        sleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        self.partition_count = partition_count
        self.call_soon = call_soon
        self.sleep = sleep
        self.partitions: dict[tuple[str, int], MemoryPartition] = {}
        self.writers: list[MemoryWriter] = []

    async def open_partition(self, log: str, partition: int) -> MemoryWriter:
        """Open one partition; a new writer on what is already there."""
        check_address(log, partition, self.partition_count)
        stored = self.partitions.setdefault((log, partition), MemoryPartition())
        self.writers.append(MemoryWriter(self, stored))
        return self.writers[-1]

    def pump(self) -> None:
        """Land and ack all that is queued by writers that are not held."""
        for writer in self.writers:
            if not writer.is_held:
                writer.pump()

    async def close(self) -> None:
        """Close every writer; the records stay, so a new writer finds them."""
        for writer in self.writers:
            await writer.close()
