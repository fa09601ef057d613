"""
Follows the journal and keeps the rows: each projection by itself, so that none blocks another.

One task a projection writes with one connection, and takes what all its partitions have ready into
one db transaction; one task a partition reads ahead. While a transaction runs, the next records
gather, so batches grow by themselves when the projection is behind (up to a bound).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Final, cast

import asyncpg
import msgspec

from projections.applying import RecordUnreadable, add_records
from projections.catalogue import PROJECTIONS, Projection
from projections.database import Connection
from projections.migrations import SchemaDiffers, migrate, read_migrations
from projections.position import (
    Position,
    PositionMoved,
    load_positions,
    move_positions,
)
from projections.status import (
    RETRYING,
    RUNNING,
    STOPPED,
    PartitionStatus,
    ProjectionStatus,
    ProjectorStatus,
)
from switch.eventlog.port import (
    EventLog,
    LogUnavailable,
    PartitionLog,
    PositionOutOfRange,
    StoredRecord,
)

JOURNAL: Final = "journal"


class RunnerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a projector works; every duration says its unit."""

    batch_records_max: int = 2_000  # in one db transaction; bounds memory and the loop's pauses
    linger_ms: int = 40  # a quiet projection waits so long for company before it commits
    read_wait_ms: int = 500
    slice_records: int = 50  # between two of which the event loop gets its turn
    retry_ms_min: int = 100
    retry_ms_max: int = 3_000
    lag_interval_ms: int = 1_000
    database_timeout_ms: int = 30_000


Connect = Callable[[str, str], Awaitable[Connection]]

# What passes by itself: the server restarts, the log is away, another projector was faster.
_PASSING: Final = (
    OSError,
    TimeoutError,
    LogUnavailable,
    PositionMoved,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.ObjectNotInPrerequisiteStateError,
)


# Every live statement touches the rows of one batch, by their keys. Left to itself the planner,
# whose statistics are those of a table that was small a minute ago, scans the whole table for each.
_PLAN_BY_KEY: Final = (
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"
)


async def connect(dsn: str, schema: str) -> Connection:
    """
    Open a connection for one projection's schema.

    Commits do not wait for the disk: rows and position are lost together, and applied again.

    Raises:
        OSError: the server cannot be reached.
        asyncpg.PostgresError: it refuses.
    """
    opened = await asyncpg.connect(
        dsn,
        timeout=5,
        command_timeout=60,
        server_settings={
            "search_path": schema,
            "synchronous_commit": "off",
            "application_name": f"switch projection {schema}",
        },
    )
    return cast("Connection", opened)


async def disconnect(connection: Connection) -> None:
    """Close a connection, whatever state it is in, without waiting long."""
    opened = cast("asyncpg.Connection[asyncpg.Record]", connection)
    with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        await opened.close(timeout=1)
        return
    opened.terminate()


async def run_projector(
    *,
    log: EventLog,
    dsn: str,
    stop: asyncio.Event,
    status: ProjectorStatus,
    partitions: Iterable[int] | None = None,
    projections: Sequence[Projection] = tuple(PROJECTIONS.values()),
    settings: RunnerSettings | None = None,
    connect: Connect = connect,
) -> None:
    """
    Keep the projections' rows up to the journal until `stop` is set; then end within a moment.

    Returns only after `stop`: a database or a log that is away is tried again for ever (bounded,
    growing pauses), and a projection that cannot go on says so in `status` and leaves the others
    alone. What was read and not written is read again at the next start.
    """
    places = sorted(range(log.partition_count) if partitions is None else partitions)
    async with asyncio.TaskGroup() as group:
        for projection in projections:
            shown = ProjectionStatus(
                name=projection.name, partitions={p: PartitionStatus() for p in places}
            )
            status.projections[projection.name] = shown
            follower = _Follower(projection, log, settings or RunnerSettings(), shown, stop)
            group.create_task(follower.run(dsn, connect), name=f"projection-{projection.name}")


