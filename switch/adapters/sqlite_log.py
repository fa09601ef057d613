"""The embedded log: all partitions in one SQLite file, each append durable before it is acked."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from switch.adapters.log_tail import LogTail
from switch.adapters.sinks import call_sink
from switch.adapters.sqlite_file import (
    find_bounds,
    get_partition_count,
    open_file,
    read_records,
    stream_key,
)
from switch.adapters.sqlite_writer import Outcome, SqliteWriter
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
CLOSE_TIMEOUT_S: Final = 5.0


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class SqliteLog:
    """
    An `EventLog` in one file, for one writing process (`lock_data_folder`) and any readers.

    The file is made with `partition_count` partitions; None takes what the file has. With
    `read_only` the log is followed from another process: appends are refused, `replies` cannot be
    opened. All calls must come from one event loop.

    Raises:
        LogUnavailable: there is no such file, it is not ours, or its partition count differs.
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
        now_ms: Callable[[], int] = _wall_ms,
    ) -> None:
        self.path = Path(path)
        self.reader = open_file(self.path, partition_count=partition_count, read_only=read_only)
        self.partition_count = get_partition_count(self.reader)
        self.queue_count_max = queue_count_max
        self.queue_bytes_max = queue_bytes_max
        self.pending_count = 0
        self.pending_bytes = 0
        self.is_closed = False
        self._tails: dict[tuple[str, int], LogTail] = {}
        self._opened: list[SqlitePartition] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event = asyncio.Event()
        self.writer: SqliteWriter | None = None
        if not read_only:
            self.writer = SqliteWriter(
                open_file(self.path, partition_count=partition_count, read_only=False),
                self.path,
                post=self._post,
                now_ms=now_ms,
                expiring_keys=[stream_key("inbound", p) for p in range(self.partition_count)],
                retention_ms=inbound_retention_ms,
            )

    async def open_partition(
        self, log: str, partition: int
    ) -> "SqlitePartition | FollowedPartition | VolatilePartition":
        """Open one partition for appending and reading (only reading if the log is read-only)."""
        check_address(log, partition, self.partition_count)
        if self.is_closed:
            raise LogUnavailable(f"the event log at {self.path} was closed")
        if self.writer is None:
            if log == "replies":
                raise LogUnavailable("replies live only in the memory of the running switch")
            return FollowedPartition(self.reader, self.path, stream_key(log, partition))
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self.writer.start()
        tail = self._tails.get((log, partition))
        if log == "replies":
            if tail is None:
                tail = LogTail(0, count_max=REPLIES_COUNT_MAX, bytes_max=REPLIES_BYTES_MAX)
                self._tails[log, partition] = tail
            return VolatilePartition(tail, self._loop)
        key = stream_key(log, partition)
        if tail is None:
            tail = self._tails[log, partition] = LogTail(self._find_end(key))
            self.writer.add_stream(key, tail.next_offset)
        opened = SqlitePartition(self, self.writer, tail, key)
        self._opened.append(opened)
        return opened

    def _find_end(self, key: int) -> int:
        try:
            return find_bounds(self.reader, key)[1]
        except sqlite3.Error as error:
            raise LogUnavailable(f"cannot read {self.path}: {error}") from error

    def forget(self, partition: "SqlitePartition") -> None:
        """Drop a closed partition."""
        self._opened.remove(partition)

    async def close(self) -> None:
        """Refuse what is still queued, end the writer thread and close the file."""
        if self.is_closed:
            return
        self.is_closed = True
        for partition in list(self._opened):
            await partition.close()
        if self.writer is not None and self._loop is not None:
            self.writer.put(None)
            # A disk that does not answer must not hold up the stop: the thread is a daemon.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._ended.wait()
        elif self.writer is not None:
            self.writer.discard()
        self.reader.close()

    def _post(self, outcomes: list[Outcome] | None) -> None:
        """Hand a commit's outcomes to the event loop (from the writer thread)."""
        assert self._loop is not None
        try:
            if outcomes is None:
                self._loop.call_soon_threadsafe(self._end)
            else:
                self._loop.call_soon_threadsafe(self._deliver, outcomes)
        except RuntimeError:
            return  # the loop is closed: there is nobody left to tell

    def _end(self) -> None:
        self.is_closed = True
        self._ended.set()

    def _deliver(self, outcomes: list[Outcome]) -> None:
        """Publish one commit: tails first, then the sinks in order, then the waiting readers."""
        tails: set[LogTail] = set()
        for appender, outcome, value, _ in outcomes:
            if value is None:
                continue
            self.pending_count -= 1
            self.pending_bytes -= len(value)
            if type(outcome) is int:
                assert isinstance(appender, SqlitePartition)
                appender.tail.add(value)
                tails.add(appender.tail)
        for appender, outcome, _, sink in outcomes:
            if type(outcome) is not int:
                appender.refusal = appender.failure
            call_sink(sink, outcome)
        for tail in tails:
            tail.wake_readers()


