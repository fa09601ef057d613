"""How far the projections are, as the database says (a projector need not run)."""

import msgspec

from projections.catalogue import PROJECTIONS
from projections.database import Connection
from projections.position import Position, read_positions


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """One projection; `is_made` is False where its tables do not exist yet."""

    name: str
    is_made: bool
    positions: tuple[Position, ...] = ()


async def read_progress(connection: Connection) -> list[Progress]:
    """Return the progress of every projection."""
    found = []
    for name in PROJECTIONS:
        rows = await connection.fetch("SELECT to_regclass($1) AS found", f"{name}.position")
        if rows[0]["found"] is None:
            found.append(Progress(name=name, is_made=False))
            continue
        positions = await read_positions(connection, f'"{name}".position')
        found.append(Progress(name=name, is_made=True, positions=tuple(positions.values())))
    return found
