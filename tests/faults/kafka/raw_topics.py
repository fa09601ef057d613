"""The topics as they lie in Kafka: read from the first record on, with nothing of the switch."""

import asyncio
import contextlib
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

LOGS = ("inbound", "journal", "registry", "replies", "snapshots", "status")
READ_TIMEOUT_S = 30.0
REQUEST_TIMEOUT_MS = 10_000


class RawRecord(NamedTuple):
    """One record of a topic; `log` is the topic's name without the prefix."""

    log: str
    partition: int
    offset: int
    value: bytes
    key: bytes = b""
    headers: tuple = ()
    at: int = 0  # as its producer says, epoch ms


def describe_partitions(bootstrap, topic):
    """Return leader, replicas and replicas in sync of each partition."""
    return asyncio.run(_describe(bootstrap, [topic]))[topic]


def find_ends(bootstrap, prefix, log):
    """Return where each partition of a topic ends."""

    async def find():
        async with _consuming(bootstrap) as consumer:
            places = await _find_places(bootstrap, prefix, [log])
            return await consumer.end_offsets(places)

    return {place.partition: end for place, end in asyncio.run(find()).items()}


def read_topics(bootstrap, prefix, logs=LOGS, since=None):
    """
    Return the records of these topics, in order within each partition.

    `since` maps (log, partition) to the offset to begin at, and is moved on.
    """

    async def read():
        async with _consuming(bootstrap) as consumer:
            places = await _find_places(bootstrap, prefix, logs)
            return await _read_all(consumer, prefix, places, {} if since is None else since)

    return asyncio.run(read())


async def _describe(bootstrap, topics):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_TIMEOUT_MS)
    async with asyncio.timeout(READ_TIMEOUT_S):
        try:
            await admin.start()
            found = await admin.describe_topics(list(topics))
        finally:
            await admin.close()
    return {each["topic"]: each["partitions"] for each in found}


async def _find_places(bootstrap, prefix, logs):
    found = await _describe(bootstrap, [prefix + log for log in logs])
    return [
        TopicPartition(topic, each["partition"])
        for topic, partitions in found.items()
        for each in partitions
    ]


@contextlib.asynccontextmanager
async def _consuming(bootstrap):
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="none",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        max_partition_fetch_bytes=8_388_608,
    )
    async with asyncio.timeout(READ_TIMEOUT_S):
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()


async def _read_all(consumer, prefix, places, since):
    consumer.assign(places)
    first = await consumer.beginning_offsets(places)
    ends = await consumer.end_offsets(places)
    left, records = set(), []
    for place in places:
        name = place.topic.removeprefix(prefix), place.partition
        begin = max(first[place], since.get(name, 0))
        consumer.seek(place, begin)
        if begin < ends[place]:
            left.add(place)
        since[name] = ends[place]
    while left:
        fetched = await consumer.getmany(*left, timeout_ms=200, max_records=5_000)
        for place, batch in fetched.items():
            log = place.topic.removeprefix(prefix)
            records += [_keep(log, place, found) for found in batch if found.offset < ends[place]]
        for place in tuple(left):
            # compacted topics have gaps at their end: the position tells, not the last record
            if await consumer.position(place) >= ends[place]:
                left.discard(place)
    return records


def _keep(log, place, found):
    key, value = found.key or b"", found.value or b""
    headers = tuple(found.headers)
    return RawRecord(log, place.partition, found.offset, value, key, headers, found.timestamp)
