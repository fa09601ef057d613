import pytest

from projections.migrations import migrate, read_migrations
from projections.position import (
    Place,
    Position,
    PositionMoved,
    load_positions,
    move_positions,
    read_positions,
    resume_reader,
)
from projections.runner import connect, disconnect


async def test_a_position_moves_only_from_where_it_is(dsn):
    connection = await connect(dsn, "settlement")
    await migrate(connection, "settlement", read_migrations("settlement"))
    positions = await load_positions(connection, [1, 0])
    assert positions == {0: Position(partition=0), 1: Position(partition=1)}
    moved = Position(partition=1, next_offset=7, claim_id="c", epoch=3, record_count=7, at_ms=9)
    await move_positions(connection, [(positions[1], moved)])
    assert await load_positions(connection, [0, 1]) == {0: positions[0], 1: moved}
    other = Position(partition=0, next_offset=1)

    async def move_both():
        async with connection.transaction():
            await move_positions(connection, [(positions[1], moved), (positions[0], other)])

    with pytest.raises(PositionMoved):
        await move_both()
    assert await read_positions(connection, "position") == {0: positions[0], 1: moved}
    await disconnect(connection)


async def test_a_position_of_another_generation_does_not_move(dsn):
    connection = await connect(dsn, "audit")
    await migrate(connection, "audit", read_migrations("audit"))
    [position] = (await load_positions(connection, [0])).values()
    await connection.execute("UPDATE position SET generation = 2")
    with pytest.raises(PositionMoved):
        await move_positions(connection, [(position, Position(partition=0, next_offset=1))])
    assert (await load_positions(connection, [0, 5]))[5].generation == 2
    await disconnect(connection)


def test_a_reader_resumes_with_what_the_void_rule_knew():
    reader = resume_reader(
        Position(partition=2, next_offset=9, claim_id="abc", epoch=4, void_count=2)
    )
    assert (reader.next_offset, reader.claim_id, reader.epoch, reader.void_count) == (
        9,
        "abc",
        4,
        2,
    )


def test_a_place_is_valid_unless_said_otherwise():
    assert not Place(0, 1).is_void
