"""What only the embedded log does; what it shares with the others is in tests/contracts."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from switch.adapters import sqlite_log
from switch.adapters.sqlite_log import SqliteLog
from switch.eventlog.port import (
    AppendRefused,
    AppendUnknown,
    LogUnavailable,
    PositionOutOfRange,
)

ON_BOTH_LOOPS = True


class Acks:
    def __init__(self):
        self.outcomes = []
        self._changed = asyncio.Event()

    def __call__(self, outcome):
        self.outcomes.append(outcome)
        self._changed.set()

    async def wait_for(self, count):
        async with asyncio.timeout(60):
            while len(self.outcomes) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.outcomes


async def append_all(partition, *values):
    acks = Acks()
    for value in values:
        partition.append(value, acks)
    return await acks.wait_for(len(values))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.db"


@pytest.fixture
async def make_log(path):
    made = []

    def make(**options):
        log = SqliteLog(path, **({"partition_count": 2} | options))
        made.append(log)
        return log

    yield make
    for log in reversed(made):
        await log.close()


async def test_records_that_left_the_memory_are_read_from_the_file(make_log, monkeypatch):
    monkeypatch.setattr(
        sqlite_log.LogTail.__init__, "__kwdefaults__", {"count_max": 10, "bytes_max": 10**6}
    )
    partition = await make_log().open_partition("journal", 0)
    values = [b"%d" % n for n in range(100)]
    await append_all(partition, *values)
    assert partition.tail.first_offset > 80
    offset, found = 0, []
    while offset < 100:
        records = await partition.read(offset, count_max=7, wait_ms=0)
        found += records
        offset = records[-1].offset + 1
    assert [record.value for record in found] == values
    assert [record.offset for record in found] == list(range(100))


async def test_a_full_disk_refuses_and_a_new_instance_appends_once_there_is_room(make_log):
    log = make_log(page_count_max=60)
    partition = await log.open_partition("journal", 0)
    outcomes = []
    while not any(isinstance(outcome, AppendRefused) for outcome in outcomes):
        outcomes += await append_all(partition, *[b"x" * 4_000] * 10)
    landed = [outcome for outcome in outcomes if isinstance(outcome, int)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, AppendRefused)]
    assert landed == list(range(len(landed)))
    assert "full" in str(refused[0])
    assert await partition.end() == len(landed)
    # small records still find room in pages that are partly filled: a new instance takes them
    again = await log.open_partition("journal", 0)
    assert await append_all(again, b"small") == [len(landed)]
    await log.close()
    roomier = await make_log().open_partition("journal", 0)
    assert await append_all(roomier, b"x" * 4_000) == [len(landed) + 1]
    assert len(await roomier.read(0, count_max=1_000, wait_ms=0)) == len(landed) + 2


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MiB, where one can be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_disk_that_is_full_for_real_loses_nothing_and_recovers(small_disk):
    log = SqliteLog(small_disk / "log.db", partition_count=1)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 1_000_000)
    landed = 0
    partition = await log.open_partition("journal", 0)
    while True:
        outcomes = await append_all(partition, *[b"x" * 3_000] * 20)
        landed += sum(isinstance(outcome, int) for outcome in outcomes)
        if not isinstance(outcomes[-1], int):
            break
    assert isinstance(outcomes[-1], AppendRefused)
    ballast.unlink()
    partition = await log.open_partition("journal", 0)
    assert await append_all(partition, b"there is room again") == [landed]
    await log.close()
    reopened = SqliteLog(small_disk / "log.db", partition_count=1)
    partition = await reopened.open_partition("journal", 0)
    records = await partition.read(0, count_max=1_000, wait_ms=0)
    assert [record.offset for record in records] == list(range(landed + 1))
    await reopened.close()


async def test_a_queue_that_is_full_refuses_and_stays_in_order(make_log):
    log = make_log(queue_count_max=10)
    partition = await log.open_partition("journal", 0)
    outcomes = await append_all(partition, *[b"%d" % n for n in range(15)])
    assert outcomes[:10] == list(range(10))
    assert [type(outcome) for outcome in outcomes[10:]] == [AppendRefused] * 5
    assert "10 records wait" in str(outcomes[10])


async def test_a_queue_is_bounded_in_bytes_too(make_log):
    log = make_log(queue_bytes_max=1_000)
    partition = await log.open_partition("journal", 0)
    outcomes = await append_all(partition, b"x" * 600, b"x" * 600)
    assert outcomes[0] == 0
    assert isinstance(outcomes[1], AppendRefused)
    again = await log.open_partition("journal", 0)
    assert await append_all(again, b"x" * 600) == [1]


async def test_a_killed_writing_process_leaves_the_outcome_unknown_and_is_replaced(make_log):
    log = make_log()
    partition = await log.open_partition("journal", 0)
    idle = await log.open_partition("journal", 1)
    assert await append_all(partition, b"a") == [0]
    pid = log._writer.pid
    os.kill(pid, signal.SIGSTOP)
    acks = Acks()
    partition.append(b"on its way", acks)
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    [outcome] = await acks.wait_for(1)
    assert isinstance(outcome, AppendUnknown)
    for broken in (partition, idle):
        [outcome] = await append_all(broken, b"x")
        assert isinstance(outcome, AppendRefused)
        with pytest.raises(LogUnavailable):
            await broken.read(0, count_max=1, wait_ms=0)
        with pytest.raises(LogUnavailable):
            await broken.end()
    again = await log.open_partition("journal", 0)
    end = await again.end()
    assert await append_all(again, b"b") == [end]
    assert log._writer.pid != pid


async def test_another_process_follows_what_is_appended(make_log, path):
    partition = await make_log().open_partition("journal", 0)
    await append_all(partition, b"a")
    follower = await SqliteFollower.open(path)
    assert await follower.partition.read(0, count_max=9, wait_ms=0) == [(0, b"a")]
    reading = asyncio.create_task(follower.partition.read(1, count_max=9, wait_ms=20_000))
    await append_all(partition, b"b")
    async with asyncio.timeout(60):
        assert await reading == [(1, b"b")]
    assert await follower.partition.read(2, count_max=9, wait_ms=1) == []
    with pytest.raises(PositionOutOfRange):
        await follower.partition.read(3, count_max=9, wait_ms=0)
    await follower.log.close()


async def test_a_follower_appends_nothing(make_log, path):
    await make_log().open_partition("journal", 0)
    follower = await SqliteFollower.open(path)
    [outcome] = await append_all(follower.partition, b"x")
    assert isinstance(outcome, AppendRefused)
    assert "reading only" in str(outcome)
    with pytest.raises(LogUnavailable, match="memory"):
        await follower.log.open_partition("replies", 0)
    await follower.log.close()


class SqliteFollower:
    """A read-only view of partition 0 of the journal."""

    def __init__(self, log, partition):
        self.log = log
        self.partition = partition

    @classmethod
    async def open(cls, path):
        log = SqliteLog(path, read_only=True)
        return cls(log, await log.open_partition("journal", 0))


async def test_what_retention_removed_is_out_of_range(make_log, path):
    log = make_log()
    partition = await log.open_partition("inbound", 0)
    await append_all(partition, b"a", b"b", b"c")
    await log.close()
    with sqlite3.connect(path) as file:
        file.execute("DELETE FROM record WHERE id < 2")
        file.execute("INSERT INTO stream VALUES (0, 2)")
    file.close()
    partition = await make_log().open_partition("inbound", 0)
    with pytest.raises(PositionOutOfRange, match="begins at 2"):
        await partition.read(1, count_max=9, wait_ms=0)
    assert await partition.read(2, count_max=9, wait_ms=0) == [(2, b"c")]


async def test_replies_that_left_the_memory_are_out_of_range(make_log, monkeypatch):
    monkeypatch.setattr(sqlite_log, "REPLIES_COUNT_MAX", 10)
    partition = await make_log().open_partition("replies", 0)
    await append_all(partition, *[b"x"] * 50)
    assert await partition.end() == 50
    with pytest.raises(PositionOutOfRange, match="left the memory"):
        await partition.read(0, count_max=9, wait_ms=0)
    assert len(await partition.read(49, count_max=9, wait_ms=0)) == 1


async def test_a_second_writer_of_the_file_is_refused(make_log, monkeypatch):
    monkeypatch.setattr("switch.adapters.sqlite_file.LOCK_TIMEOUT_S", 0.05)
    make_log()
    with pytest.raises(LogUnavailable, match="another process writes"):
        make_log()


async def test_a_refused_file_is_not_left_locked(make_log, path):
    path.write_bytes(b"not a database" * 1_000)
    for _ in range(2):
        with pytest.raises(LogUnavailable, match="not a database"):
            make_log()


async def test_a_closed_log_opens_nothing(make_log):
    log = make_log()
    await log.close()
    await log.close()
    with pytest.raises(LogUnavailable, match="closed"):
        await log.open_partition("journal", 0)


APPENDING_CHILD = """
import asyncio, sys
from pathlib import Path
from switch.adapters.sqlite_log import SqliteLog

