"""The few things that projections ask of a PostgreSQL connection; asyncpg's fits as it is."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

import msgspec

RowT = TypeVar("RowT")


class Connection(Protocol):
    """One connection; `$1` marks an argument. Failures are those of asyncpg."""

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement (or several, without arguments); return its command tag."""
        ...

    async def fetch(self, query: str, *args: object) -> Sequence[Mapping[str, object]]:
        """Run a query and return its rows."""
        ...

    async def copy_records_to_table(
        self, table_name: str, *, records: Iterable[Sequence[object]], columns: Sequence[str]
    ) -> str:
        """Append rows by COPY."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[object]:
        """Begin a db transaction; it commits at the end of the block, or rolls back."""
        ...


async def fetch_rows(
    connection: Connection, kind: type[RowT], query: str, *args: object
) -> list[RowT]:
    """Run a query and return its rows as structs of `kind`, matched by column name."""
    rows = await connection.fetch(query, *args)
    return [msgspec.convert(dict(row.items()), kind) for row in rows]


def transpose(rows: Sequence[Sequence[object]], width: int) -> tuple[list[object], ...]:
    """Turn rows into the columns that `unnest` takes."""
    return tuple([row[column] for row in rows] for column in range(width))
