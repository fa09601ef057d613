"""The one thread that writes the embedded log: group commit, one fsync for all partitions."""

import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from switch.adapters.sqlite_file import connect, insert_statement, remove_old
from switch.eventlog.port import AppendRefused, AppendSink, AppendUnknown

BATCH_COUNT_MAX: Final = 512  # each count has its own statement, prepared once
BUSY_COUNT: Final = 6  # a batch this large means load: then gather for a moment
BUSY_COMMIT_INTERVAL_S: Final = 0.002  # at most 500 commits a second under load
CHECKPOINT_INTERVAL_S: Final = 0.5
WAL_FRAMES_MAX: Final = 8_192  # 32 MiB: beyond it the write-ahead log starts over
WAL_FRAMES_LEFT_MAX: Final = 512  # the writer finishes a checkpoint of this many frames itself
IDLE_INTERVAL_S: Final = 1.0
RETENTION_INTERVAL_S: Final = 10.0
RETENTION_CHUNK_INTERVAL_S: Final = 0.02  # while there is more to remove
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


class Appender(Protocol):
    """One opened partition as the writer thread sees it."""

    stream_key: int
    is_closed: bool  # set by the event loop: what is still queued must not be written
    refusal: (
        AppendRefused | AppendUnknown | None
    )  # set by the event loop, for records without value
    failure: AppendRefused | AppendUnknown | None  # set by the writer thread alone


Entry = tuple[Appender, bytes | None, AppendSink]  # no value: refused before it was queued
Outcome = tuple[Appender, int | AppendRefused | AppendUnknown, bytes | None, AppendSink]


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


class SqliteWriter:
    """
    Commits what is queued, all or nothing, and reports each commit with one call to `post`.

    `post` takes the outcomes of one batch in order, or None as the last word; it is called from
    this thread. `now_ms` is the wall clock; records of `expiring_keys` are removed once they are
    older than `retention_ms`.

    One INSERT without BEGIN and COMMIT is a transaction by itself. That matters here: at the end
    of every statement this thread has to wait for the interpreter lock, for up to a switch
    interval while the event loop is busy.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        post: Callable[[list[Outcome] | None], None],
        now_ms: Callable[[], int],
        expiring_keys: Sequence[int],
        retention_ms: int,
    ) -> None:
        self._connection = connection
        self._path = path
        self._post = post
        self._now_ms = now_ms
        self._expiring_keys = expiring_keys
        self._retention_ms = retention_ms
        self._queue: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._next_offsets: dict[int, int] = {}
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._checkpointer = _Checkpointer(path)
        self._retention_due = time.monotonic() + RETENTION_INTERVAL_S
        self.put = self._queue.put  # an Entry; None stops the thread after what is queued
        self.commit_count = 0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()
        self._checkpointer.start()

    def add_stream(self, key: int, next_offset: int) -> None:
        """Tell where a partition goes on; must come before its first record."""
        self._next_offsets.setdefault(key, next_offset)

    def discard(self) -> None:
        """Close the file instead of starting the thread."""
        self._connection.close()

    def _run(self) -> None:
        try:
            self._write_until_stopped()
        finally:
            self._checkpointer.stop()
            self._connection.close()
            self._post(None)

    def _write_until_stopped(self) -> None:
        is_stopping = False
        last_count, last_commit_s = 0, 0.0
        while not is_stopping:
            try:
                entry = self._queue.get(timeout=IDLE_INTERVAL_S)
            except queue.Empty:
                self._tidy_up()
                continue
            if last_count >= BUSY_COUNT:
                time.sleep(max(0.0, last_commit_s + BUSY_COMMIT_INTERVAL_S - time.monotonic()))
            last_commit_s = time.monotonic()
            batch, is_stopping = self._gather(entry)
            last_count = len(batch)
            if batch:
                self._post(self._commit(batch))
            if self._checkpointer.is_finish_wanted or last_commit_s >= self._retention_due:
                self._tidy_up()

    def _gather(self, entry: Entry | None) -> tuple[list[Entry], bool]:
        """Take what is queued, up to one statement's worth; also say whether to stop after it."""
        batch: list[Entry] = []
        get = self._queue.get_nowait
        while entry is not None:
            batch.append(entry)
            if len(batch) == BATCH_COUNT_MAX:
                return batch, False
            try:
                entry = get()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: list[Entry]) -> list[Outcome]:
        """Write one batch; return what became of each record, in order."""
        outcomes: list[Outcome] = []
        parameters: list[int | bytes] = [self._now_ms()]
        ends: dict[int, int] = {}
        for appender, value, sink in batch:
            failure = appender.failure
            if failure is None and (value is None or appender.is_closed):
                failure = appender.failure = appender.refusal or AppendRefused("closed")
            if failure is not None or value is None:
                assert failure is not None
                outcomes.append((appender, failure, value, sink))
                continue
            key = appender.stream_key
            offset = ends.get(key)
            if offset is None:
                offset = self._next_offsets[key]
            ends[key] = offset + 1
            parameters += (key + offset, value)
            outcomes.append((appender, offset, value, sink))
        if len(parameters) == 1:
            return outcomes
        try:
            self._connection.execute(insert_statement(len(parameters) // 2), parameters)
        except sqlite3.Error as error:
            return self._fail(outcomes, explain_failure(error, self._path))
        self._next_offsets.update(ends)
        self.commit_count += 1
        self._checkpointer.is_due = True
        return outcomes

    def _fail(
        self, outcomes: list[Outcome], failure: AppendRefused | AppendUnknown
    ) -> list[Outcome]:
        """Turn the offsets of a batch that was not written into its failure."""
        failed: list[Outcome] = []
        for appender, outcome, value, sink in outcomes:
            if isinstance(outcome, int):
                appender.failure = failure
                failed.append((appender, failure, value, sink))
            else:
                failed.append((appender, outcome, value, sink))
        return failed

    def _tidy_up(self) -> None:
        """Between two commits: end a checkpoint, remove a few old records."""
        # What fails here (a full disk, a long reader) fails again or succeeds at the next turn.
        with contextlib.suppress(sqlite3.Error):
            if self._checkpointer.is_finish_wanted:
                self._checkpointer.is_finish_wanted = False
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            now_s = time.monotonic()
            if now_s >= self._retention_due and self._queue.empty():
                self._retention_due = now_s + RETENTION_INTERVAL_S
                before_ms = self._now_ms() - self._retention_ms
                if remove_old(
                    self._connection, self._expiring_keys, before_ms, RETENTION_CHUNK_COUNT
                ):
                    self._retention_due = now_s + RETENTION_CHUNK_INTERVAL_S


class _Checkpointer:
    """
    Copies the write-ahead log into the file from a connection and a thread of its own.

    Commits go on meanwhile, so the last frames are left to the writer (`is_finish_wanted`): only
    when nothing is left does the write-ahead log start over instead of growing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-checkpointer", daemon=True)
        self.start = self._thread.start
        self.is_due = False
        self.is_finish_wanted = False

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(connect(self._path, read_only=False)) as connection:
            while not self._stopped.wait(CHECKPOINT_INTERVAL_S):
                if not self.is_due:
                    continue
                self.is_due = False
                # A full disk fails this too; the frames stay in the write-ahead log until then.
                with contextlib.suppress(sqlite3.Error):
                    _, frame_count, copied_count = connection.execute(
                        "PRAGMA wal_checkpoint(PASSIVE)"
                    ).fetchone()
                    self.is_finish_wanted = (
                        frame_count > WAL_FRAMES_MAX
                        and frame_count - copied_count < WAL_FRAMES_LEFT_MAX
                    )
