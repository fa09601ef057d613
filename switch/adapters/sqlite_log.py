"""The embedded log: all partitions in one SQLite file, each append durable before it is acked."""

import asyncio
import itertools
import os
import sqlite3
from collections import deque
from pathlib import Path
from typing import Final

from switch.adapters.log_tail import LogTail
from switch.adapters.sinks import call_sink
from switch.adapters.sqlite_file import (
    find_bounds,
    get_partition_count,
    lock_file,
    open_file,
    read_records,
    stream_key,
)
from switch.adapters.sqlite_process import WriterProcess
from switch.adapters.sqlite_wire import Run
from switch.eventlog.port import (
    RECORD_BYTES_MAX,
    AppendRefused,
    AppendSink,
    AppendUnknown,
    LogUnavailable,
    PositionOutOfRange,
    StoredRecord,
    check_address,
)

QUEUE_COUNT_MAX: Final = 20_000  # about a second at full load; more is a stalled disk
QUEUE_BYTES_MAX: Final = 64 * 1_048_576
INBOUND_RETENTION_MS: Final = 24 * 3_600_000
REPLIES_COUNT_MAX: Final = 65_536  # replies live in memory only: some ten seconds at full load
REPLIES_BYTES_MAX: Final = 64 * 1_048_576
POLL_MS: Final = 20  # how often a reader in another process looks for new records


class SqliteLog:
    """
    An `EventLog` in one file, for one writing process and any number of readers.

    The file is made with `partition_count` partitions; None takes what the file has. With
    `read_only` the log is followed from another process: appends are refused, `replies` cannot be
    opened. All calls must come from one event loop. `page_count_max` bounds the file (0: no
    bound); at the bound the log behaves as on a full disk.

    Raises:
        LogUnavailable: there is no such file, it is not ours, its partition count differs, or
            another process writes it.
    """

    def __init__(
        self,
        path: Path,
        *,
        partition_count: int | None = None,
        read_only: bool = False,
        inbound_retention_ms: int = INBOUND_RETENTION_MS,
        queue_count_max: int = QUEUE_COUNT_MAX,
        queue_bytes_max: int = QUEUE_BYTES_MAX,
        page_count_max: int = 0,
    ) -> None:
        self.path = Path(path).absolute()
        self.queue_count_max = queue_count_max
        self.queue_bytes_max = queue_bytes_max
        self.is_closed = False
        self.pending: deque[tuple[SqlitePartition, bytes | None, AppendSink]] = deque()
        self.pending_bytes = 0
        self._inbound_retention_ms = inbound_retention_ms
        self._page_count_max = page_count_max
        self._tails: dict[tuple[str, int], LogTail] = {}
        self._opened: list[SqlitePartition] = []
        self._appenders = itertools.count()
        self._lock = None if read_only else lock_file(self.path)
        self._writer: WriterProcess | None = None
        try:
            self.reader = open_file(self.path, partition_count=partition_count, read_only=read_only)
        except LogUnavailable:
            self._unlock()
            raise
        self.partition_count = get_partition_count(self.reader)

    async def open_partition(
        self, log: str, partition: int
    ) -> "SqlitePartition | FollowedPartition | VolatilePartition":
        """Open one partition for appending and reading (only reading if the log is read-only)."""
        check_address(log, partition, self.partition_count)
        if self.is_closed:
            raise LogUnavailable(f"the event log at {self.path} was closed")
        if self._lock is None:
            if log == "replies":
                raise LogUnavailable("replies live only in the memory of the running switch")
            return FollowedPartition(self.reader, self.path, stream_key(log, partition))
        if log == "replies":
            tail = self._tails.get((log, partition))
            if tail is None:
                tail = LogTail(0, count_max=REPLIES_COUNT_MAX, bytes_max=REPLIES_BYTES_MAX)
                self._tails[log, partition] = tail
            return VolatilePartition(tail, asyncio.get_running_loop())
        writer = self._writer or await self._start_writer(self._lock)
        key = stream_key(log, partition)
        tail = self._tails.get((log, partition))  # one for all who open it: looked up without await
        if tail is None:
            tail = self._tails[log, partition] = LogTail(self._find_end(key))
        opened = SqlitePartition(self, writer, tail, next(self._appenders), key)
        self._opened.append(opened)
        return opened

    async def _start_writer(self, lock: int) -> WriterProcess:
        self._writer = writer = WriterProcess(self._take_runs, self._take_end)
        try:
            await writer.start(
                self.path,
                lock=lock,
                inbound_retention_ms=self._inbound_retention_ms,
                page_count_max=self._page_count_max,
            )
        except LogUnavailable:
            self._writer = None
            raise
        return writer

    def _find_end(self, key: int) -> int:
        try:
            return find_bounds(self.reader, key)[1]
        except sqlite3.Error as error:
            raise LogUnavailable(f"cannot read {self.path}: {error}") from error

    def forget(self, partition: "SqlitePartition") -> None:
        """Drop a closed partition."""
        self._opened.remove(partition)

    async def close(self) -> None:
        """Write what is queued, as far as the disk answers, and close the file."""
        if self.is_closed:
            return
        self.is_closed = True
        for partition in list(self._opened):
            await partition.close()
        self.reader.close()  # first, so that the writing process tidies up the file at its end
        if self._writer is not None:
            await self._writer.stop()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def refuse_in_turn(self, partition: "SqlitePartition", sink: AppendSink) -> None:
        """Refuse a record once all that was appended before it has its outcome."""
        if not self.pending:
            asyncio.get_running_loop().call_soon(self._refuse_first)
        self.pending.append((partition, None, sink))

    def _refuse_first(self) -> None:
        """Refuse the oldest records as long as they were never sent."""
        while self.pending and self.pending[0][1] is None:
            partition, _, sink = self.pending.popleft()
            assert partition.refusal is not None
            call_sink(sink, partition.refusal)

    def _take_runs(self, runs: list[Run]) -> None:
        """Tell what became of the oldest records, then wake the readers of those that landed."""
        tails: set[LogTail] = set()
        for count, failure in runs:
            for _ in range(count):
                self._refuse_first()
                partition, value, sink = self.pending.popleft()
                assert value is not None
                self.pending_bytes -= len(value)
                if failure is None:
                    tail = partition.tail
                    offset = tail.next_offset
                    tail.add(value)
                    tails.add(tail)
                    call_sink(sink, offset)
                else:
                    partition.refusal = failure
                    call_sink(sink, failure)
        self._refuse_first()
        for tail in tails:
            tail.wake_readers()

    def _take_end(self) -> None:
        """Give up everything that is open: the writing process is gone, expected or not."""
        self._writer = None
        self._tails.clear()
        lost = AppendUnknown("the process that writes the log ended before the ack")
        for partition in self._opened:
            partition.break_off()
        self._opened.clear()
        pending, self.pending = self.pending, deque()
        self.pending_bytes = 0
        for partition, value, sink in pending:
            outcome = lost if value is not None else partition.refusal
            assert outcome is not None
            call_sink(sink, outcome)


