"""
The process that writes the embedded log: group commit, one fsync for all partitions.

It is a process and not a thread because of the interpreter lock. A thread has to win that lock
back after each statement, and against a busy event loop, which gives the lock up for microseconds
at a time, it may lose for seconds.
"""

import contextlib
import select
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from switch.adapters.sqlite_file import (
    connect,
    find_bounds,
    get_partition_count,
    insert_statement,
    remove_old,
    stream_key,
)
from switch.adapters.sqlite_wire import RecordParser, Run, WrittenRecord, pack_run
from switch.eventlog.port import AppendRefused, AppendUnknown

BATCH_COUNT_MAX: Final = 512  # each count has its own statement, prepared once
RECEIVE_BYTES_MAX: Final = 1_048_576
# A commit costs much the same for one record and for fifty: the more came with the last one, the
# longer the next waits for company.
GATHER_S_PER_RECORD: Final = 0.000_1
GATHER_S_MAX: Final = 0.002
CHECKPOINT_INTERVAL_S: Final = 0.5
WAL_FRAMES_MAX: Final = 8_192  # 32 MiB: beyond it the write-ahead log starts over
WAL_FRAMES_LEFT_MAX: Final = 512  # the commit loop finishes a checkpoint of this many itself
RETENTION_INTERVAL_S: Final = 10.0
RETENTION_CHUNK_INTERVAL_S: Final = 0.1  # while there is more to remove
RETENTION_CHUNK_COUNT: Final = 512  # removing this many takes about as long as one commit

_CERTAINLY_NOT_WRITTEN: Final = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMMAP,
}


def explain_failure(error: sqlite3.Error, path: Path) -> AppendRefused | AppendUnknown:
    """Say whether what a failed commit held is certainly not in the file, and what to do."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and (code & 0xFF) == sqlite3.SQLITE_FULL:
        return AppendRefused(
            f"the disk that holds {path} is full; nothing was written: free some space"
        )
    if code is not None and _CERTAINLY_NOT_WRITTEN & {code, code & 0xFF}:
        return AppendRefused(f"cannot write {path} ({error}); nothing was written: see to the disk")
    # A failed fsync may leave the commit in the write-ahead log, to be found after a crash.
    return AppendUnknown(f"writing {path} failed ({error}); a restart may still find the records")


class GroupCommit:
    """
    Writes batches, each all or nothing, and keeps the file in order between them.

    Once a record of an appender has failed, all its later ones fail as well. `now_ms` is the wall
    clock; records of `expiring_keys` are removed once they are older than `retention_ms`.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        expiring_keys: Sequence[int],
        retention_ms: int,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._connection = connection
        self._path = path
        self._expiring_keys = expiring_keys
        self._retention_ms = retention_ms
        self._now_ms = now_ms
        self._next_offsets: dict[int, int] = {}
        self._failed: dict[int, AppendRefused | AppendUnknown] = {}  # by appender
        self._retention_due = time.monotonic() + RETENTION_INTERVAL_S
        self.checkpointer = Checkpointer(path)

    def commit(self, batch: Sequence[WrittenRecord]) -> list[Run]:
        """Write one batch in one transaction; tell what became of its records, in order."""
        good = [r for r in batch if r.appender not in self._failed] if self._failed else batch
        failure = self._write(good) if good else None
        if failure is not None:
            self._failed.update(dict.fromkeys((record.appender for record in good), failure))
        if not self._failed:
            return [Run(len(batch), None)]
        return [Run(1, self._failed.get(record.appender)) for record in batch]

    def _write(self, records: Sequence[WrittenRecord]) -> AppendRefused | AppendUnknown | None:
        parameters: list[int | bytes] = [self._now_ms()]
        ends: dict[int, int] = {}
        try:
            for _, key, value in records:
                offset = ends.get(key)
                if offset is None:
                    offset = self._find_next_offset(key)
                ends[key] = offset + 1
                parameters += (key + offset, value)
            # Without BEGIN and COMMIT one INSERT is a transaction by itself.
            self._connection.execute(insert_statement(len(records)), parameters)
        except sqlite3.Error as error:
            return explain_failure(error, self._path)
        self._next_offsets.update(ends)
        self.checkpointer.is_due = True
        return None

    def _find_next_offset(self, key: int) -> int:
        offset = self._next_offsets.get(key)
        return find_bounds(self._connection, key)[1] if offset is None else offset

    def tidy_up(self) -> None:
        """Between two commits: end a checkpoint, remove a few old records if it is time."""
        # What fails here (a full disk, a long reader) fails again or succeeds at the next turn.
        with contextlib.suppress(sqlite3.Error):
            if self.checkpointer.is_finish_wanted:
                self.checkpointer.is_finish_wanted = False
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            now_s = time.monotonic()
            if now_s >= self._retention_due:
                self._retention_due = now_s + RETENTION_INTERVAL_S
                if self.remove_old_chunk():
                    self._retention_due = now_s + RETENTION_CHUNK_INTERVAL_S

    def remove_old_chunk(self) -> int:
        """Remove a few records that are past their time; return how many."""
        before_ms = self._now_ms() - self._retention_ms
        return remove_old(self._connection, self._expiring_keys, before_ms, RETENTION_CHUNK_COUNT)


