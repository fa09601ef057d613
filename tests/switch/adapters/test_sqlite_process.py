import asyncio
import os
import resource
import signal

import pytest

from switch.adapters.sqlite_file import find_bounds, lock_file, open_file, stream_key
from switch.adapters.sqlite_process import WriterProcess
from switch.eventlog.port import LogUnavailable

ON_BOTH_LOOPS = True
KEY = stream_key("journal", 0)


class Heard:
    """What the process reported."""

    def __init__(self):
        self.count = 0
        self.is_ended = False
        self.changed = asyncio.Event()

    def take_runs(self, runs):
        self.count += sum(run.record_count for run in runs if run.failure is None)
        self.changed.set()

    def take_end(self):
        self.is_ended = True
        self.changed.set()

    async def wait_until(self, holds):
        async with asyncio.timeout(60):
            while not holds():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "log.db"
    open_file(path, partition_count=1, read_only=False).close()
    return path


@pytest.fixture
async def process(heard, path):
    lock = lock_file(path)
    process = WriterProcess(heard.take_runs, heard.take_end)
    await process.start(path, lock=lock, inbound_retention_ms=1_000_000, page_count_max=0)
    os.close(lock)
    yield process
    await process.stop()


async def test_without_open_files_left_it_says_that_it_cannot_start(heard, path):
    process = WriterProcess(heard.take_runs, heard.take_end)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.open(os.devnull, os.O_RDONLY)
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
    try:
        with pytest.raises(LogUnavailable, match="Too many open files"):
            await process.start(path, lock=0, inbound_retention_ms=1, page_count_max=0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def end_of(path):
    connection = open_file(path, partition_count=None, read_only=True)
    try:
        return find_bounds(connection, KEY)[1]
    finally:
        connection.close()


async def test_what_is_sent_is_committed_and_reported(process, heard, path):
    for n in range(1_000):
        process.send(0, KEY, b"%d" % n)
    await heard.wait_until(lambda: heard.count == 1_000)
    assert end_of(path) == 1_000


async def test_stopping_commits_what_was_sent_and_ends_the_process(process, heard, path):
    process.send(0, KEY, b"last")
    await process.stop()
    assert (heard.count, heard.is_ended) == (1, True)
    assert end_of(path) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


async def test_signals_meant_for_the_switch_do_not_end_the_process(process, heard):
    process.send(0, KEY, b"a")
    await heard.wait_until(lambda: heard.count == 1)
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGTERM)
    process.send(0, KEY, b"b")
    await heard.wait_until(lambda: heard.count == 2)


async def test_the_end_of_a_killed_process_is_reported(process, heard):
    os.kill(process.pid, signal.SIGKILL)
    await heard.wait_until(lambda: heard.is_ended)
    process.send(0, KEY, b"into the void")


async def test_the_file_stays_locked_until_the_process_has_ended(process, path, monkeypatch):
    monkeypatch.setattr("switch.adapters.sqlite_file.LOCK_TIMEOUT_S", 0.05)
    with pytest.raises(Exception, match="another process writes"):
        lock_file(path)
    await process.stop()
    os.close(lock_file(path))
