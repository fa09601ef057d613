import asyncio

import pytest

from loadtest.journal_file import JournalFile, JournalFileError
from switch.adapters.sqlite_log import SqliteLog


async def append_all(log, name, partition, values):
    opened = await log.open_partition(name, partition)
    acked = [asyncio.get_running_loop().create_future() for _ in values]
    for value, future in zip(values, acked, strict=True):
        opened.append(value, future.set_result)
    return [await asyncio.wait_for(future, 10) for future in acked]


async def test_the_journal_is_read_while_it_grows_and_nothing_else(tmp_path):
    log = SqliteLog(tmp_path / "log.db", partition_count=3)
    try:
        await append_all(log, "inbound", 0, [b"not the journal"])
        await append_all(log, "journal", 0, [b"a0", b"a1"])
        await append_all(log, "journal", 2, [b"c0"])
        await append_all(log, "registry", 0, [b"not the journal either"])
        with JournalFile(tmp_path) as file:
            assert list(file.read_new()) == [(0, 0, b"a0"), (0, 1, b"a1"), (2, 0, b"c0")]
            assert list(file.read_new()) == []
            await append_all(log, "journal", 2, [b"c1"])
            await append_all(log, "journal", 1, [b"b0"])
            assert list(file.read_new()) == [(1, 0, b"b0"), (2, 1, b"c1")]
    finally:
        await log.close()


def test_a_folder_without_a_log_is_refused(tmp_path):
    with pytest.raises(JournalFileError, match="no event log"):
        JournalFile(tmp_path)


def test_a_file_that_is_no_log_is_refused(tmp_path):
    (tmp_path / "log.db").write_text("something else, and longer than a page header" * 10)
    with pytest.raises(JournalFileError, match="database"), JournalFile(tmp_path) as file:
        list(file.read_new())
