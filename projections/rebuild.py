"""
Builds a projection anew beside the live tables, compares, and switches in one db transaction.

The journal is replayed to the ends it had at the start. Then the live position is locked, the last
records are replayed up to it, and both sets of tables are compared: they must be equal. Readers see
the old tables up to the switch; the live projector waits for milliseconds and goes on after it.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

import msgspec

from projections.applying import add_records
from projections.catalogue import Batch, Projection
from projections.database import Connection
from projections.migrations import migrate, read_migrations
from projections.position import Position, load_positions, move_positions, read_positions
from switch.eventlog.port import LogUnavailable, PartitionLog, StoredRecord

BATCH_RECORDS: Final = 10_000
READ_RECORDS: Final = 2_000
READ_WAIT_MS: Final = 2_000  # a record below the mark exists; this long a silence is a fault

_POSITION_COLUMNS: Final = (
    "partition, next_offset, claim_id, epoch, record_count, void_count, at_ms"
)


class RebuildReport(msgspec.Struct, kw_only=True):
    """
    What a rebuild did.

    `differing` names the tables whose rows differ from the live ones; `is_switched` says whether
    the new tables are in force. `compared` is `all` if live and new stood at the same records,
    `appended` if the live ones were behind (then only rows below their position were compared),
    `nothing` if there were no live tables.
    """

    name: str
    record_count: int = 0
    void_count: int = 0
    compared: str = "nothing"
    differing: tuple[str, ...] = ()
    is_switched: bool = False


class RebuildBusy(Exception):
    """Another rebuild of this projection runs."""


Moves = list[tuple[Position, Position]]  # from, to
Progress = Callable[[int, int], None]  # records done, records to do


async def rebuild(
    projection: Projection,
    connection: Connection,
    logs: Mapping[int, PartitionLog],
    *,
    accept_differences: bool = False,
    progress: Progress = lambda done, total: None,  # noqa: ARG005 - the default shows nothing
) -> RebuildReport:
    """
    Rebuild one projection; on differences keep the live tables unless told otherwise.

    The connection should be closed afterwards: it holds the rebuild's lock and search path.

    Raises:
        RebuildBusy: another rebuild of this projection runs.
        RecordUnreadable: the journal holds an event that this program does not know.
        LogUnavailable: the journal cannot be read to its end.
    """
    name = projection.name
    if not await _try_lock(connection, name):
        raise RebuildBusy(f"a rebuild of {name} is running; wait for it")
    await connection.execute(f'DROP SCHEMA IF EXISTS "{name}_next" CASCADE')
    await connection.execute(f'DROP SCHEMA IF EXISTS "{name}_old" CASCADE')
    migrations = read_migrations(name)
    tables = tuple(migration for migration in migrations if not migration.is_index)
    await migrate(connection, f"{name}_next", tables)
    work = _Rebuild(projection, connection, logs, RebuildReport(name=name))
    await work.begin()
    await work.replay(progress)
    await migrate(connection, f"{name}_next", migrations)
    await work.switch(accept_differences=accept_differences)
    if work.report.is_switched:
        await connection.execute(f'DROP SCHEMA IF EXISTS "{name}_old" CASCADE')
    return work.report


class _Rebuild:
    """One rebuild under way: the new tables and how far they are."""

    def __init__(
        self,
        projection: Projection,
        connection: Connection,
        logs: Mapping[int, PartitionLog],
        report: RebuildReport,
    ) -> None:
        self._projection = projection
        self._connection = connection
        self._logs = logs
        self._positions: dict[int, Position] = {}
        self.report = report

    async def begin(self) -> None:
        """Start at the journal's beginning, one generation above the live tables."""
        generation = await _next_generation(self._connection, self._projection.name)
        await load_positions(self._connection, self._logs)
        await self._connection.execute("UPDATE position SET generation = $1", generation)
        self._positions = await read_positions(self._connection, "position")

    async def replay(self, progress: Progress) -> None:
        """Replay every partition up to its end as of now, a db transaction for each batch."""
        marks = {partition: await log.end() for partition, log in self._logs.items()}
        total, done = sum(marks.values()), 0
        async for batch, moves in self._collect(marks):
            async with self._connection.transaction():
                await self._write(batch, moves)
            done += sum(after.next_offset - before.next_offset for before, after in moves)
            progress(done, total)
        self.report.record_count = sum(at.record_count for at in self._positions.values())
        self.report.void_count = sum(at.void_count for at in self._positions.values())

    async def switch(self, *, accept_differences: bool) -> None:
        """Stop the live projector for a moment, catch up with it, compare, put the new in force."""
        name, connection = self._projection.name, self._connection
        async with connection.transaction():
            if await _has_live(connection, name):
                await connection.execute(f'LOCK TABLE "{name}".position IN ACCESS EXCLUSIVE MODE')
                live = await read_positions(connection, f'"{name}".position')
                marks = {p: at.next_offset for p, at in live.items() if p in self._positions}
                async for batch, moves in self._collect(marks):
                    await self._write(batch, moves)
                is_level = {p: at.next_offset for p, at in self._positions.items()} == marks
                self.report.compared = "all" if is_level else "appended"
                self.report.differing = await _find_differing(
                    self._projection, connection, is_level=is_level
                )
                if self.report.differing and not accept_differences:
                    return
                await connection.execute(f'ALTER SCHEMA "{name}" RENAME TO "{name}_old"')
            await connection.execute(f'ALTER SCHEMA "{name}_next" RENAME TO "{name}"')
            self.report.is_switched = True

    async def _write(self, batch: Batch, moves: Moves) -> None:
        await move_positions(self._connection, moves)
        await batch.write(self._connection)
        self._positions.update((after.partition, after) for _, after in moves)

    async def _collect(self, marks: Mapping[int, int]) -> AsyncIterator[tuple[Batch, Moves]]:
        """Gather batches of about BATCH_RECORDS below the marks; the caller writes each."""
        batch, count = self._projection.new_batch(), 0
        moves: Moves = []
        for partition, mark in marks.items():
            before = after = self._positions[partition]
            while after.next_offset < mark:
                records = await self._read(partition, after.next_offset, mark)
                if not records:
                    break
                after = add_records(batch, after, records)
                count += len(records)
                if count >= BATCH_RECORDS:
                    yield batch, [*moves, (before, after)]
                    batch, moves, count, before = self._projection.new_batch(), [], 0, after
            if after is not before:
                moves.append((before, after))
        if moves:
            yield batch, moves

    async def _read(self, partition: int, offset: int, mark: int) -> list[StoredRecord]:
        """Read on below the mark; nothing if only a gap is left there."""
        wanted = min(READ_RECORDS, mark - offset)
        records = await self._logs[partition].read(offset, count_max=wanted, wait_ms=READ_WAIT_MS)
        if not records:
            raise LogUnavailable(
                f"journal partition {partition} gives nothing from {offset} on, expected {mark}"
            )
        return [record for record in records if record.offset < mark]