class SqlitePartition:
    """One partition opened by the process that owns the file (a `PartitionLog`)."""

    def __init__(
        self, log: SqliteLog, writer: WriterProcess, tail: LogTail, appender: int, key: int
    ) -> None:
        self._log = log
        self._send = writer.send
        self._appender = appender
        self._stream_key = key
        self._is_closed = False
        self.tail = tail
        self.refusal: AppendRefused | AppendUnknown | None = None  # of every record from here on

    def append(
        self,
        value: bytes,
        sink: AppendSink,
        *,
        key: bytes = b"",  # noqa: ARG002
        event_id: str = "",  # noqa: ARG002
        traceparent: str = "",  # noqa: ARG002
    ) -> None:
        """Send one record to the next group commit."""
        log = self._log
        size = len(value)
        if self.refusal is None:
            if size > RECORD_BYTES_MAX:
                self.refusal = AppendRefused(
                    f"a record of {size} bytes is too large, at most {RECORD_BYTES_MAX}"
                )
            elif (
                len(log.pending) >= log.queue_count_max
                or log.pending_bytes + size > log.queue_bytes_max
            ):
                self.refusal = AppendRefused(
                    f"{len(log.pending)} records wait to be written to {log.path}: "
                    "the disk is too slow or stuck"
                )
        if self.refusal is None:
            log.pending.append((self, value, sink))
            log.pending_bytes += size
            self._send(self._appender, self._stream_key, value)
        else:
            log.refuse_in_turn(self, sink)

    async def read(self, offset: int, *, count_max: int, wait_ms: int) -> list[StoredRecord]:
        """Return durable records: the newest from memory, older ones from the file."""
        self._check_open()
        found = self.tail.find(offset, count_max)
        if found is None:
            # On this thread: a thread of its own would wait for the interpreter lock at each row.
            found = read_file(self._log.reader, self._log.path, self._stream_key, offset, count_max)
            await asyncio.sleep(0)
        elif not found and wait_ms > 0:
            await self.tail.wait(wait_ms)
            found = self.tail.find(offset, count_max)
        return found or []

    async def end(self) -> int:
        """Return the offset that the next durable record will get."""
        self._check_open()
        return self.tail.next_offset

    def _check_open(self) -> None:
        """Refuse to tell what a successor of this one may know better."""
        if self._is_closed:
            raise LogUnavailable("this partition was closed, or its log's writing process ended")

    def break_off(self) -> None:
        """Stop: nothing more can be appended or read here."""
        self._is_closed = True
        self.refusal = self.refusal or AppendRefused("this partition was closed")
        self.tail.wake_readers()

    async def close(self) -> None:
        """Stop this instance; what was appended is already on its way and will be acked."""
        if not self._is_closed:
            self.break_off()
            self._log.forget(self)