class Checkpointer:
    """
    Copies the write-ahead log into the file from a connection and a thread of its own.

    Commits go on meanwhile, so the last frames are left to them (`is_finish_wanted`): only when
    nothing is left does the write-ahead log start over instead of growing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-checkpointer", daemon=True)
        self.is_due = False
        self.is_finish_wanted = False

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(connect(self._path, read_only=False)) as connection:
            while not self._stopped.wait(CHECKPOINT_INTERVAL_S):
                if self.is_due:
                    self.is_due = False
                    self._copy(connection)

    def _copy(self, connection: sqlite3.Connection) -> None:
        # A full disk fails this too; the frames stay in the write-ahead log until there is room.
        with contextlib.suppress(sqlite3.Error):
            _, frame_count, copied_count = connection.execute(
                "PRAGMA wal_checkpoint(PASSIVE)"
            ).fetchone()
            left_count = frame_count - copied_count
            self.is_finish_wanted = (
                frame_count > WAL_FRAMES_MAX and left_count < WAL_FRAMES_LEFT_MAX
            )


def serve(switch: socket.socket, group_commit: GroupCommit) -> None:
    """Commit what comes over the socket until the switch closes its side or is gone."""
    parser = RecordParser()
    is_open = True
    last_count, last_commit_s = 0, 0.0
    while is_open:
        if not select.select([switch], [], [], CHECKPOINT_INTERVAL_S)[0]:
            group_commit.tidy_up()
            continue
        gather_s = min(GATHER_S_MAX, last_count * GATHER_S_PER_RECORD)
        if (wait_s := last_commit_s + gather_s - time.monotonic()) > 0:
            time.sleep(wait_s)
        last_commit_s = time.monotonic()
        data, is_open = _receive_waiting(switch)
        records = parser.receive_data(data)
        last_count = len(records)
        for start in range(0, len(records), BATCH_COUNT_MAX):
            runs = group_commit.commit(records[start : start + BATCH_COUNT_MAX])
            switch.sendall(b"".join(map(pack_run, runs)))
        group_commit.tidy_up()


def _receive_waiting(switch: socket.socket) -> tuple[bytes, bool]:
    """Return what the socket holds now, and whether more may come."""
    received: list[bytes] = []
    size = 0
    with contextlib.suppress(BlockingIOError):
        while size < RECEIVE_BYTES_MAX:
            data = switch.recv(RECEIVE_BYTES_MAX, socket.MSG_DONTWAIT)
            if not data:
                return b"".join(received), False
            received.append(data)
            size += len(data)
    return b"".join(received), True


def main(arguments: Sequence[str]) -> None:
    """Run the process: socket, file, inbound retention in ms, page limit (0: none)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends when the switch has ended, not before
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    descriptor, path, retention_ms, page_count_max = arguments
    connection = connect(Path(path), read_only=False)
    if int(page_count_max):
        connection.execute(f"PRAGMA max_page_count = {int(page_count_max)}")
    partitions = range(get_partition_count(connection))
    group_commit = GroupCommit(
        connection,
        Path(path),
        expiring_keys=[stream_key("inbound", partition) for partition in partitions],
        retention_ms=int(retention_ms),
    )
    group_commit.checkpointer.start()
    # If the switch was killed, nobody is left to be told.
    with socket.socket(fileno=int(descriptor)) as switch, contextlib.suppress(ConnectionError):
        serve(switch, group_commit)
    group_commit.checkpointer.stop()
    connection.close()


if __name__ == "__main__":
    main(sys.argv[1:])