async def _try_lock(connection: Connection, name: str) -> bool:
    rows = await connection.fetch(
        "SELECT pg_try_advisory_lock(hashtextextended('switch-rebuild-' || $1, 0)) AS taken", name
    )
    return rows[0]["taken"] is True


async def _has_live(connection: Connection, name: str) -> bool:
    rows = await connection.fetch("SELECT to_regclass($1) AS found", f"{name}.position")
    return rows[0]["found"] is not None


async def _next_generation(connection: Connection, name: str) -> int:
    if not await _has_live(connection, name):
        return 1
    live = await read_positions(connection, f"{name}.position")
    return max((position.generation for position in live.values()), default=0) + 1


async def _find_differing(
    projection: Projection, connection: Connection, *, is_level: bool
) -> tuple[str, ...]:
    """Compare both sets of tables by a sum of row hashes, whatever the order of the rows."""
    live, beside = projection.name, f"{projection.name}_next"
    differing = []
    for table in projection.appended:
        rows = (
            f'"{{schema}}".{table} t JOIN "{live}".position p USING (partition) '
            "WHERE t.journal_offset < p.next_offset"
        )
        if await _digest(connection, rows, live) != await _digest(connection, rows, beside):
            differing.append(table)
    if is_level:
        columns = f'(SELECT {_POSITION_COLUMNS} FROM "{{schema}}".position) t'  # noqa: S608
        folded = {table: f'"{{schema}}".{table} t' for table in projection.folded}
        for table, rows in {**folded, "position": columns}.items():
            if await _digest(connection, rows, live) != await _digest(connection, rows, beside):
                differing.append(table)
    return tuple(differing)


async def _digest(connection: Connection, rows: str, schema: str) -> tuple[object, object]:
    found = await connection.fetch(
        "SELECT count(*) AS rows, sum(hashtextextended(t::text, 0)::numeric) AS digest "  # noqa: S608
        f"FROM {rows.format(schema=schema)}"
    )
    return found[0]["rows"], found[0]["digest"]
