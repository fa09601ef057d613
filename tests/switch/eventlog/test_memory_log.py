"""What only the twin can do; what it shares with the others is in tests/contracts."""

import pytest

from switch.eventlog.memory_log import MemoryLog
from switch.eventlog.port import AppendRefused, AppendUnknown, PositionOutOfRange


@pytest.fixture
def log():
    return MemoryLog(2)


@pytest.fixture
async def writer(log):
    return await log.open_partition("journal", 0)


def append(writer, *values):
    outcomes = []
    for value in values:
        writer.append(value, outcomes.append)
    return outcomes


async def values_of(writer):
    return [r.value for r in await writer.read(0, count_max=100, wait_ms=0)]


async def test_nothing_happens_before_it_is_pumped(log, writer):
    outcomes = append(writer, b"a", b"b")
    assert (outcomes, await writer.end()) == ([], 0)
    log.pump()
    assert (outcomes, await writer.end()) == ([0, 1], 2)


async def test_a_record_can_land_long_before_its_ack(writer):
    outcomes = append(writer, b"a")
    writer.land()
    assert (outcomes, await values_of(writer)) == ([], [b"a"])
    writer.ack()
    assert outcomes == [0]


async def test_a_held_writer_lands_later_than_its_successor(log, writer):
    writer.is_held = True
    outcomes = append(writer, b"zombie")
    successor = await log.open_partition("journal", 0)
    assert append(successor, b"successor") == []
    log.pump()
    writer.is_held = False
    log.pump()
    assert await values_of(writer) == [b"successor", b"zombie"]
    assert outcomes == [1]


async def test_a_lost_ack_loses_only_the_ack(log, writer):
    writer.lost_ack_count = 1
    outcomes = append(writer, b"a", b"b")
    log.pump()
    assert (outcomes, await values_of(writer)) == ([1], [b"a", b"b"])


async def test_a_doubled_record_lands_twice_and_is_acked_once(log, writer):
    writer.doubled_count = 1
    outcomes = append(writer, b"a", b"b")
    log.pump()
    assert (outcomes, await values_of(writer)) == ([1, 2], [b"a", b"a", b"b"])


@pytest.mark.parametrize("failure", [AppendRefused("full"), AppendUnknown("no ack")])
async def test_a_failed_writer_stays_failed(log, writer, failure):
    before = append(writer, b"a")
    writer.land()
    writer.failure = failure
    after = append(writer, b"b", b"c")
    log.pump()
    assert (before, after) == ([0], [failure, failure])
    assert await values_of(writer) == [b"a"]


async def test_offsets_may_have_gaps(log, writer):
    append(writer, b"a")
    log.pump()
    writer.partition.skip(5)
    assert append(writer, b"b") == []
    log.pump()
    assert await writer.end() == 7
    for offset in range(1, 7):
        assert await writer.read(offset, count_max=9, wait_ms=0) == [(6, b"b")]


async def test_what_retention_removed_is_out_of_range(log, writer):
    append(writer, b"a", b"b", b"c")
    log.pump()
    writer.partition.first_offset = 2
    with pytest.raises(PositionOutOfRange):
        await writer.read(1, count_max=9, wait_ms=0)
    assert await writer.read(2, count_max=9, wait_ms=0) == [(2, b"c")]


async def test_a_read_never_waits_without_a_sleep(writer):
    assert await writer.read(0, count_max=9, wait_ms=10_000_000) == []


async def test_with_call_soon_an_append_pumps_itself():
    turns = []
    log = MemoryLog(1, call_soon=turns.append)
    writer = await log.open_partition("registry", 0)
    outcomes = append(writer, b"a")
    assert outcomes == []
    turns.pop()()
    assert outcomes == [0]