class SqlitePartition:
    """One partition opened by the process that writes the file (a `PartitionLog`)."""

    def __init__(self, log: SqliteLog, writer: SqliteWriter, tail: LogTail, key: int) -> None:
        self._log = log
        self._put = writer.put
        self.tail = tail
        self.stream_key = key
        self.is_closed = False
        self.refusal: AppendRefused | AppendUnknown | None = None
        self.failure: AppendRefused | AppendUnknown | None = None

    def append(self, value: bytes, sink: AppendSink, *, key: bytes = b"") -> None:  # noqa: ARG002
        """Queue one record for the next group commit."""
        log = self._log
        size = len(value)
        if self.refusal is None:
            if log.is_closed:
                self.refusal = AppendRefused(f"the event log at {log.path} was closed")
            elif size > RECORD_BYTES_MAX:
                self.refusal = AppendRefused(
                    f"a record of {size} bytes is too large, at most {RECORD_BYTES_MAX}"
                )
            elif (
                log.pending_count >= log.queue_count_max
                or log.pending_bytes + size > log.queue_bytes_max
            ):
                self.refusal = AppendRefused(
                    f"{log.pending_count} records wait to be written to {log.path}: "
                    "the disk is too slow or stuck"
                )
        if self.refusal is None:
            log.pending_count += 1
            log.pending_bytes += size
            self._put((self, value, sink))
        elif log.is_closed:
            asyncio.get_running_loop().call_soon(call_sink, sink, self.refusal)
        else:
            self._put((self, None, sink))

    async def read(self, offset: int, *, count_max: int, wait_ms: int) -> list[StoredRecord]:
        """Return durable records: the newest from memory, older ones from the file."""
        if self.is_closed:
            raise LogUnavailable("this partition was closed")
        found = self.tail.find(offset, count_max)
        if found is None:
            # On this thread: a thread of its own would wait for the interpreter lock at each row.
            found = read_file(self._log.reader, self._log.path, self.stream_key, offset, count_max)
            await asyncio.sleep(0)
        elif not found and wait_ms > 0:
            await self.tail.wait(wait_ms)
            found = self.tail.find(offset, count_max)
        return found or []

    async def end(self) -> int:
        """Return the offset that the next durable record will get."""
        return self.tail.next_offset

    async def close(self) -> None:
        """Stop this instance; what is queued and not yet being written will not be."""
        if not self.is_closed:
            self.is_closed = True
            self.refusal = self.refusal or AppendRefused("this partition was closed")
            self._log.forget(self)
            self.tail.wake_readers()


class VolatilePartition:
    """One partition of `replies`: its newest records, in memory only (a `PartitionLog`)."""

    def __init__(self, tail: LogTail, loop: asyncio.AbstractEventLoop) -> None:
        self._tail = tail
        self._loop = loop
        self._queued: list[tuple[bytes, AppendSink]] = []
        self._is_closed = False

    def append(self, value: bytes, sink: AppendSink, *, key: bytes = b"") -> None:  # noqa: ARG002
        """Queue one record until the event loop's next turn."""
        if not self._queued:
            self._loop.call_soon(self._publish)
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

    def append(self, value: bytes, sink: AppendSink, *, key: bytes = b"") -> None:  # noqa: ARG002
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
