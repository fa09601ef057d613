import asyncio

import pytest

from switch.adapters.log_tail import LogTail
from switch.eventlog.port import PositionOutOfRange


def add(tail, *values):
    for value in values:
        tail.add(value)


def test_records_get_the_offsets_from_where_the_file_ended():
    tail = LogTail(10)
    add(tail, b"a", b"b", b"c")
    assert tail.find(10, 99) == [(10, b"a"), (11, b"b"), (12, b"c")]
    assert tail.find(11, 1) == [(11, b"b")]
    assert tail.find(13, 99) == []


def test_what_lies_before_the_tail_is_left_to_the_file():
    tail = LogTail(10)
    assert tail.find(9, 99) is None


def test_a_position_above_the_end_is_out_of_range():
    tail = LogTail(10)
    with pytest.raises(PositionOutOfRange, match="above the end, 10"):
        tail.find(11, 99)


def test_the_tail_never_holds_more_than_its_count():
    tail = LogTail(0, count_max=100)
    for n in range(1_000):
        tail.add(b"%d" % n)
        held = tail.next_offset - tail.first_offset
        assert held <= 100
        assert held >= min(n + 1, 50)
        assert tail.find(tail.first_offset, 1)[0].value == b"%d" % tail.first_offset
    assert tail.find(999, 9) == [(999, b"999")]


def test_the_tail_never_holds_more_than_its_bytes():
    tail = LogTail(0, bytes_max=1_000)
    for _ in range(100):
        tail.add(b"x" * 90)
        assert sum(len(r.value) for r in tail.find(tail.first_offset, 999)) <= 1_000


def test_a_record_larger_than_the_bound_does_not_stay():
    tail = LogTail(0, bytes_max=10)
    tail.add(b"x" * 11)
    assert (tail.first_offset, tail.next_offset) == (1, 1)


async def test_every_waiting_reader_is_woken_at_once():
    tail = LogTail(0)
    waiting = [asyncio.create_task(tail.wait(600_000)) for _ in range(3)]
    await asyncio.sleep(0)
    tail.wake_readers()
    async with asyncio.timeout(60):
        await asyncio.gather(*waiting)


async def test_a_reader_waits_no_longer_than_it_said_and_leaves_nothing_behind():
    tail = LogTail(0)
    async with asyncio.timeout(60):
        await tail.wait(1)
    assert tail._waiters == []


async def test_a_cancelled_reader_leaves_nothing_behind():
    tail = LogTail(0)
    waiting = asyncio.create_task(tail.wait(600_000))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert tail._waiters == []
    tail.wake_readers()


async def test_each_reader_waits_as_long_as_it_said_whoever_came_first():
    tail = LogTail(0)
    patient = asyncio.create_task(tail.wait(600_000))
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await asyncio.gather(tail.wait(1), tail.wait(20), tail.wait(2))
    assert not patient.done()
    tail.wake_readers()
    async with asyncio.timeout(60):
        await patient


async def test_a_reader_that_comes_after_another_was_woken_waits_its_own_time():
    tail = LogTail(0)
    for _ in range(3):
        woken = asyncio.create_task(tail.wait(5))
        await asyncio.sleep(0)
        tail.wake_readers()
        await woken
    async with asyncio.timeout(60):
        await tail.wait(10)
    assert tail._waiters == []