async def main():
    log = SqliteLog(Path(sys.argv[1]), partition_count=2)
    partitions = [await log.open_partition("journal", p) for p in (0, 1)]
    count = 0

    def append(p):
        nonlocal count
        count += 1
        value = b"%d-%d" % (p, count)
        partitions[p].append(value, lambda offset: acked(p, offset, value))

    def acked(p, offset, value):
        print(p, offset, value.decode(), flush=True)
        append(p)

    for n in range(50):
        append(n % 2)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def append_until_killed(path):
    """Let a process append, kill it in the middle; return what it was told was durable."""
    with subprocess.Popen(
        [sys.executable, "-c", APPENDING_CHILD, str(path)], stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            told = [child.stdout.readline() for _ in range(2_000)]
        finally:
            child.kill()
        return told + [line for line in child.stdout if line.endswith("\n")]


@pytest.mark.process
async def test_kill_9_loses_nothing_that_was_acked(make_log, path):
    told = append_until_killed(path)
    log = make_log()
    stored = []
    for p in (0, 1):
        partition = await log.open_partition("journal", p)
        end = await partition.end()
        offset, found = 0, []
        while offset < end:
            found += await partition.read(offset, count_max=1_000, wait_ms=0)
            offset = found[-1].offset + 1
        assert [record.offset for record in found] == list(range(end))
        stored.append({record.offset: record.value.decode() for record in found})
    assert len(told) >= 2_000
    for line in told:
        p, offset, value = line.split()
        assert stored[int(p)][int(offset)] == value