class _Inbox:
    """What was read and not taken yet: at most one read a partition, plus one in its reader."""

    def __init__(self) -> None:
        self.filled = asyncio.Event()
        self.failure: Exception | None = None
        self._waiting: dict[int, Sequence[StoredRecord]] = {}
        self._taken = asyncio.Condition()

    async def put(self, partition: int, records: Sequence[StoredRecord]) -> None:
        """Hand over one read; waits until the one before was taken."""
        async with self._taken:
            await self._taken.wait_for(lambda: partition not in self._waiting)
            self._waiting[partition] = records
            self.filled.set()

    def fail(self, error: Exception) -> None:
        """Report that a partition cannot be read."""
        self.failure = error
        self.filled.set()

    @property
    def record_count(self) -> int:
        """How many records wait."""
        return sum(len(records) for records in self._waiting.values())

    async def take(self) -> dict[int, Sequence[StoredRecord]]:
        """
        Take all that waits.

        Raises:
            LogUnavailable, PositionOutOfRange: as a reader reported.
        """
        if self.failure is not None:
            raise self.failure
        async with self._taken:
            taken, self._waiting = self._waiting, {}
            self.filled.clear()
            self._taken.notify_all()
        return taken


class _Follower:
    """Keeps one projection."""

    def __init__(
        self,
        projection: Projection,
        log: EventLog,
        settings: RunnerSettings,
        status: ProjectionStatus,
        stop: asyncio.Event,
    ) -> None:
        self._projection = projection
        self._log = log
        self._settings = settings
        self._status = status
        self._stop = stop
        self._logs: dict[int, PartitionLog] = {}

    async def run(self, dsn: str, connect: Connect) -> None:
        """Follow until stopped; start over after what passes by itself."""
        measuring = asyncio.create_task(self._measure_lag())
        pause_ms = self._settings.retry_ms_min
        try:
            while not self._stop.is_set():
                applied_count = self._status.applied_count
                try:
                    await self._follow(dsn, connect)
                except _PASSING as error:
                    if self._status.applied_count > applied_count:
                        pause_ms = self._settings.retry_ms_min
                    self._status.state = RETRYING
                    self._status.error = explain_failure(error)
                    self._status.retry_count += 1
                    await self._wait_for_stop(pause_ms)
                    pause_ms = min(2 * pause_ms, self._settings.retry_ms_max)
                except Exception as error:  # noqa: BLE001 - shown, and no other projection ends
                    self._status.state = STOPPED
                    self._status.error = explain_failure(error)
                    await self._stop.wait()
        finally:
            measuring.cancel()
            await asyncio.gather(measuring, return_exceptions=True)
            for opened in self._logs.values():
                await opened.close()

    async def _follow(self, dsn: str, connect: Connect) -> None:
        name = self._projection.name
        connection = await connect(dsn, name)
        readers: list[asyncio.Task[None]] = []
        inbox = _Inbox()
        try:
            await migrate(connection, name, read_migrations(name))
            await connection.execute(_PLAN_BY_KEY)
            positions = await load_positions(connection, self._status.partitions)
            for partition, shown in self._status.partitions.items():
                _show(shown, positions[partition])
                opened = await self._open(partition)
                offset = positions[partition].next_offset
                readers.append(asyncio.create_task(self._read(partition, opened, offset, inbox)))
            await self._write_on(connection, positions, inbox)
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
            await disconnect(connection)

    async def _open(self, partition: int) -> PartitionLog:
        if partition not in self._logs:
            self._logs[partition] = await self._log.open_partition(JOURNAL, partition)
        return self._logs[partition]

    async def _read(self, partition: int, opened: PartitionLog, offset: int, inbox: _Inbox) -> None:
        """Read one partition ahead of the writer, as far as the inbox lets it."""
        share = max(1, self._settings.batch_records_max // len(self._status.partitions))
        wait_ms = 0  # until the log has answered once, nobody may say that it runs
        try:
            while True:
                records = await opened.read(offset, count_max=share, wait_ms=wait_ms)
                if not wait_ms:
                    wait_ms = self._settings.read_wait_ms
                    self._status.state, self._status.error = RUNNING, ""
                if records:
                    offset = records[-1].offset + 1
                    await inbox.put(partition, records)
        except Exception as error:  # noqa: BLE001 - the writer raises it
            inbox.fail(error)

    async def _write_on(
        self, connection: Connection, positions: dict[int, Position], inbox: _Inbox
    ) -> None:
        stopping = asyncio.create_task(self._wake_at_stop(inbox))
        try:
            while True:
                await inbox.filled.wait()
                if self._stop.is_set():
                    return
                if inbox.record_count < self._settings.batch_records_max // 4:
                    await self._wait_for_stop(self._settings.linger_ms)
                await self._write(connection, positions, await inbox.take())
        finally:
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)

    async def _write(
        self,
        connection: Connection,
        positions: dict[int, Position],
        taken: dict[int, Sequence[StoredRecord]],
    ) -> None:
        """Apply what was read and write it with the new positions, all or nothing."""
        batch = self._projection.new_batch()
        moves: list[tuple[Position, Position]] = []
        unreadable: RecordUnreadable | None = None
        for partition in sorted(taken):
            after = positions[partition]
            try:
                for part in _cut(taken[partition], self._settings.slice_records):
                    after = add_records(batch, after, part)
                    await asyncio.sleep(0)
            except RecordUnreadable as error:
                after, unreadable = error.position, error
            moves.append((positions[partition], after))
        async with asyncio.timeout(self._settings.database_timeout_ms / 1000):
            async with connection.transaction():
                await move_positions(connection, moves)
                await batch.write(connection)
        self._note(moves, positions)
        if unreadable is not None:
            raise unreadable

    def _note(self, moves: list[tuple[Position, Position]], positions: dict[int, Position]) -> None:
        self._status.transaction_count += 1
        for before, after in moves:
            positions[after.partition] = after
            self._status.applied_count += after.record_count - before.record_count
            _show(self._status.partitions[after.partition], after)

    async def _measure_lag(self) -> None:
        """Ask for the journal's end now and then, also while the database is away."""
        while True:
            with contextlib.suppress(LogUnavailable):
                for partition, shown in self._status.partitions.items():
                    shown.end_offset = await (await self._open(partition)).end()
            await asyncio.sleep(self._settings.lag_interval_ms / 1000)

    async def _wait_for_stop(self, duration_ms: int) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(duration_ms / 1000):
                await self._stop.wait()

    async def _wake_at_stop(self, inbox: _Inbox) -> None:
        await self._stop.wait()
        inbox.filled.set()


def _cut(records: Sequence[StoredRecord], size: int) -> Iterator[Sequence[StoredRecord]]:
    return (records[start : start + size] for start in range(0, len(records), size))


def _show(shown: PartitionStatus, position: Position) -> None:
    shown.next_offset = position.next_offset
    shown.void_count = position.void_count
    shown.at_ms = position.at_ms
    shown.end_offset = max(shown.end_offset, position.next_offset)


def explain_failure(error: Exception) -> str:
    """Say in one line what went wrong and what to do."""
    said = " ".join((str(error) or type(error).__name__, *getattr(error, "__notes__", ())))
    match error:
        case PositionOutOfRange():
            return f"{said}; if the journal was replaced on purpose, start with new tables"
        case RecordUnreadable() | SchemaDiffers() | LogUnavailable() | PositionMoved():
            return said
        case OSError() | TimeoutError():
            return f"PostgreSQL cannot be reached ({said}); check that it runs"
        case asyncpg.PostgresError() | asyncpg.InterfaceError():
            return f"PostgreSQL says: {said}"
        case _:
            return f"a fault of the projection: {type(error).__name__}: {said}"
