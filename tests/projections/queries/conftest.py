"""One database with a long journal in it, made once; what a test changes there is taken back."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from loadtest.generated_journal import JournalMaker
from projections.applying import add_records
from projections.catalogue import PROJECTIONS
from projections.migrations import migrate, read_migrations
from projections.position import load_positions, move_positions
from projections.runner import connect, disconnect
from switch.adapters.embedded_postgres import EmbeddedPostgres
from switch.eventlog.memory_log import MemoryPartition

RECORD_COUNT = 1_200
PARTITION_COUNT = 8


async def _fill(dsn: str) -> None:
    journals = {partition: MemoryPartition() for partition in range(PARTITION_COUNT)}
    for partition, stored in journals.items():
        maker = JournalMaker(partition, 1, trouble=0.7, merchant_count=4)
        for value in maker.make(RECORD_COUNT):
            stored.put(value)
    for projection in PROJECTIONS.values():
        connection = await connect(dsn, projection.name)
        await migrate(connection, projection.name, read_migrations(projection.name))
        positions = await load_positions(connection, journals)
        batch = projection.new_batch()
        moves = [
            (before, add_records(batch, before, journals[partition].records))
            for partition, before in positions.items()
        ]
        async with connection.transaction():
            await move_positions(connection, moves)
            await batch.write(connection)
        await disconnect(connection)


async def _make_database(server: EmbeddedPostgres) -> str:
    connection = await asyncpg.connect(server.dsn)
    await connection.execute("CREATE DATABASE queried STRATEGY file_copy")
    await connection.close()
    dsn = server.dsn.replace("/postgres?", "/queried?")
    await _fill(dsn)
    return dsn


@pytest.fixture(scope="session")
def queried_dsn(postgres: EmbeddedPostgres) -> str:
    return asyncio.run(_make_database(postgres))


@pytest.fixture
async def queried(queried_dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(queried_dsn)
    changes = connection.transaction()
    await changes.start()
    yield connection
    await changes.rollback()
    await connection.close()
