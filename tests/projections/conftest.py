import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import asyncpg
import pytest

from loadtest.generated_journal import JournalMaker
from projections.applying import add_records
from projections.catalogue import PROJECTIONS
from projections.migrations import migrate, read_migrations
from projections.position import load_positions, move_positions
from projections.runner import connect, disconnect
from switch.adapters.embedded_postgres import EmbeddedPostgres
from switch.eventlog.memory_log import MemoryLog, MemoryPartition

numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "pg") as server:
        yield server


@pytest.fixture
async def dsn(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database of this test's own."""
    name = f"test_{next(numbers)}"
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
    await connection.close()
    yield postgres.dsn.replace("/postgres?", f"/{name}?")
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture
def make_log() -> Callable[..., MemoryLog]:
    """Make a journal of `record_count` records a partition from a seed."""

    def make(
        record_count: int, *, partition_count: int = 2, seed: int = 1, trouble: float = 0.6
    ) -> MemoryLog:
        log = MemoryLog(partition_count, sleep=asyncio.sleep)
        for partition in range(partition_count):
            maker = JournalMaker(partition, seed, trouble=trouble, merchant_count=4)
            stored = log.partitions.setdefault(("journal", partition), MemoryPartition())
            for value in maker.make(record_count):
                stored.put(value)
        return log

    return make


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    async def wait(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(90):
            while not holds():  # noqa: ASYNC110 - the condition is anybody's
                await asyncio.sleep(0.005)

    return wait


@pytest.fixture
def fill() -> Callable[[str, MemoryLog], Awaitable[None]]:
    """Apply a whole journal to both projections of a database, in one batch each."""

    async def apply_all(dsn: str, log: MemoryLog) -> None:
        for projection in PROJECTIONS.values():
            connection = await connect(dsn, projection.name)
            await migrate(connection, projection.name, read_migrations(projection.name))
            positions = await load_positions(connection, range(log.partition_count))
            batch = projection.new_batch()
            moves = [
                (before, add_records(batch, before, log.partitions["journal", p].records))
                for p, before in positions.items()
            ]
            async with connection.transaction():
                await move_positions(connection, moves)
                await batch.write(connection)
            await disconnect(connection)

    return apply_all


@pytest.fixture
def read_tables() -> Callable[[str], Awaitable[dict[str, list[tuple[object, ...]]]]]:
    """Read every table of both projections, rows sorted, without the generation."""

    async def read(dsn: str) -> dict[str, list[tuple[object, ...]]]:
        connection = await asyncpg.connect(dsn)
        found = {}
        for projection in PROJECTIONS.values():
            for table in (*projection.appended, *projection.folded, "position"):
                rows = await connection.fetch(f"SELECT * FROM {projection.name}.{table}")
                found[f"{projection.name}.{table}"] = sorted(
                    tuple(value for name, value in row.items() if name != "generation")
                    for row in rows
                )
        await connection.close()
        return found

    return read
