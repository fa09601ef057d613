"""Numbered SQL files, each applied once, in order, in one db transaction under a lock."""

import hashlib
from importlib.resources import files
from typing import Final, NamedTuple

from projections.database import Connection

INDEXES: Final = "indexes"  # files so named only speed up reading; a rebuild runs them at its end

_LEDGER: Final = """
CREATE TABLE IF NOT EXISTS migrations (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class Migration(NamedTuple):
    """One SQL file; it names no schema, so that a rebuild can run it beside the live tables."""

    number: int
    name: str
    sql: str
    checksum: str

    @property
    def is_index(self) -> bool:
        """Whether a rebuild leaves it for the end."""
        return self.name.endswith(INDEXES)


class SchemaDiffers(Exception):
    """The database was made by other SQL files than this program's; the message says what to do."""


def read_migrations(projection: str) -> tuple[Migration, ...]:
    """Read the files of one projection in the order of their numbers."""
    found = []
    for file in (files("projections") / "sql" / projection).iterdir():
        number, _, name = file.name.removesuffix(".sql").partition("_")
        sql = file.read_text(encoding="utf-8")
        checksum = hashlib.sha256(sql.encode()).hexdigest()
        found.append(Migration(int(number), name, sql, checksum))
    found.sort()
    numbers = [migration.number for migration in found]
    assert numbers == list(range(1, len(found) + 1)), f"{projection}: numbers must have no gap"
    return tuple(found)


async def migrate(
    connection: Connection, schema: str, migrations: tuple[Migration, ...]
) -> tuple[int, ...]:
    """
    Bring `schema` up to `migrations`; return the numbers applied now.

    Sets the connection's search path to the schema. Safe to run from several processes at once.

    Raises:
        SchemaDiffers: a file was changed after it was applied, or the database is newer.
    """
    async with connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('switch-migrations-' || $1, 0))", schema
        )
        await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        await connection.execute("SELECT set_config('search_path', $1, false)", schema)
        await connection.execute(_LEDGER)
        rows = await connection.fetch("SELECT number, checksum FROM migrations")
        applied = {row["number"]: row["checksum"] for row in rows}
        unknown = set(applied) - {migration.number for migration in migrations}
        if unknown:
            raise SchemaDiffers(
                f"{schema} was made by a newer program (migrations {sorted(map(str, unknown))} are "
                "not known here); start that version, or rebuild the projection with this one"
            )
        done = []
        for migration in migrations:
            if migration.number in applied:
                if applied[migration.number] != migration.checksum:
                    raise SchemaDiffers(
                        f"{migration.number:04d}_{migration.name}.sql was changed after it was "
                        f"applied to {schema}; add a new file instead"
                    )
                continue
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO migrations (number, name, checksum) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.checksum,
            )
            done.append(migration.number)
        return tuple(done)
