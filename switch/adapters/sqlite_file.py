"""The file of the embedded log: its format, its marks, its rows."""

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from switch.eventlog.port import LOG_NAMES, LogUnavailable, StoredRecord

APPLICATION_ID: Final = 0x53574C47  # "SWLG": how `file` and we tell this file from others
FORMAT_VERSION: Final = 1
OFFSET_BITS: Final = 40  # 10^12 records a partition
PARTITION_BITS: Final = 8
READ_COUNT_MAX: Final = 1_000  # bounds how long one read holds up the event loop: about 1 ms
CACHE_KIB: Final = 16_384  # the pages at the growing end of every partition stay in memory
WAL_BYTES_KEPT_MAX: Final = 64 * 1_048_576  # after a burst the write-ahead log shrinks to this
LOCK_TIMEOUT_S: Final = 3.0

_SCHEMA: Final = (
    # One tree for all partitions, so that one INSERT is one atomic, durable group commit.
    # id: log, partition and offset packed (stream_key); at: epoch ms; value: the record.
    "CREATE TABLE record (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, value BLOB NOT NULL)",
    # Where a partition begins once old records were removed; no row: at offset 0.
    "CREATE TABLE stream (id INTEGER PRIMARY KEY, first_offset INTEGER NOT NULL)",
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
)


def stream_key(log: str, partition: int) -> int:
    """Return the id of the partition's offset 0; offsets are added to it."""
    return (LOG_NAMES.index(log) << PARTITION_BITS | partition) << OFFSET_BITS


def lock_file(path: Path) -> int:
    """
    Lock the log for one writer; return the descriptor that holds the lock until it is closed.

    A writing process whose switch was killed needs a moment to end: this waits for it.

    Raises:
        LogUnavailable: another switch writes this log, or its folder cannot be used.
    """
    try:
        descriptor = os.open(f"{path}-lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LogUnavailable(f"cannot open the event log at {path}: {error}") from error
    give_up_at = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up_at:
                os.close(descriptor)
                raise LogUnavailable(f"another process writes the event log at {path}") from None
            time.sleep(0.01)
        else:
            return descriptor


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """
    Open the file; every statement is a transaction of its own.

    A reader opens it for writing where it may and then forbids itself to write: only so can it
    read what a killed writer left in the write-ahead log.
    """
    mode = "rwc"
    if read_only:
        mode = "rw" if os.access(path, os.W_OK) else "ro"
    connection = sqlite3.connect(
        f"file:{_quote(path)}?mode={mode}",
        uri=True,
        isolation_level=None,
        cached_statements=1_024,  # one INSERT for each batch size
        timeout=5,
    )
    if read_only:
        connection.execute("PRAGMA query_only = ON")
    else:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # the writer's other thread does it
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT_MAX}")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    return connection


def open_file(path: Path, *, partition_count: int | None, read_only: bool) -> sqlite3.Connection:
    """
    Open the log's file, or create it if it may be written and `partition_count` is given.

    Raises:
        LogUnavailable: there is no file, it is not ours, or it has another partition count.
    """
    if not path.exists() and (read_only or partition_count is None):
        raise LogUnavailable(f"there is no event log at {path}; start the switch there first")
    try:
        connection = connect(path, read_only=read_only)
    except sqlite3.Error as error:
        raise LogUnavailable(f"cannot open {path}: {error}") from error
    try:
        if not read_only:
            _prepare(connection, path, partition_count)
        _check_marks(connection, path, partition_count)
    except sqlite3.Error as error:
        connection.close()
        raise LogUnavailable(f"cannot use {path} as an event log: {error}") from error
    except LogUnavailable:
        connection.close()
        raise
    return connection


def get_partition_count(connection: sqlite3.Connection) -> int:
    """Return the number of partitions that was fixed when the file was made."""
    [count] = connection.execute(
        "SELECT value FROM setting WHERE name = 'partition_count'"
    ).fetchone()
    return int(count)


