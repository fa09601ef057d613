"""What every log must keep, whichever it is (`switch/eventlog/port.py`)."""

import asyncio

import pytest

from switch.eventlog.port import (
    RECORD_BYTES_MAX,
    REPLIES_PARTITION_COUNT,
    AppendRefused,
    PositionOutOfRange,
)
from tests.contracts.log_stage import DEADLINE_S, Acks, LogStage, append_all, read_all


async def test_offsets_rise_by_one_in_the_order_of_the_appends(stage: LogStage) -> None:
    partition = await (await stage.open()).open_partition("journal", 0)
    values = [b"%d" % n for n in range(1_500)]
    assert await append_all(partition, *values) == list(range(1_500))
    assert await read_all(partition) == list(enumerate(values))
    assert await partition.end() == 1_500


async def test_a_sink_is_never_called_inside_append(stage: LogStage) -> None:
    partition = await (await stage.open()).open_partition("journal", 0)
    acks = Acks()
    partition.append(b"x", acks)
    assert acks.outcomes == []
    await acks.wait_for(1)


async def test_a_record_is_readable_once_its_ack_came(stage: LogStage) -> None:
    partition = await (await stage.open()).open_partition("journal", 0)
    [offset] = await append_all(partition, b"seen")
    assert isinstance(offset, int)
    [record] = await partition.read(offset, count_max=10, wait_ms=0)
    assert record == (offset, b"seen")


async def test_partitions_and_logs_do_not_mix(stage: LogStage) -> None:
    log = await stage.open()
    places = [("inbound", 0), ("inbound", 1), ("journal", 0), ("registry", 0)]
    partitions = [await log.open_partition(*place) for place in places]
    for place, partition in zip(places, partitions, strict=True):
        assert await append_all(partition, repr(place).encode()) == [0]
    for place, partition in zip(places, partitions, strict=True):
        assert await read_all(partition) == [(0, repr(place).encode())]


async def test_what_was_acked_is_there_after_reopening_and_offsets_go_on(stage: LogStage) -> None:
    partition = await (await stage.open()).open_partition("journal", 1)
    await append_all(partition, b"a", b"b")
    await stage.close()
    partition = await (await stage.open()).open_partition("journal", 1)
    assert await partition.end() == 2
    assert await append_all(partition, b"c") == [2]
    assert await read_all(partition) == [(0, b"a"), (1, b"b"), (2, b"c")]


async def test_a_read_returns_no_more_than_asked_and_goes_on_from_there(stage: LogStage) -> None:
    partition = await (await stage.open()).open_partition("journal", 0)
    await append_all(partition, *[b"%d" % n for n in range(10)])
    first = await partition.read(3, count_max=2, wait_ms=1_000)
    assert [record.offset for record in first] == [3, 4]
    rest = await partition.read(5, count_max=100, wait_ms=1_000)
    assert [record.offset for record in rest] == [5, 6, 7, 8, 9]
    again = await partition.read(3, count_max=2, wait_ms=1_000)
    assert again == first


async def test_a_read_at_the_end_finds_nothing(stage: LogStage) -> None:
    partition = await (await stage.open()).open_partition("journal", 0)
    assert await partition.read(0, count_max=10, wait_ms=0) == []
    await append_all(partition, b"a")
    assert await partition.read(1, count_max=10, wait_ms=20) == []


async def test_a_waiting_reader_is_woken_by_an_append(stage: LogStage) -> None:
    log = await stage.open()
    reader = await log.open_partition("inbound", 0)
    writer = await log.open_partition("inbound", 0)
    reading = asyncio.create_task(reader.read(0, count_max=10, wait_ms=DEADLINE_S * 1_000))
    await append_all(writer, b"wake up")
    async with asyncio.timeout(DEADLINE_S / 4):
        assert await reading == [(0, b"wake up")]


async def test_a_position_above_the_end_is_out_of_range(stage: LogStage) -> None:
    partition = await (await stage.open()).open_partition("journal", 0)
    await append_all(partition, b"a")
    with pytest.raises(PositionOutOfRange):
        await partition.read(5, count_max=10, wait_ms=0)
    assert await partition.read(0, count_max=10, wait_ms=1_000) == [(0, b"a")]