class VolatilePartition:
    """One partition of `replies`: its newest records, in memory only (a `PartitionLog`)."""

    def __init__(self, tail: LogTail, loop: asyncio.AbstractEventLoop) -> None:
        self._tail = tail
        self._loop = loop
        self._queued: list[tuple[bytes, AppendSink]] = []
        self._is_closed = False

    def append(
        self,
        value: bytes,
        sink: AppendSink,
        *,
        key: bytes = b"",  # noqa: ARG002
        event_id: str = "",  # noqa: ARG002
        traceparent: str = "",  # noqa: ARG002
    ) -> None:
        """Queue one record until the event loop's next turn."""
        if not self._queued:
            self._loop.call_soon(self._publish)
            self._tail.wake_readers()  # they come behind it, in the same turn
        self._queued.append((value, sink))

    def _publish(self) -> None:
        queued, self._queued = self._queued, []
        for value, sink in queued:
            if self._is_closed:
                call_sink(sink, AppendRefused("this partition was closed"))
                continue
            offset = self._tail.next_offset
            self._tail.add(value)
            call_sink(sink, offset)
        self._tail.wake_readers()

    async def read(self, offset: int, *, count_max: int, wait_ms: int) -> list[StoredRecord]:
        """Return records that are still in memory."""
        found = self._tail.find(offset, count_max)
        if found == [] and wait_ms > 0:
            await self._tail.wait(wait_ms)
            found = self._tail.find(offset, count_max)
        if found is None:
            raise PositionOutOfRange(
                f"offset {offset} has left the memory, which begins at {self._tail.first_offset}"
            )
        return found

    async def end(self) -> int:
        """Return the offset that the next record will get."""
        return self._tail.next_offset

    async def close(self) -> None:
        """Stop this instance."""
        self._is_closed = True


class FollowedPartition:
    """One partition read from another process (a `PartitionLog` that refuses appends)."""

    def __init__(self, connection: sqlite3.Connection, path: Path, key: int) -> None:
        self._connection = connection
        self._path = path
        self._key = key

    def append(
        self,
        value: bytes,  # noqa: ARG002
        sink: AppendSink,
        *,
        key: bytes = b"",  # noqa: ARG002
        event_id: str = "",  # noqa: ARG002
        traceparent: str = "",  # noqa: ARG002
    ) -> None:
        """Refuse: only the switch that owns the file writes to it."""
        refusal = AppendRefused(f"{self._path} is open for reading only")
        asyncio.get_running_loop().call_soon(call_sink, sink, refusal)

    async def read(self, offset: int, *, count_max: int, wait_ms: int) -> list[StoredRecord]:
        """Return durable records, looking again every few milliseconds while there are none."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + wait_ms / 1000
        while True:
            found = read_file(self._connection, self._path, self._key, offset, count_max)
            if not found:
                end = await self.end()
                if offset > end:
                    raise PositionOutOfRange(f"offset {offset} is above the end, {end}")
            if found or loop.time() >= give_up_at:
                await asyncio.sleep(0)
                return found
            await asyncio.sleep(min(POLL_MS / 1000, give_up_at - loop.time()))

    async def end(self) -> int:
        """Return the offset that the next durable record will get."""
        try:
            return find_bounds(self._connection, self._key)[1]
        except sqlite3.Error as error:
            raise LogUnavailable(f"cannot read {self._path}: {error}") from error

    async def close(self) -> None:
        """Do nothing: the connection belongs to the log."""


def read_file(
    connection: sqlite3.Connection, path: Path, key: int, offset: int, count_max: int
) -> list[StoredRecord]:
    """
    Read from the file, refusing an offset whose records were removed.

    Raises:
        LogUnavailable: the file cannot be read.
        PositionOutOfRange: the records from `offset` on were removed.
    """
    try:
        first_offset, found = read_records(connection, key, offset, count_max)
    except sqlite3.Error as error:
        raise LogUnavailable(f"cannot read {path}: {error}") from error
    if offset < first_offset:
        raise PositionOutOfRange(f"offset {offset} was removed, {path} begins at {first_offset}")
    return found
