"""The topics as they lie in Kafka: read from the first record on, with nothing of the switch."""

import asyncio
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

LOGS = ("inbound", "journal", "registry", "replies", "snapshots", "status")
READ_TIMEOUT_S = 30.0


class RawRecord(NamedTuple):
    """One record of a topic; `log` is the topic's name without the prefix."""

    log: str
    partition: int
    offset: int
    value: bytes
    key: bytes = b""
    headers: tuple = ()
    at: int = 0  # as its producer says, epoch ms


def read_topics(bootstrap, prefix, logs=LOGS):
    """Return every record of these topics, in order within its partition."""
    return asyncio.run(_read(bootstrap, prefix, logs))


async def _read(bootstrap, prefix, logs):
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="none",
        request_timeout_ms=3_000,
        max_partition_fetch_bytes=8_388_608,
    )
    async with asyncio.timeout(READ_TIMEOUT_S):
        await consumer.start()
        try:
            return await _read_all(consumer, prefix, logs)
        finally:
            await consumer.stop()


async def _read_all(consumer, prefix, logs):
    known = await consumer.topics()
    places = [
        TopicPartition(prefix + log, partition)
        for log in logs
        if prefix + log in known
        for partition in consumer.partitions_for_topic(prefix + log) or ()
    ]
    consumer.assign(places)
    first = await consumer.beginning_offsets(places)
    ends = await consumer.end_offsets(places)
    for place in places:
        consumer.seek(place, first[place])
    left = {place for place in places if ends[place] > first[place]}
    records = []
    while left:
        fetched = await consumer.getmany(*left, timeout_ms=200, max_records=5_000)
        for place, batch in fetched.items():
            log = place.topic.removeprefix(prefix)
            records += [
                RawRecord(
                    log,
                    place.partition,
                    r.offset,
                    r.value or b"",
                    r.key or b"",
                    tuple(r.headers),
                    r.timestamp,
                )
                for r in batch
                if r.offset < ends[place]
            ]
        for place in tuple(left):
            # compacted topics have gaps at their end: the position tells, not the last record
            if await consumer.position(place) >= ends[place]:
                left.discard(place)
    return records
