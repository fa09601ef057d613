"""
The log over Kafka: plain idempotent appends with `acks=all`, one producer a partition.

Kafka's transactions and group offsets are not used (docs/adr/0001-the-journal-is-the-arbiter.md).
"""

import asyncio
import contextlib
import importlib
import itertools
import secrets
from collections import deque
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from switch.adapters.kafka_security import NO_SECURITY, KafkaSecurity
from switch.adapters.kafka_topic_check import TOPIC_LOGS, TopicWishes, topic_name
from switch.adapters.kafka_topics import prepare_topics
from switch.adapters.sinks import call_sink
from switch.eventlog.port import (
    RECORD_BYTES_MAX,
    AppendRefused,
    AppendSink,
    AppendUnknown,
    LogUnavailable,
    PositionOutOfRange,
    StoredRecord,
    check_address,
)

BATCH_BYTES_MAX: Final = 262_144
QUEUE_COUNT_MAX: Final = 10_000  # of one partition: several seconds at its full rate
QUEUE_BYTES_MAX: Final = 32 * 1_048_576
APPEND_DEADLINE_MS: Final = 3_000  # an idempotent producer itself never gives up
CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 5.0  # for records that are known to be there
DROP_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 5.0

# The broker looked at the batch and did not take it, and the producer does not try again.
_CERTAINLY_NOT_WRITTEN: Final = (
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

_Header = tuple[str, bytes]
# Value, key, headers, sink; no value: refused before it was queued.
_Queued = tuple[bytes | None, bytes, list[_Header], AppendSink]


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
    ) -> None:
        self.bootstrap = bootstrap
        self.partition_count = partition_count
        self.prefix = prefix
        self.security = security
        self.append_deadline_ms = append_deadline_ms
        self._opened: set[KafkaPartition] = set()
        self._dropping: set[asyncio.Task[None]] = set()

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
    ) -> Self:
        """
        Find the brokers, make missing topics, check the others.

        With `partition_count` None nothing is made and the count is taken from what is there; with
        `topics` None nothing is made and only the counts are checked.

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
        )

    async def open_partition(self, log: str, partition: int) -> "KafkaPartition":
        """Open one partition; its producer and consumer connect when they are first needed."""
        check_address(log, partition, self.partition_count, TOPIC_LOGS)
        opened = KafkaPartition(self, log, partition)
        self._opened.add(opened)
        return opened

    def forget(self, partition: "KafkaPartition") -> None:
        """Drop a closed partition."""
        self._opened.discard(partition)

    def drop(self, client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
        """End a producer or consumer without waiting for it."""
        task = asyncio.get_running_loop().create_task(_end_client(client))
        self._dropping.add(task)
        task.add_done_callback(self._dropping.discard)

    async def close(self) -> None:
        """Close every partition; wait a moment for the connections to end."""
        for partition in list(self._opened):
            await partition.close()
        if self._dropping:
            _, late = await asyncio.wait(self._dropping, timeout=CLOSE_TIMEOUT_S)
            for task in late:
                task.cancel()


class KafkaPartition:
    """One partition of one topic, with a producer and a consumer of its own (a `PartitionLog`)."""

    def __init__(self, log: KafkaLog, name: str, partition: int) -> None:
        self._log = log
        topic = topic_name(log.prefix, name)
        self._topic = TopicPartition(topic, partition)
        self._queue: deque[_Queued] = deque()
        self._queue_bytes = 0
        self._queued = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._failure: AppendRefused | AppendUnknown | None = None  # everything queued gets it
        self._consumer: AIOKafkaConsumer | None = None
        self._position = -1  # where the consumer stands
        self._ids = itertools.count()
        self._id_prefix = secrets.token_hex(6)
        self._fixed_headers = [
            ("ce_specversion", b"1.0"),
            ("ce_source", f"/{topic}/{partition}".encode()),
            ("ce_type", f"com.paymentswitch.{name}.v1".encode()),
            ("content-type", b"application/json"),
        ]

    def append(
        self,
        value: bytes,
        sink: AppendSink,
        *,
        key: bytes = b"",
        event_id: str = "",
        traceparent: str = "",
    ) -> None:
        """Queue one record for the next batch."""
        size = len(value)
        if self._failure is None:
            if size > RECORD_BYTES_MAX:
                self._refuse(f"a record of {size} bytes is too large, at most {RECORD_BYTES_MAX}")
            elif len(self._queue) >= QUEUE_COUNT_MAX or self._queue_bytes + size > QUEUE_BYTES_MAX:
                self._refuse(f"{len(self._queue)} records wait for Kafka at {self._log.bootstrap}")
        if self._failure is None:
            headers = self._headers(event_id, traceparent)
            self._queue.append((value, key, headers, sink))
            self._queue_bytes += size
        else:
            self._queue.append((None, b"", [], sink))
        self._queued.set()
        if self._failure is None and self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())
        elif self._writing is None or self._writing.done():
            asyncio.get_running_loop().call_soon(self._refuse_queued)

    def _refuse(self, reason: str) -> None:
        """Refuse the next record and all later ones; those queued before still go out."""
        self._failure = AppendRefused(reason)

    async def _write(self) -> None:
        """Send batch after batch, one at a time, until the first failure; then refuse the rest."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._log.bootstrap,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=BATCH_BYTES_MAX,
            request_timeout_ms=3_000,
            retry_backoff_ms=20,
            metadata_max_age_ms=30_000,
            **self._log.security.client_options(),
        )
        failure: AppendRefused | AppendUnknown | None = None
        try:
            failure = await self._connect(producer)
            while failure is None:
                await self._queued.wait()
                self._queued.clear()
                while failure is None and self._queue:
                    if self._queue[0][0] is None:
                        failure = self._failure
                    else:
                        failure = await self._write_batch(producer)
        finally:
            self._log.drop(producer)
            if failure is None:
                failure = AppendRefused("this partition was closed")
            self._failure = failure
            self._refuse_queued()

    def _refuse_queued(self) -> None:
        """Give every queued record its refusal: none of them was handed to the producer."""
        failure = self._failure
        if isinstance(failure, AppendUnknown):
            failure = AppendRefused(f"not sent after an earlier failure: {failure}")
        assert failure is not None
        while self._queue:
            call_sink(self._queue.popleft()[3], failure)
        self._queue_bytes = 0

    async def _connect(self, producer: AIOKafkaProducer) -> AppendRefused | None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await producer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            return AppendRefused(
                f"no Kafka broker answers at {self._log.bootstrap} ({type(error).__name__})"
            )
        return None

    async def _write_batch(
        self, producer: AIOKafkaProducer
    ) -> AppendRefused | AppendUnknown | None:
        """Send what is queued, as much as one batch holds, and tell the sinks."""
        batch = producer.create_batch()
        sinks: list[AppendSink] = []
        while self._queue:
            value, key, headers, sink = self._queue[0]
            if value is None or not batch.append(
                key=key or None, value=value, timestamp=None, headers=headers
            ):
                break
            self._queue.popleft()
            self._queue_bytes -= len(value)
            sinks.append(sink)
        batch.close()
        try:
            outcome = await self._send(producer, batch)
        except BaseException:  # closed while the batch was on its way
            for sink in sinks:
                call_sink(sink, AppendUnknown("closed before the ack came"))
            raise
        if isinstance(outcome, int):
            for offset, sink in enumerate(sinks, outcome):
                call_sink(sink, offset)
            return None
        for sink in sinks:
            call_sink(sink, outcome)
        return outcome

    async def _send(
        self,
        producer: AIOKafkaProducer,
        batch: Any,  # noqa: ANN401 (aiokafka has no types)
    ) -> int | AppendRefused | AppendUnknown:
        """Return the first offset of the batch, or what became of it."""
        topic, partition = self._topic
        try:
            async with asyncio.timeout(self._log.append_deadline_ms / 1000):
                acked = await producer.send_batch(batch, topic, partition=partition)
                metadata = await acked
        except TimeoutError:
            return AppendUnknown(f"no ack from Kafka within {self._log.append_deadline_ms} ms")
        except _CERTAINLY_NOT_WRITTEN as error:
            return AppendRefused(f"Kafka does not take the record: {error!r}")
        except KafkaError as error:
            return AppendUnknown(f"Kafka failed the append: {error!r}")
        if metadata.offset < 0:
            return AppendUnknown("Kafka knows the batch but not its offset any more")
        offset: int = metadata.offset
        return offset

    def _headers(self, event_id: str, traceparent: str) -> list[_Header]:
        """Make the record a CloudEvent in binary mode."""
        ce_id = event_id or f"{self._id_prefix}-{next(self._ids)}"
        headers = [*self._fixed_headers, ("ce_id", ce_id.encode())]
        if traceparent:
            headers.append(("traceparent", traceparent.encode()))
        return headers

    async def read(self, offset: int, *, count_max: int, wait_ms: int) -> list[StoredRecord]:
        """Return durable records."""
        try:
            consumer = await self._get_consumer()
            found = await self._fetch(consumer, offset, count_max, wait_ms)
            if not found:
                end = await self.end()
                if offset > end:
                    raise PositionOutOfRange(f"offset {offset} is above the end, {end}")
                if offset < end:
                    found = await self._fetch(
                        consumer, offset, count_max, int(READ_TIMEOUT_S * 1000)
                    )
        except OffsetOutOfRangeError as error:
            self._drop_consumer()
            raise PositionOutOfRange(f"Kafka does not hold offset {offset}: {error}") from error
        except (KafkaError, OSError, TimeoutError) as error:
            self._drop_consumer()
            raise self._unavailable(error) from error
        return found

    async def _fetch(
        self, consumer: AIOKafkaConsumer, offset: int, count_max: int, wait_ms: int
    ) -> list[StoredRecord]:
        if self._position != offset:
            consumer.seek(self._topic, offset)
            self._position = offset
        fetched = await consumer.getmany(self._topic, timeout_ms=wait_ms, max_records=count_max)
        found = [StoredRecord(r.offset, r.value) for r in fetched.get(self._topic, ())]
        if found:
            self._position = found[-1].offset + 1
        return found

    async def end(self) -> int:
        """Return the offset that the next durable record will get."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                consumer = await self._get_consumer()
                ends = await consumer.end_offsets([self._topic])
        except (KafkaError, OSError, TimeoutError) as error:
            raise self._unavailable(error) from error
        end: int = ends[self._topic]
        return end

    async def _get_consumer(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._log.bootstrap,
                enable_auto_commit=False,
                auto_offset_reset="none",
                fetch_max_wait_ms=100,
                request_timeout_ms=3_000,
                retry_backoff_ms=50,
                metadata_max_age_ms=30_000,
                **self._log.security.client_options(),
            )
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await consumer.start()
            except BaseException:
                self._log.drop(consumer)
                raise
            consumer.assign([self._topic])
            # Before it fetches for the first time: without a position it would look for one.
            consumer.seek(self._topic, 0)
            self._position = 0
            self._consumer = consumer
        return self._consumer

    def _drop_consumer(self) -> None:
        if self._consumer is not None:
            self._log.drop(self._consumer)
            self._consumer = None
            self._position = -1

    def _unavailable(self, error: Exception) -> LogUnavailable:
        return LogUnavailable(
            f"Kafka at {self._log.bootstrap} does not answer ({type(error).__name__}); "
            "see whether the broker runs"
        )

    async def close(self) -> None:
        """Stop this instance; a batch already on its way may still land."""
        self._log.forget(self)
        self._drop_consumer()
        if self._writing is not None:
            self._writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writing
        self._failure = self._failure or AppendRefused("this partition was closed")
        self._refuse_queued()


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


async def _end_client(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    with contextlib.suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(DROP_TIMEOUT_S):
            if isinstance(client, AIOKafkaProducer):
                await _end_producer(client)
            else:
                await client.stop()


async def _end_producer(producer: AIOKafkaProducer) -> None:
    """
    End a producer at once.

    Its `stop` waits until all is sent, which an idempotent producer tries for ever. What is used
    instead is private; the version of aiokafka is pinned for this.
    """
    producer._closed = True  # noqa: SLF001
    if (sending := producer._sender.sender_task) is not None:  # noqa: SLF001
        sending.cancel()
        await asyncio.sleep(0)
        sending.cancel()  # at the first it waits for requests on their way
        await asyncio.wait([sending])
    await producer.client.close()
