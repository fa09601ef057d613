"""
Builds a projection anew beside the live tables, compares, and switches in one db transaction.

The journal is replayed to the ends it had at the start. Then the live position is locked, the last
records are replayed up to it, and both sets of tables are compared: they must be equal. Readers see
the old tables up to the switch; the live projector waits for milliseconds and goes on after it.
"""

import contextlib
import gc
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
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
Spans = Mapping[int, tuple[int, int]]  # by partition: first offset, offset after the last
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
    await work.compare_settled()
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
        self._compared: dict[int, int] = {}  # by partition, below which the rows were compared
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
        with _rare_collection():
            async for batch, moves in self._collect(marks):
                async with self._connection.transaction():
                    await self._write(batch, moves)
                done += sum(after.next_offset - before.next_offset for before, after in moves)
                progress(done, total)
        self.report.record_count = sum(at.record_count for at in self._positions.values())
        self.report.void_count = sum(at.void_count for at in self._positions.values())

    async def compare_settled(self) -> None:
        """Compare what no longer changes, while the live projector goes on."""
        name = self._projection.name
        if await _has_live(self._connection, name):
            live = await read_positions(self._connection, f'"{name}".position')
            await self._compare_appended(live)

    async def switch(self, *, accept_differences: bool) -> None:
        """Stop the live projector for a moment, catch up with it, compare, put the new in force."""
        name, connection = self._projection.name, self._connection
        async with connection.transaction():
            if await _has_live(connection, name):
                await connection.execute(f'LOCK TABLE "{name}".position IN ACCESS EXCLUSIVE MODE')
                await self._compare_level(await read_positions(connection, f'"{name}".position'))
                if self.report.differing and not accept_differences:
                    return
                await connection.execute(f'ALTER SCHEMA "{name}" RENAME TO "{name}_old"')
            await connection.execute(f'ALTER SCHEMA "{name}_next" RENAME TO "{name}"')
            self.report.is_switched = True

    async def _compare_level(self, live: Mapping[int, Position]) -> None:
        """Catch up with the locked live tables; compare what changes, and the newest rows."""
        name = self._projection.name
        marks = {p: at.next_offset for p, at in live.items() if p in self._positions}
        async for batch, moves in self._collect(marks):
            await self._write(batch, moves)
        await self._compare_appended(live)
        is_level = {p: at.next_offset for p, at in self._positions.items()} == marks
        self.report.compared = "all" if is_level else "appended"
        if is_level:
            tables = (*self._projection.folded, "position")
            self._note(await _find_differing(self._connection, name, tables, None))

    async def _compare_appended(self, live: Mapping[int, Position]) -> None:
        """Compare the rows of records that both have and that were not compared yet."""
        spans = {
            p: (self._compared.get(p, 0), min(at.next_offset, live[p].next_offset))
            for p, at in self._positions.items()
            if p in live
        }
        name, tables = self._projection.name, self._projection.appended
        self._note(await _find_differing(self._connection, name, tables, spans))
        self._compared = {p: below for p, (_, below) in spans.items()}

    def _note(self, differing: tuple[str, ...]) -> None:
        self.report.differing = tuple(sorted({*self.report.differing, *differing}))

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


@contextlib.contextmanager
def _rare_collection() -> Iterator[None]:
    """Let the cycle collector look rarely: rows hold no cycles, and it costs a quarter here."""
    thresholds = gc.get_threshold()
    gc.set_threshold(500_000, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


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
    connection: Connection, name: str, tables: Iterable[str], spans: Spans | None
) -> tuple[str, ...]:
    """
    Compare live and new tables by a sum of row hashes, whatever the order of the rows.

    With `spans`, only the rows of records from the first offset up to the second.
    """
    differing = []
    for table in tables:
        live = await _digest(connection, name, table, spans)
        if live != await _digest(connection, f"{name}_next", table, spans):
            differing.append(table)
    return tuple(differing)


async def _digest(
    connection: Connection, schema: str, table: str, spans: Spans | None
) -> tuple[object, object]:
    columns = await connection.fetch(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = $1 AND table_name = $2 AND column_name <> 'generation' "
        "ORDER BY ordinal_position",
        schema,
        table,
    )
    row = ", ".join(
        f"t.{column['column_name']}{'::text' if column['data_type'] == 'json' else ''}"
        for column in columns
    )
    query = (
        f"SELECT count(*) AS rows, sum(hash_record_extended(ROW({row}), 0)::numeric) AS digest "  # noqa: S608 - names of our own
        f'FROM "{schema}".{table} t'
    )
    if spans is None:
        found = await connection.fetch(query)
    else:
        found = await connection.fetch(
            f"{query} JOIN unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS span (partition, "
            "first, below) ON t.partition = span.partition AND t.journal_offset >= span.first "
            "AND t.journal_offset < span.below",
            list(spans.keys()),
            [first for first, _ in spans.values()],
            [below for _, below in spans.values()],
        )
    return found[0]["rows"], found[0]["digest"]