def find_bounds(connection: sqlite3.Connection, key: int) -> tuple[int, int]:
    """Return a partition's first offset kept and its next offset."""
    first_offset = _find_first_offset(connection, key)
    [last_id] = connection.execute(
        "SELECT max(id) FROM record WHERE id BETWEEN ? AND ?", (key, key + (1 << OFFSET_BITS) - 1)
    ).fetchone()
    return first_offset, first_offset if last_id is None else last_id - key + 1


def read_records(
    connection: sqlite3.Connection, key: int, offset: int, count_max: int
) -> tuple[int, list[StoredRecord]]:
    """
    Return a partition's first offset and up to `count_max` records from `offset` on.

    The first offset is read last: if records were removed in between, it shows.
    """
    rows = connection.execute(
        "SELECT id - ?1, value FROM record WHERE id BETWEEN ?2 AND ?3 ORDER BY id LIMIT ?4",
        (key, key + offset, key + (1 << OFFSET_BITS) - 1, min(count_max, READ_COUNT_MAX)),
    ).fetchall()
    return _find_first_offset(connection, key), [StoredRecord._make(row) for row in rows]


def insert_statement(count: int) -> str:
    """Return the one statement that stores `count` records: at, then id and value of each."""
    rows = ",".join(f"(?{2 * i + 2},?1,?{2 * i + 3})" for i in range(count))
    return f"INSERT INTO record VALUES {rows}"  # noqa: S608 (placeholders only)


def remove_old(
    connection: sqlite3.Connection, keys: Sequence[int], before_ms: int, count_max: int
) -> int:
    """Remove up to `count_max` records of each partition older than `before_ms`; count them."""
    removed = 0
    for key in keys:
        first_offset = _find_first_offset(connection, key)
        [cut] = connection.execute(
            "SELECT max(id) FROM (SELECT id, at FROM record WHERE id BETWEEN ? AND ?"
            " ORDER BY id LIMIT ?) WHERE at < ?",
            (key + first_offset, key + (1 << OFFSET_BITS) - 1, count_max, before_ms),
        ).fetchone()
        if cut is None:
            continue
        with _transaction(connection):
            cursor = connection.execute("DELETE FROM record WHERE id BETWEEN ? AND ?", (key, cut))
            connection.execute("REPLACE INTO stream VALUES (?, ?)", (key, cut - key + 1))
        removed += cursor.rowcount
    return removed


def _find_first_offset(connection: sqlite3.Connection, key: int) -> int:
    row = connection.execute("SELECT first_offset FROM stream WHERE id = ?", (key,)).fetchone()
    return int(row[0]) if row else 0


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _prepare(connection: sqlite3.Connection, path: Path, partition_count: int | None) -> None:
    """Make a new file ours: all of it in one transaction, so a crash leaves an empty file."""
    is_empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if is_empty and partition_count is not None:
        path.chmod(0o600)
        connection.execute("PRAGMA journal_mode = WAL")
        with _transaction(connection):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute(
                "INSERT INTO setting VALUES ('partition_count', ?)", (partition_count,)
            )


def _check_marks(connection: sqlite3.Connection, path: Path, partition_count: int | None) -> None:
    [application_id] = connection.execute("PRAGMA application_id").fetchone()
    if application_id != APPLICATION_ID:
        raise LogUnavailable(
            f"{path} is a database, but not an event log of this switch; "
            "choose another data folder or move that file away"
        )
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if version != FORMAT_VERSION:
        raise LogUnavailable(
            f"{path} has format {version}, this program reads {FORMAT_VERSION}: "
            "use the version of the switch that wrote it"
        )
    found_count = get_partition_count(connection)
    if partition_count not in (None, found_count):
        raise LogUnavailable(
            f"{path} was made with {found_count} partitions, the settings say {partition_count}: "
            "the count is fixed for ever; set it back, or start in a new data folder"
        )


def _quote(path: Path) -> str:
    """Make a path safe inside an SQLite URI."""
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