async def test_two_writers_of_a_partition_share_one_order(stage: LogStage) -> None:
    log = await stage.open()
    one = await log.open_partition("journal", 0)
    other = await log.open_partition("journal", 0)
    first, second = await asyncio.gather(
        append_all(one, *[b"one-%d" % n for n in range(50)]),
        append_all(other, *[b"other-%d" % n for n in range(50)]),
    )
    offsets = [offset for offset in first + second if isinstance(offset, int)]
    assert sorted(offsets) == list(range(100))
    assert first == sorted(offsets[:50])
    assert second == sorted(offsets[50:])
    values = dict(await read_all(one))
    assert [values[offset] for offset in offsets[:50]] == [b"one-%d" % n for n in range(50)]


async def test_after_a_refusal_an_instance_refuses_and_a_new_one_appends(stage: LogStage) -> None:
    log = await stage.open()
    partition = await log.open_partition("journal", 0)
    outcomes = await append_all(partition, b"good", b"x" * (RECORD_BYTES_MAX + 1), b"later")
    assert outcomes[0] == 0
    assert [type(outcome) for outcome in outcomes[1:]] == [AppendRefused, AppendRefused]
    [outcome] = await append_all(partition, b"much later")
    assert isinstance(outcome, AppendRefused)
    fresh = await log.open_partition("journal", 0)
    assert await append_all(fresh, b"next") == [1]
    assert await read_all(fresh) == [(0, b"good"), (1, b"next")]


async def test_the_largest_record_allowed_is_taken(stage: LogStage) -> None:
    partition = await (await stage.open()).open_partition("journal", 0)
    value = b"x" * RECORD_BYTES_MAX
    assert await append_all(partition, value, value, value) == [0, 1, 2]
    assert await read_all(partition, 2) == [(2, value)]


async def test_a_closed_instance_refuses(stage: LogStage) -> None:
    log = await stage.open()
    partition = await log.open_partition("journal", 0)
    await append_all(partition, b"a")
    await partition.close()
    [outcome] = await append_all(partition, b"b")
    assert isinstance(outcome, AppendRefused)
    fresh = await log.open_partition("journal", 0)
    assert await append_all(fresh, b"c") == [1]


async def test_every_sink_is_called_once_when_the_log_closes(stage: LogStage) -> None:
    log = await stage.open()
    partition = await log.open_partition("journal", 0)
    acks = Acks()
    for n in range(300):
        partition.append(b"%d" % n, acks)
    await log.close()
    outcomes = await acks.wait_for(300)
    landed = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert outcomes[: len(landed)] == list(range(len(landed)))
    await asyncio.sleep(0)
    assert len(outcomes) == 300


async def test_a_sink_that_raises_does_not_keep_others_from_their_acks(stage: LogStage) -> None:
    partition = await (await stage.open()).open_partition("journal", 0)
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, report: reported.append(report))

    def broken(_outcome: object) -> None:
        raise RuntimeError("a bug")

    partition.append(b"a", broken)
    if stage.kind == "memory":
        return  # the twin calls its sinks bare: a bug in a simulation must be seen
    assert await append_all(partition, b"b") == [1]
    assert str(reported[0]["exception"]) == "a bug"


async def test_replies_reach_the_gateway_that_reads_them(stage: LogStage) -> None:
    log = await stage.open()
    reader = await log.open_partition("replies", REPLIES_PARTITION_COUNT - 1)
    position = await reader.end()
    writer = await log.open_partition("replies", REPLIES_PARTITION_COUNT - 1)
    [offset] = await append_all(writer, b"answer")
    assert offset == position
    assert await reader.read(position, count_max=10, wait_ms=5_000) == [(position, b"answer")]


@pytest.mark.parametrize(("name", "partition"), [("journal", 2), ("registry", 1), ("payments", 0)])
async def test_there_are_no_other_partitions(stage: LogStage, name: str, partition: int) -> None:
    log = await stage.open()
    with pytest.raises(ValueError, match=name):
        await log.open_partition(name, partition)
