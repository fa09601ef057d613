"""How far a projection is: checked and moved in the db transaction that writes its rows."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from projections.database import Connection, fetch_rows, transpose
from switch.eventlog.journal_reader import JournalReader


class Place(NamedTuple):
    """
    The address of one record and what the void rule says about it.

    `epoch` is the offset of the claim in force; a void record belongs to another one.
    """

    partition: int
    offset: int
    epoch: int = -1
    is_void: bool = False


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """
    A row of `position`: the rows beside it hold every record of `partition` below `next_offset`.

    `claim_id` and `epoch` are what the void rule knew there; `generation` counts the rebuilds.
    """

    partition: int
    next_offset: int = 0
    generation: int = 1
    claim_id: str = ""
    epoch: int = -1
    record_count: int = 0
    void_count: int = 0
    at_ms: int = 0


class PositionMoved(Exception):
    """Somebody else moved the position: another projector, a rebuild, or our own lost commit."""


_MOVE: Final = """
UPDATE position SET next_offset = moved.next_offset, claim_id = moved.claim_id,
    epoch = moved.epoch, record_count = moved.record_count, void_count = moved.void_count,
    at_ms = moved.at_ms
FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::integer[], $5::text[], $6::bigint[],
        $7::bigint[], $8::bigint[], $9::bigint[])
    AS moved (partition, first_offset, next_offset, generation, claim_id, epoch, record_count,
        void_count, at_ms)
WHERE position.partition = moved.partition AND position.next_offset = moved.first_offset
    AND position.generation = moved.generation
"""


async def load_positions(connection: Connection, partitions: Iterable[int]) -> dict[int, Position]:
    """Read where each partition stands; a partition never seen starts at 0."""
    await connection.execute(
        """
        INSERT INTO position
        SELECT partition, 0, coalesce((SELECT max(generation) FROM position), 1), '', -1, 0, 0, 0
        FROM unnest($1::smallint[]) AS partition
        ON CONFLICT DO NOTHING
        """,
        sorted(partitions),
    )
    return await read_positions(connection, "position")


async def read_positions(connection: Connection, table: str) -> dict[int, Position]:
    """Read all rows of a position table."""
    columns = ", ".join(Position.__struct_fields__)
    found = await fetch_rows(
        connection,
        Position,
        f"SELECT {columns} FROM {table} ORDER BY partition",  # noqa: S608 - names of our own
    )
    return {position.partition: position for position in found}


async def move_positions(
    connection: Connection, moves: Sequence[tuple[Position, Position]]
) -> None:
    """
    Move positions (from, to) inside the caller's db transaction, before its rows are written.

    Raises:
        PositionMoved: at least one is not where it was; the caller must roll back.
    """
    rows = [
        (
            before.partition,
            before.next_offset,
            after.next_offset,
            before.generation,
            after.claim_id,
            after.epoch,
            after.record_count,
            after.void_count,
            after.at_ms,
        )
        for before, after in sorted(moves, key=lambda move: move[0].partition)
    ]
    tag = await connection.execute(_MOVE, *transpose(rows, 9))
    if tag != f"UPDATE {len(rows)}":
        raise PositionMoved(f"expected to move {len(rows)} positions, database says {tag!r}")


def resume_reader(position: Position) -> JournalReader:
    """Make a journal reader that goes on where `position` is."""
    reader = JournalReader()
    reader.next_offset = position.next_offset
    reader.claim_id = position.claim_id
    reader.epoch = position.epoch
    reader.void_count = position.void_count
    return reader
