import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import asyncpg
import pytest

from loadtest.generated_journal import JournalMaker
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
        async with asyncio.timeout(20):
            while not holds():
                await asyncio.sleep(0.005)

    return wait
