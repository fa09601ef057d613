import asyncio

import asyncpg
import pytest

from projections.catalogue import PROJECTIONS
from projections.migrations import Migration, SchemaDiffers, migrate, read_migrations
from projections.runner import connect, disconnect

FIRST = Migration(1, "tables", "CREATE TABLE things (a integer)", "c1")
SECOND = Migration(2, "indexes", "CREATE INDEX things_by_a ON things (a)", "c2")


async def test_each_file_is_applied_once_in_order(dsn):
    connection = await connect(dsn, "shop")
    assert await migrate(connection, "shop", (FIRST,)) == (1,)
    assert await migrate(connection, "shop", (FIRST, SECOND)) == (2,)
    assert await migrate(connection, "shop", (FIRST, SECOND)) == ()
    rows = await connection.fetch("SELECT number, name FROM shop.migrations ORDER BY number")
    assert [tuple(row.values()) for row in rows] == [(1, "tables"), (2, "indexes")]
    await disconnect(connection)


async def test_two_programs_that_start_at_once_do_not_collide(dsn):
    connections = [await connect(dsn, "shop") for _ in range(4)]
    applied = await asyncio.gather(*(migrate(c, "shop", (FIRST, SECOND)) for c in connections))
    assert sorted(applied) == [(), (), (), (1, 2)]
    for connection in connections:
        await disconnect(connection)


async def test_a_changed_file_and_a_newer_database_are_refused(dsn):
    connection = await connect(dsn, "shop")
    await migrate(connection, "shop", (FIRST, SECOND))
    with pytest.raises(SchemaDiffers, match=r"0001_tables\.sql was changed"):
        await migrate(connection, "shop", (FIRST._replace(checksum="other"), SECOND))
    with pytest.raises(SchemaDiffers, match="newer program"):
        await migrate(connection, "shop", (FIRST,))
    await disconnect(connection)


async def test_a_failing_file_leaves_nothing_behind(dsn):
    connection = await connect(dsn, "shop")
    with pytest.raises(asyncpg.PostgresError):
        await migrate(connection, "shop", (FIRST, SECOND._replace(sql="CREATE NONSENSE")))
    rows = await connection.fetch("SELECT to_regclass('shop.things') AS found")
    assert rows[0]["found"] is None
    await disconnect(connection)


def test_the_files_of_every_projection_are_numbered_without_gap_and_end_with_indexes():
    for name in PROJECTIONS:
        found = read_migrations(name)
        assert [m.number for m in found] == list(range(1, len(found) + 1))
        assert not found[0].is_index
        assert any(m.is_index for m in found)
        assert all(m.checksum and m.sql for m in found)
