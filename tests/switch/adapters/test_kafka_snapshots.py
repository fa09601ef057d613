import asyncio
import os

import msgspec
import pytest

from switch.adapters.kafka_log import KafkaLog
from switch.adapters.kafka_snapshots import (
    CHUNK_BYTES,
    IN_FLIGHT_COUNT_MAX,
    Chunk,
    SnapshotTopic,
    _encoder,
)
from switch.adapters.kafka_topic_check import TopicWishes
from switch.domain.payment.rules import DecisionRules
from switch.eventlog.memory_log import MemoryLog, MemoryPartition, MemoryWriter
from switch.eventlog.port import RECORD_BYTES_MAX, AppendUnknown
from switch.handlers.snapshot import SnapshotUnusable, make_origin

ORIGIN = make_origin(partition=1, partition_count=4, code_digest="this code", rules=DecisionRules())


class SideLog:
    """A compacted topic in memory: appends land by themselves; records can be taken away."""

    partition_count = 4

    def __init__(self):
        self.stored = MemoryPartition()
        loop = asyncio.get_running_loop()
        self._log = MemoryLog(4, call_soon=loop.call_soon, sleep=asyncio.sleep)
        self.lands = -1  # how many more records

    async def open_partition(self, log, partition):
        assert (log, partition) == ("snapshots", 1)
        writer = CountedWriter(self._log, self.stored)
        writer.side = self
        self._log.writers.append(writer)
        return writer

    def drop(self, is_gone):
        self.stored.records = [one for one in self.stored.records if not is_gone(one)]


class CountedWriter(MemoryWriter):
    def land(self):
        if not self.side.lands:
            self.failure = AppendUnknown("killed here")
        self.side.lands -= 1
        super().land()


def make_content(chunk_count):
    return os.urandom(CHUNK_BYTES * (chunk_count - 1) + 1_234)


def cut(content, size=50_000):
    return [content[start : start + size] for start in range(0, len(content), size)]


async def publish(topic, content, next_offset):
    await topic.publish(1, cut(content), ORIGIN, next_offset)


async def fetch(topic):
    found = await topic.find(1)
    assert found is not None
    return b"".join([chunk async for chunk in topic.fetch(1, found)])


@pytest.fixture
async def side():
    return SideLog()


@pytest.fixture
def topic(side):
    return SnapshotTopic(side)


async def test_an_empty_topic_holds_no_snapshot(topic):
    assert await topic.find(1) is None


@pytest.mark.parametrize("chunk_count", [1, 2, 3 * IN_FLIGHT_COUNT_MAX])
async def test_a_set_comes_back_as_it_was_published(topic, side, chunk_count):
    content = make_content(chunk_count)
    await publish(topic, content, 1_000)
    assert await fetch(topic) == content
    found = await topic.find(1)
    assert found.manifest.origin == ORIGIN
    assert found.manifest.next_offset == 1_000
    assert found.manifest.chunk_count == chunk_count
    assert max(len(record.value) for record in side.stored.records) < RECORD_BYTES_MAX


async def test_the_newest_whole_set_wins_and_the_older_one_is_made_small(topic, side):
    for number in range(5):
        content = make_content(4)
        await publish(topic, content, 1_000 + number)
        assert await fetch(topic) == content
    keys = {}
    for record in side.stored.records[-9:]:
        keys[record.offset] = len(record.value)
    assert sum(size < 100 for size in keys.values()) == 4


async def test_an_older_snapshot_never_takes_the_place_of_a_newer_one(topic):
    content = make_content(2)
    await publish(topic, content, 1_000)
    await publish(topic, make_content(2), 999)
    assert await fetch(topic) == content


async def test_it_does_where_the_newer_one_is_of_no_use(topic):
    await publish(topic, make_content(2), 1_000)
    topic.reject(1, await topic.find(1))
    content = make_content(2)
    await publish(topic, content, 999)
    assert await fetch(topic) == content
    other = msgspec.structs.replace(ORIGIN, code_digest="another version")
    await topic.publish(1, [b"of another version"], other, 500)
    assert (await topic.find(1)).manifest.next_offset == 500


@pytest.mark.parametrize("landed", range(10))
async def test_wherever_a_publisher_dies_the_last_whole_set_is_found(side, topic, landed):
    old, new = make_content(3), make_content(4)
    await publish(topic, old, 1_000)
    side.lands = landed
    try:
        await publish(topic, new, 2_000)
    except AppendUnknown:
        assert landed < 8  # four chunks, a manifest, three made small
    side.lands = -1
    assert await fetch(topic) == (new if landed > 4 else old)
    newest = make_content(2)
    await publish(topic, newest, 3_000)
    assert await fetch(topic) == newest


async def test_the_first_publisher_that_dies_leaves_no_set(side, topic):
    side.lands = 2
    with pytest.raises(AppendUnknown):
        await publish(topic, make_content(4), 1_000)
    assert await topic.find(1) is None


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_a_set_with_a_chunk_gone_is_no_snapshot(side, topic, number):
    await publish(topic, make_content(3), 1_000)
    side.drop(lambda record: record.offset == number)
    with pytest.raises(SnapshotUnusable, match=f"chunk {number} of 3 is gone"):
        await fetch(topic)


async def test_a_set_whose_chunks_were_written_over_is_no_snapshot(side, topic):
    await publish(topic, make_content(3), 1_000)
    found = await topic.find(1)
    chunk = Chunk(set_id="of another", number=1, content=b"other")
    side.stored.records[1] = side.stored.records[1]._replace(value=_encoder.encode(chunk))
    with pytest.raises(SnapshotUnusable, match="chunk 1 of 3 is gone"):
        assert [chunk async for chunk in topic.fetch(1, found)]


async def test_a_manifest_that_is_gone_makes_no_set(side, topic):
    await publish(topic, make_content(3), 1_000)
    side.lands = 2
    with pytest.raises(AppendUnknown):
        await publish(topic, make_content(3), 2_000)
    side.drop(lambda record: record.offset == 3)
    assert await topic.find(1) is None


@pytest.mark.kafka
async def test_it_is_so_over_kafka(kafka_bootstrap):
    log = await KafkaLog.connect(
        kafka_bootstrap,
        partition_count=2,
        prefix=f"snap-{os.getpid()}-",
        topics=TopicWishes(single_broker=True),
        append_deadline_ms=20_000,
    )
    try:
        topic = SnapshotTopic(log)
        assert await topic.find(1) is None
        for number in range(3):
            content = make_content(40)
            await publish(topic, content, 1_000 + number)
            assert await fetch(topic) == content
        assert await topic.find(0) is None
    finally:
        await log.close()
