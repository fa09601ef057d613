import contextlib
import os
import sqlite3

import pytest

from switch.adapters import sqlite_file
from switch.adapters.sqlite_file import (
    connect,
    find_bounds,
    get_partition_count,
    insert_statement,
    lock_file,
    open_file,
    read_records,
    remove_old,
    stream_key,
)
from switch.eventlog.port import LogUnavailable

KEY = stream_key("journal", 3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.db"


@pytest.fixture
def file(path):
    with contextlib.closing(open_file(path, partition_count=4, read_only=False)) as connection:
        yield connection


def insert(connection, key, values, *, at=0, first=0):
    parameters = [at]
    for offset, value in enumerate(values, first):
        parameters += (key + offset, value)
    connection.execute(insert_statement(len(values)), parameters)


def test_a_new_file_is_marked_as_ours_and_private(path, file):
    assert file.execute("PRAGMA application_id").fetchone() == (sqlite_file.APPLICATION_ID,)
    assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert file.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert get_partition_count(file) == 4
    assert path.stat().st_mode & 0o777 == 0o600


def test_streams_do_not_touch_each_other(file):
    neighbours = [("inbound", 3), ("journal", 2), ("journal", 3), ("journal", 4), ("registry", 0)]
    for log, partition in neighbours:
        insert(file, stream_key(log, partition), [f"{log}-{partition}".encode()] * 2)
    for log, partition in neighbours:
        key = stream_key(log, partition)
        assert find_bounds(file, key) == (0, 2)
        value = f"{log}-{partition}".encode()
        assert read_records(file, key, 0, 10) == (0, [(0, value), (1, value)])


def test_a_statement_of_many_rows_is_all_or_nothing(file):
    insert(file, KEY, [b"a"])
    with pytest.raises(sqlite3.IntegrityError):
        file.execute(insert_statement(2), [0, KEY + 1, b"b", KEY, b"again"])
    assert find_bounds(file, KEY) == (0, 1)


def test_one_read_is_bounded_whatever_is_asked_for(file, monkeypatch):
    monkeypatch.setattr(sqlite_file, "READ_COUNT_MAX", 3)
    insert(file, KEY, [b"x"] * 5)
    _, records = read_records(file, KEY, 1, 1_000)
    assert [record.offset for record in records] == [1, 2, 3]


def test_old_records_are_removed_in_chunks_and_the_end_stays(file):
    insert(file, KEY, [b"old"] * 5, at=100)
    insert(file, KEY, [b"new"] * 2, at=200, first=5)
    assert remove_old(file, [KEY], 150, 3) == 3
    assert find_bounds(file, KEY) == (3, 7)
    assert remove_old(file, [KEY], 150, 3) == 2
    assert remove_old(file, [KEY], 150, 3) == 0
    assert read_records(file, KEY, 5, 9) == (5, [(5, b"new"), (6, b"new")])


def test_a_stream_that_was_emptied_goes_on_where_it_was(file):
    insert(file, KEY, [b"old"] * 5, at=100)
    assert remove_old(file, [KEY], 150, 100) == 5
    assert find_bounds(file, KEY) == (5, 5)


def test_removing_leaves_other_streams_alone(file):
    other = stream_key("journal", 2)
    insert(file, KEY, [b"x"], at=1)
    insert(file, other, [b"x"], at=1)
    remove_old(file, [KEY], 150, 100)
    assert find_bounds(file, other) == (0, 1)


def test_a_file_opens_again_as_it_was_made(path, file):
    insert(file, KEY, [b"a"])
    for count in (4, None):
        with contextlib.closing(open_file(path, partition_count=count, read_only=False)) as again:
            assert find_bounds(again, KEY) == (0, 1)


def test_a_reader_cannot_write(path, file):
    insert(file, KEY, [b"a"])
    with contextlib.closing(open_file(path, partition_count=None, read_only=True)) as reader:
        assert find_bounds(reader, KEY) == (0, 1)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            insert(reader, KEY, [b"b"], first=1)


def test_another_partition_count_is_refused(path, file):
    assert file
    with pytest.raises(LogUnavailable, match="made with 4 partitions, the settings say 8"):
        open_file(path, partition_count=8, read_only=False)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_missing_file_is_not_made_by_who_only_looks(path, read_only):
    with pytest.raises(LogUnavailable, match="no event log at"):
        open_file(path, partition_count=None, read_only=read_only)
    assert not path.exists()


def test_a_foreign_database_is_refused_and_left_alone(path):
    with contextlib.closing(sqlite3.connect(path)) as foreign:
        foreign.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(LogUnavailable, match="not an event log of this switch"):
        open_file(path, partition_count=4, read_only=False)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(path):
    path.write_bytes(b"precious text, not a database" * 100)
    with pytest.raises(LogUnavailable, match="not a database"):
        open_file(path, partition_count=4, read_only=False)


def test_a_file_of_a_newer_format_is_refused(path, file):
    file.execute("PRAGMA user_version = 9")
    with pytest.raises(LogUnavailable, match="has format 9"):
        open_file(path, partition_count=4, read_only=False)


def test_an_empty_file_left_by_a_crash_is_made_ours(path):
    with contextlib.closing(connect(path, read_only=False)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    with contextlib.closing(open_file(path, partition_count=4, read_only=False)) as again:
        assert get_partition_count(again) == 4


def test_a_folder_with_odd_characters_is_no_obstacle(tmp_path):
    folder = tmp_path / "50% of #1? 数据"
    folder.mkdir()
    with contextlib.closing(
        open_file(folder / "log.db", partition_count=1, read_only=False)
    ) as connection:
        assert get_partition_count(connection) == 1
    assert (folder / "log.db").exists()


def test_one_writer_at_a_time(path, monkeypatch):
    monkeypatch.setattr(sqlite_file, "LOCK_TIMEOUT_S", 0.05)
    held = lock_file(path)
    with pytest.raises(LogUnavailable, match="another process writes"):
        lock_file(path)
    os.close(held)
    os.close(lock_file(path))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LogUnavailable, match="nowhere"):
        lock_file(tmp_path / "nowhere" / "log.db")
