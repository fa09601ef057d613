import contextlib
import socket
import sqlite3
import threading

import pytest

from switch.adapters import sqlite_writer
from switch.adapters.sqlite_file import find_bounds, open_file, read_records, stream_key
from switch.adapters.sqlite_wire import RunParser, WrittenRecord, pack_record_head
from switch.adapters.sqlite_writer import Checkpointer, GroupCommit, explain_failure, serve
from switch.eventlog.port import AppendRefused, AppendUnknown

KEY = stream_key("journal", 0)
OTHER = stream_key("inbound", 1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.db"


@pytest.fixture
def file(path):
    with contextlib.closing(open_file(path, partition_count=2, read_only=False)) as connection:
        yield connection


@pytest.fixture
def clock():
    return [1_000]


@pytest.fixture
def group_commit(file, path, clock):
    return GroupCommit(file, path, expiring_keys=[OTHER], retention_ms=500, now_ms=lambda: clock[0])


def records(*values, appender=1, key=KEY):
    return [WrittenRecord(appender, key, value) for value in values]


def flat(runs):
    """One outcome a record: its failure, or None."""
    return [run.failure for run in runs for _ in range(run.record_count)]


def fill_up(file):
    """Leave no room for anything large."""
    [count] = file.execute("PRAGMA page_count").fetchone()
    file.execute(f"PRAGMA max_page_count = {count}")


def test_a_batch_is_one_run_over_all_streams(group_commit, file):
    batch = records(b"a", b"b") + records(b"x", key=OTHER) + records(b"c")
    [run] = group_commit.commit(batch)
    assert (run.record_count, run.failure) == (4, None)
    assert read_records(file, KEY, 0, 9)[1] == [(0, b"a"), (1, b"b"), (2, b"c")]
    assert read_records(file, OTHER, 0, 9)[1] == [(0, b"x")]


def test_offsets_go_on_from_what_the_file_holds(group_commit, file, path):
    group_commit.commit(records(b"a"))
    again = GroupCommit(file, path, expiring_keys=[], retention_ms=0)
    again.commit(records(b"b"))
    again.commit(records(b"c"))
    assert read_records(file, KEY, 0, 9)[1] == [(0, b"a"), (1, b"b"), (2, b"c")]


def test_a_full_disk_fails_the_whole_batch_and_writes_none_of_it(group_commit, file):
    group_commit.commit(records(b"before"))
    fill_up(file)
    outcomes = flat(group_commit.commit(records(b"small", b"x" * 100_000, b"small")))
    assert [type(outcome) for outcome in outcomes] == [AppendRefused] * 3
    assert "disk" in str(outcomes[0])
    assert "full" in str(outcomes[0])
    assert find_bounds(file, KEY) == (0, 1)


def test_after_a_failure_the_same_appender_fails_and_others_go_on(group_commit, file):
    fill_up(file)
    group_commit.commit(records(b"x" * 100_000))
    file.execute("PRAGMA max_page_count = 1000000")
    mixed = records(b"late") + records(b"fresh", appender=2) + records(b"later")
    assert [type(outcome) for outcome in flat(group_commit.commit(mixed))] == [
        AppendRefused,
        type(None),
        AppendRefused,
    ]
    assert read_records(file, KEY, 0, 9)[1] == [(0, b"fresh")]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, AppendRefused),
        (sqlite3.SQLITE_IOERR_WRITE, AppendRefused),
        (sqlite3.SQLITE_READONLY, AppendRefused),
        (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, AppendRefused),
        (sqlite3.SQLITE_IOERR_FSYNC, AppendUnknown),
        (sqlite3.SQLITE_IOERR, AppendUnknown),
        (sqlite3.SQLITE_NOMEM, AppendUnknown),
    ],
)
def test_only_what_was_certainly_not_written_is_refused(path, code, kind):
    error = sqlite3.OperationalError("some reason")
    error.sqlite_errorcode = code
    failure = explain_failure(error, path)
    assert type(failure) is kind
    assert str(path) in str(failure)


def test_an_error_without_a_code_leaves_the_outcome_unknown(path):
    assert type(explain_failure(sqlite3.ProgrammingError("odd"), path)) is AppendUnknown


def test_only_expiring_streams_lose_their_old_records(group_commit, file, clock):
    group_commit.commit(records(b"old") + records(b"old", key=OTHER))
    clock[0] = 1_400
    group_commit.commit(records(b"new", key=OTHER))
    clock[0] = 1_600
    assert group_commit.remove_old_chunk() == 1
    assert find_bounds(file, KEY) == (0, 1)
    assert find_bounds(file, OTHER) == (1, 2)


def test_tidying_up_waits_for_its_time(group_commit, file, clock):
    group_commit.commit(records(b"old", key=OTHER))
    clock[0] = 10_000
    group_commit.tidy_up()
    assert find_bounds(file, OTHER) == (0, 1)
    group_commit._retention_due = 0.0
    group_commit.tidy_up()
    assert find_bounds(file, OTHER) == (1, 1)


def test_the_write_ahead_log_starts_over_when_a_checkpoint_was_finished(
    group_commit, file, path, monkeypatch
):
    monkeypatch.setattr(sqlite_writer, "WAL_FRAMES_MAX", 10)
    checkpointer = Checkpointer(path)
    for _ in range(20):
        group_commit.commit(records(b"x" * 10_000))
    checkpointer._copy(file)
    assert checkpointer.is_finish_wanted
    group_commit.checkpointer.is_finish_wanted = True
    size = path.with_name("log.db-wal").stat().st_size
    for _ in range(20):
        group_commit.tidy_up()
        group_commit.commit(records(b"x" * 10_000))
        group_commit.checkpointer.is_finish_wanted = True
    assert path.with_name("log.db-wal").stat().st_size == size
    assert find_bounds(file, KEY) == (0, 40)


def test_what_came_before_the_switch_closed_its_side_is_committed(file, path):
    def run():
        with contextlib.closing(open_file(path, partition_count=2, read_only=False)) as connection:
            serve(theirs, GroupCommit(connection, path, expiring_keys=[], retention_ms=0))

    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=run)
    thread.start()
    with ours, theirs:
        for n in range(2_000):
            ours.sendall(pack_record_head(1, 3, KEY) + b"abc" if n else b"")
        ours.sendall(pack_record_head(1, 100, KEY) + b"cut off")
        ours.shutdown(socket.SHUT_WR)
        thread.join(20)
        assert not thread.is_alive()
        theirs.close()
        got = b""
        while data := ours.recv(65_536):
            got += data
    assert sum(run.record_count for run in RunParser().receive_data(got)) == 1_999
    assert find_bounds(file, KEY) == (0, 1_999)
