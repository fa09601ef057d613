import asyncpg

from projections.queries.progress import read_progress


async def test_progress_is_known_without_a_projector(dsn, make_log, fill):
    connection = await asyncpg.connect(dsn)
    assert [(one.name, one.is_made) for one in await read_progress(connection)] == [
        ("settlement", False),
        ("audit", False),
    ]
    await fill(dsn, make_log(70))
    for one in await read_progress(connection):
        assert one.is_made
        assert [at.next_offset for at in one.positions] == [70, 70]
    await connection.close()
