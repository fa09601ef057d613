"""The topics as they lie in Kafka, read without the switch's own log, for the audit and sizes."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from loadtest.audit import AuditReport, run_audit
from loadtest.audit_run import read_settled
from loadtest.bare_pipe import RecordSizes
from loadtest.kafka_stand import KafkaStand
from loadtest.ledger import read_ledger
from loadtest.told import Told
from loadtest.trail import Journal, RawRecord

_FETCH_BYTES_MAX: Final = 8_388_608
_SAMPLE_COUNT: Final = 2_000


class TopicReader:
    """Reads each record of one topic once, in order within its partition."""

    def __init__(self, consumer: AIOKafkaConsumer, places: list[TopicPartition]) -> None:
        self._consumer = consumer
        self._places = places

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(
        cls, bootstrap: str, topic: str, partition_count: int
    ) -> "AsyncIterator[TopicReader]":
        """Read from the first record on while the block runs."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=_FETCH_BYTES_MAX,
        )
        await consumer.start()
        try:
            places = [TopicPartition(topic, partition) for partition in range(partition_count)]
            consumer.assign(places)
            for place, offset in (await consumer.beginning_offsets(places)).items():
                consumer.seek(place, offset)
            yield cls(consumer, places)
        finally:
            await consumer.stop()

    async def read_new(self) -> AsyncIterator[RawRecord]:
        """Yield what was not read before, up to where the topic ends now."""
        ends = await self._consumer.end_offsets(self._places)
        left = {
            place for place in self._places if await self._consumer.position(place) < ends[place]
        }
        while left:
            fetched = await self._consumer.getmany(*left, timeout_ms=200)
            for place, batch in fetched.items():
                for found in batch:
                    yield RawRecord(place.partition, found.offset, found.value or b"")
            left = {p for p in left if await self._consumer.position(p) < ends[p]}


async def audit_stand(
    stand: KafkaStand, told: Sequence[Told], *, settle_timeout_s: float
) -> AuditReport:
    """Wait until every unknown outcome has ended (or time is up), then compare the witnesses."""
    async with TopicReader.opened(
        stand.broker.bootstrap, f"{stand.prefix}journal", stand.plan.partition_count
    ) as reader:

        async def feed(journal: Journal) -> None:
            async for record in reader.read_new():
                journal.feed_all([record])

        journal = await read_settled(feed, settle_timeout_s)
    return run_audit(journal, read_ledger(stand.ledger), told)


async def measure_sizes(stand: KafkaStand) -> RecordSizes:
    """Measure the four records of a payment: the bare pipe writes the same."""
    journal = await _sample(stand, "journal", stand.plan.partition_count)
    inbound = await _sample(stand, "inbound", stand.plan.partition_count)
    replies = await _sample(stand, "replies", 1)
    return RecordSizes(
        inbound=_average(inbound, b"request-received.v1"),
        routed=_average(journal, b"payment-routed.v1"),
        outcome=_average(journal, b"payment-approved.v1"),
        reply=_average(replies, b""),
    )


async def _sample(stand: KafkaStand, log: str, partition_count: int) -> list[bytes]:
    values: list[bytes] = []
    async with TopicReader.opened(
        stand.broker.bootstrap, f"{stand.prefix}{log}", partition_count
    ) as reader:
        async for record in reader.read_new():
            values.append(record.value)
            if len(values) >= _SAMPLE_COUNT:
                break
    return values


def _average(values: list[bytes], tag: bytes) -> int:
    sizes = [len(value) for value in values if tag in value]
    return round(sum(sizes) / len(sizes)) if sizes else 0
