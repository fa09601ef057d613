"""
The log over Kafka: topics checked, then appends (kafka_writer) and reads (kafka_reader).

Kafka's transactions and group offsets are not used (docs/adr/0001-the-journal-is-the-arbiter.md).
"""

import importlib
import itertools
import secrets
from typing import Final, Self

from aiokafka import TopicPartition

from switch.adapters.kafka_batch import Header
from switch.adapters.kafka_client import PACE_MAX_S, KafkaClient
from switch.adapters.kafka_reader import KafkaPolls, KafkaQuestions, PartitionReader
from switch.adapters.kafka_security import NO_SECURITY, KafkaSecurity
from switch.adapters.kafka_topic_check import TOPIC_LOGS, TopicWishes, topic_name
from switch.adapters.kafka_topics import prepare_topics
from switch.adapters.kafka_writer import APPEND_DEADLINE_MS, KafkaSender, PartitionWriter
from switch.eventlog.port import (
    AppendSink,
    LogUnavailable,
    StoredRecord,
    check_address,
)

CE_TYPE: Final = "com.paymentswitch.{}.v1"


class KafkaLog:
    """An `EventLog` on a Kafka cluster; made by `connect`. All calls from one event loop."""

    def __init__(
        self,
        bootstrap: str,
        *,
        partition_count: int,
        prefix: str,
        security: KafkaSecurity = NO_SECURITY,
        append_deadline_ms: int = APPEND_DEADLINE_MS,
        pace_max_s: float = PACE_MAX_S,
    ) -> None:
        self.bootstrap = bootstrap
        self.partition_count = partition_count
        self.prefix = prefix
        self.append_deadline_ms = append_deadline_ms
        self.security = security
        self._writing = self._make_client()
        self._asking = self._make_client()
        self.sender = KafkaSender(self._writing, append_deadline_ms=append_deadline_ms)
        self.questions = KafkaQuestions(self._asking)
        self.polls = KafkaPolls(bootstrap, self._make_client, pace_max_s=pace_max_s)
        self._opened: set[KafkaPartition] = set()

    @classmethod
    async def connect(
        cls,
        bootstrap: str,
        *,
        partition_count: int | None = None,
        prefix: str = "switch-",
        topics: TopicWishes | None = None,
        security: KafkaSecurity = NO_SECURITY,
        append_deadline_ms: int = APPEND_DEADLINE_MS,
        pace_max_s: float = PACE_MAX_S,
    ) -> Self:
        """
        Find the brokers, make missing topics, check the others.

        With `partition_count` None nothing is made and the count is taken from what is there; with
        `topics` None nothing is made and only the counts are checked. Partitions that are followed
        are polled again after `pace_max_s` seconds at the latest.

        Raises:
            LogUnavailable: no broker answers or the topics are not as they must be.
        """
        check_extension()
        found_count = await prepare_topics(
            bootstrap,
            prefix=prefix,
            partition_count=partition_count,
            wishes=topics,
            security=security,
        )
        return cls(
            bootstrap,
            partition_count=found_count,
            prefix=prefix,
            security=security,
            append_deadline_ms=append_deadline_ms,
            pace_max_s=pace_max_s,
        )

    def _make_client(self) -> KafkaClient:
        return KafkaClient(self.bootstrap, self.security)

    async def open_partition(self, log: str, partition: int) -> "KafkaPartition":
        """Open one partition; nothing is asked of a broker before it is first needed."""
        check_address(log, partition, self.partition_count, TOPIC_LOGS)
        opened = KafkaPartition(self, log, partition)
        self._opened.add(opened)
        return opened

    def forget(self, partition: "KafkaPartition") -> None:
        """Drop a closed partition."""
        self._opened.discard(partition)

    async def close(self) -> None:
        """Close every partition; wait a moment for the connections to end."""
        for partition in list(self._opened):
            await partition.close()
        await self.sender.close()
        await self.polls.close()
        await self._writing.close()
        await self._asking.close()


class KafkaPartition:
    """One partition of one topic, to be written and read (a `PartitionLog`)."""

    def __init__(self, log: KafkaLog, name: str, partition: int) -> None:
        self._log = log
        topic = topic_name(log.prefix, name)
        self._place = TopicPartition(topic, partition)
        self._writer = PartitionWriter(log.sender, self._place)
        self._reader = PartitionReader(self._place, log.questions, log.polls)
        self._ids = itertools.count()
        self._id_prefix = secrets.token_hex(6)
        self._fixed_headers: tuple[Header, ...] = (
            ("ce_specversion", b"1.0"),
            ("ce_source", f"/{topic}/{partition}".encode()),
            ("ce_type", CE_TYPE.format(name).encode()),
            ("content-type", b"application/json"),
        )

    def append(
        self,
        value: bytes,
        sink: AppendSink,
        *,
        key: bytes = b"",
        event_id: str = "",
        traceparent: str = "",
    ) -> None:
        """Queue one record for the next batch, as a CloudEvent in binary mode."""
        ce_id = event_id or f"{self._id_prefix}-{next(self._ids)}"
        headers = [*self._fixed_headers, ("ce_id", ce_id.encode())]
        if traceparent:
            headers.append(("traceparent", traceparent.encode()))
        self._writer.append(value, sink, key, headers)

    async def read(self, offset: int, *, count_max: int, wait_ms: int) -> list[StoredRecord]:
        """Return durable records."""
        return await self._reader.read(offset, count_max=count_max, wait_ms=wait_ms)

    async def end(self) -> int:
        """Return the offset that the next durable record will get."""
        return await self._log.questions.find_end(self._place)

    async def close(self) -> None:
        """Stop this instance; a batch already on its way may still land."""
        self._log.forget(self)
        self._reader.leave()
        await self._writer.close()


def check_extension() -> None:
    """
    Make sure that aiokafka runs with its compiled part; without it appends are six times slower.

    Raises:
        LogUnavailable: it does not.
    """
    try:
        importlib.import_module("aiokafka.record._crecords")
    except ImportError as error:
        raise LogUnavailable(
            "aiokafka was installed without its compiled extension: install its binary wheel"
        ) from error
