import msgspec
import pytest

from projections.database import fetch_rows, transpose
from projections.runner import connect, disconnect


class Pair(msgspec.Struct):
    left: int
    right: str


async def test_rows_come_as_structs_matched_by_name(dsn):
    connection = await connect(dsn, "public")
    found = await fetch_rows(connection, Pair, "SELECT 'x' || $1::text AS right, 1 AS left", "y")
    assert found == [Pair(1, "xy")]
    with pytest.raises(msgspec.ValidationError):
        await fetch_rows(connection, Pair, "SELECT 1 AS left, 2 AS right")
    await disconnect(connection)


def test_rows_turn_into_columns():
    assert transpose([(1, "a"), (2, "b")], 2) == ([1, 2], ["a", "b"])
    assert transpose([], 2) == ([], [])
