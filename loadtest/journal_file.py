"""The raw journal of an instance, read from the embedded log's file by an own reader."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from loadtest.trail import RawRecord
from switch.eventlog.port import LOG_NAMES

LOG_FILE: Final = "log.db"
_OFFSET_BITS: Final = 40  # a record's id: log, partition (8 bits), offset (40 bits)
_PARTITION_BITS: Final = 8
_LOG_SPAN: Final = 1 << (_PARTITION_BITS + _OFFSET_BITS)
_ROWS_AT_ONCE: Final = 2_000


class JournalFileError(Exception):
    """The journal cannot be read; the message says why and what to do."""


class JournalFile:
    """Reads each record once, in order within its partition, also while the switch is writing."""

    def __init__(self, directory: Path) -> None:
        """
        Open the log of a data folder for reading.

        Raises:
            JournalFileError: there is none, or it cannot be read.
        """
        path = directory / LOG_FILE
        if not path.is_file():
            raise JournalFileError(f"{path}: no event log; is this an instance's data folder?")
        try:
            self._connection = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=5)
            self._connection.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            raise JournalFileError(f"{path}: {error}") from error
        self._first_id = LOG_NAMES.index("journal") * _LOG_SPAN
        self._next_ids: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()

    def read_new(self) -> Iterator[RawRecord]:
        """
        Yield what was not read before.

        Raises:
            JournalFileError: the file cannot be read.
        """
        for partition in range(1 << _PARTITION_BITS):
            start = self._first_id + (partition << _OFFSET_BITS)
            next_id = self._next_ids.get(partition, start)
            while rows := self._read_rows(next_id, start + (1 << _OFFSET_BITS) - 1):
                for record_id, value in rows:
                    yield RawRecord(partition, record_id - start, value)
                next_id = self._next_ids[partition] = rows[-1][0] + 1

    def _read_rows(self, first_id: int, last_id: int) -> list[tuple[int, bytes]]:
        try:
            return self._connection.execute(
                "SELECT id, value FROM record WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
                (first_id, last_id, _ROWS_AT_ONCE),
            ).fetchall()
        except sqlite3.Error as error:
            raise JournalFileError(f"the journal cannot be read: {error}") from error
