"""
Appends to Kafka: plain idempotent `acks=all` batches, an identity for each partition's writer.

Kafka's transactions are not used (docs/adr/0001-the-journal-is-the-arbiter.md). The batches of all
writers of a process go to a broker in one request, the next once it has answered: a request costs
far more than a record. A writer that failed is never used again, and nothing of it is sent again;
what it had handed over may still land.
"""

import asyncio
from collections import deque
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import NodeNotReadyError, StaleMetadata, for_code
from aiokafka.protocol.transaction import InitProducerIdRequest

from switch.adapters.kafka_batch import (
    SEQUENCE_MODULUS,
    Answer,
    Batch,
    Header,
    ProducerIdentity,
    QueuedRecord,
    judge_code,
    make_batch,
)
from switch.adapters.kafka_client import (
    RETRY_MS,
    TIMER_STEP_S,
    KafkaClient,
    TransportError,
    find_pace,
)
from switch.adapters.kafka_wire import ProduceAnswer, ProduceRequest
from switch.adapters.sinks import call_sink
from switch.eventlog.port import (
    RECORD_BYTES_MAX,
    AppendRefused,
    AppendSink,
    AppendUnknown,
    LogUnavailable,
)

QUEUE_COUNT_MAX: Final = 10_000  # of one partition: several seconds at its full rate
QUEUE_BYTES_MAX: Final = 32 * 1_048_576
APPEND_DEADLINE_MS: Final = 3_000
BEGIN_TIMEOUT_S: Final = 5.0
WATCH_INTERVAL_S: Final = 0.05
REPLICATION_TIMEOUT_MS: Final = 1_500  # then a broker answers for the partitions that are there
_SOUND, _SUSPECT = 0, 1  # connections: a partition that hangs must not hold up the others


class PartitionWriter:
    """
    Appends to one partition, in order, until its first failure: half of a `PartitionLog`.

    One batch is on its way at a time. It is sent again, as it is, after errors that pass; a broker
    takes it once. Without an acknowledgement by the append deadline its outcome is unknown.
    """

    def __init__(self, sender: "KafkaSender", place: TopicPartition) -> None:
        self._sender = sender
        self._queue_bytes = 0
        self._next_sequence = 0
        self._identity: ProducerIdentity | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._failure: AppendRefused | AppendUnknown | None = None
        self._late: deque[AppendSink] = deque()  # appended after the failure
        self.place = place
        self.queue: deque[QueuedRecord] = deque()
        self.batch: Batch | None = None  # not acknowledged yet
        self.is_suspect = False
        self.retry_at = 0.0  # loop time before which it is not sent again

    def append(self, value: bytes, sink: AppendSink, key: bytes, headers: list[Header]) -> None:
        """Queue one record for the next batch."""
        if self._failure is not None:
            self._refuse_late(sink)
            return
        size = len(value)
        if size > RECORD_BYTES_MAX:
            self._end(f"a record of {size} bytes is too large, at most {RECORD_BYTES_MAX}", sink)
        elif len(self.queue) >= QUEUE_COUNT_MAX or self._queue_bytes + size > QUEUE_BYTES_MAX:
            self._end(f"{len(self.queue)} records wait for Kafka at {self._sender.bootstrap}", sink)
        else:
            self.queue.append(QueuedRecord(value, key or None, headers, sink))
            self._queue_bytes += size
            if self._identity is not None:
                if self.batch is None:
                    self._sender.add(self)
            elif self._beginning is None:
                self._beginning = asyncio.get_running_loop().create_task(self._begin())

    def _end(self, reason: str, sink: AppendSink) -> None:
        """Refuse this record and all later ones; those queued before still go out."""
        self._failure = AppendRefused(reason)
        self._refuse_late(sink)

    def _refuse_late(self, sink: AppendSink) -> None:
        if not self._late:
            asyncio.get_running_loop().call_soon(self._tell_late)
        self._late.append(sink)

    def _tell_late(self) -> None:
        """Refuse what came after the failure, once all before it has its outcome."""
        if self.queue or self.batch is not None:
            return  # told when these are through
        refused = self._make_refusal()
        while self._late:
            call_sink(self._late.popleft(), refused)

    def _make_refusal(self) -> AppendRefused:
        """Say why a record was never handed over."""
        if isinstance(self._failure, AppendUnknown):
            return AppendRefused(f"not sent after an earlier failure: {self._failure}")
        assert self._failure is not None
        return self._failure

    async def _begin(self) -> None:
        try:
            async with asyncio.timeout(BEGIN_TIMEOUT_S):
                self._identity = await self._sender.get_identity(self.place)
        except (LogUnavailable, *TransportError) as error:
            words = f"no Kafka broker answers at {self._sender.bootstrap} ({type(error).__name__})"
            self.fail(AppendRefused(str(error) if isinstance(error, LogUnavailable) else words))
            return
        if self.queue and self.batch is None:
            self._sender.add(self)

    def take_batch(self, due: float) -> Batch:
        """Return what is to be sent now: the batch that was not acknowledged, or the next."""
        if self.batch is None:
            assert self._identity is not None
            self.batch = make_batch(self.queue, self._identity, self._next_sequence, due)
            self._next_sequence += len(self.batch.sinks)
            self._next_sequence %= SEQUENCE_MODULUS
            self._queue_bytes -= self.batch.value_bytes
        return self.batch

    def acknowledge(self, first_offset: int) -> None:
        """Tell everyone of the batch where their record is; go on with the next."""
        batch, self.batch = self.batch, None
        assert batch is not None
        self.is_suspect = False
        for offset, sink in enumerate(batch.sinks, first_offset):
            call_sink(sink, offset)
        if self.queue:
            self._sender.add(self)
        elif self._late:
            self._tell_late()

    def give_up(self, why: str, *, is_refused: bool = False) -> None:
        """Fail with the batch: refused if it was never handed over, else unknown."""
        batch = self.batch
        is_unknown = batch is not None and batch.is_perhaps_written and not is_refused
        self.fail(AppendUnknown(why) if is_unknown else AppendRefused(why))

    def fail(self, failure: AppendRefused | AppendUnknown) -> None:
        """Tell everyone who waits; nothing more is sent from here."""
        self._sender.remove(self)
        self._failure = failure
        batch, self.batch = self.batch, None
        if batch is not None:
            for sink in batch.sinks:
                call_sink(sink, failure)
        refused = self._make_refusal()
        while self.queue:
            call_sink(self.queue.popleft().sink, refused)
        self._queue_bytes = 0
        self._tell_late()

    async def close(self) -> None:
        """Stop; a batch on its way may still land."""
        beginning = self._beginning
        if beginning is not None and not beginning.done():
            beginning.cancel()
            await asyncio.gather(beginning, return_exceptions=True)
        if self._failure is None or self.batch is not None or self.queue:
            self.give_up("this partition was closed")


class KafkaSender:
    """Sends the batches of all writers of one process: one request at a time to each broker."""

    def __init__(self, client: KafkaClient, *, append_deadline_ms: int) -> None:
        self._client = client
        self._deadline_s = append_deadline_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._ready: dict[PartitionWriter, None] = {}  # something to send, nothing on its way
        self._sent: dict[PartitionWriter, None] = {}
        self._busy: set[tuple[int, int]] = set()  # broker and connection
        self._next_at: dict[tuple[int, int], float] = {}  # loop time
        self._tasks: set[asyncio.Task[None]] = set()
        self._pump_at = 0.0  # loop time of the next pump; 0: none is due
        self._pumping: asyncio.Handle | None = None
        self._watching: asyncio.TimerHandle | None = None

    @property
    def bootstrap(self) -> str:
        """Where the brokers are."""
        return self._client.bootstrap

    async def get_identity(self, place: TopicPartition) -> ProducerIdentity:
        """
        Get a new identity for the writer of a partition.

        Raises:
            LogUnavailable: no broker can be used, or it does not give one.
        """
        await self._client.connect(place.topic)
        while True:
            node = self._client.find_any()
            if node is not None:
                try:
                    response = await self._client.send(node, InitProducerIdRequest(None, 0))
                except TransportError:
                    response = None
                if response is not None and response.error_code == 0:
                    return ProducerIdentity(response.producer_id, response.producer_epoch)
                if response is not None and not for_code(response.error_code).retriable:
                    name = for_code(response.error_code).__name__
                    raise LogUnavailable(f"Kafka lets this process write nothing: {name}")
            await self._client.refresh()
            await asyncio.sleep(RETRY_MS / 1000)

    def add(self, writer: PartitionWriter) -> None:
        """Note that a writer has something to send."""
        if writer in self._ready:
            return
        self._ready[writer] = None
        node = self._client.find_leader(writer.place)
        way = (node or 0, _SUSPECT if writer.is_suspect else _SOUND)
        if way not in self._busy:  # else its answer comes first
            self._pump_soon(max(0.0, self._next_at.get(way, 0.0) - self._loop.time()))

    def remove(self, writer: PartitionWriter) -> None:
        """Forget a writer."""
        self._ready.pop(writer, None)
        self._sent.pop(writer, None)

    async def close(self) -> None:
        """Stop sending."""
        for handle in (self._pumping, self._watching):
            if handle is not None:
                handle.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _pump_soon(self, delay_s: float) -> None:
        at = self._loop.time() + delay_s
        if self._pumping is not None:
            if self._pump_at <= at:
                return
            self._pumping.cancel()
        self._pump_at = at
        self._pumping = (
            self._loop.call_later(delay_s, self._pump)
            if delay_s > 0
            else self._loop.call_soon(self._pump)
        )

    def _pump(self) -> None:
        """Send what can be sent now: to each broker that is not busy, one request."""
        self._pumping = None
        now = self._loop.time()
        # A request holds a partition once: a second writer of one waits for the next.
        requests: dict[tuple[int, int], dict[TopicPartition, PartitionWriter]] = {}
        for writer in self._ready:
            if writer.retry_at > now:
                self._pump_soon(writer.retry_at - now)
                continue
            node = self._client.find_leader(writer.place)
            if node is None:
                self._delay(writer, now)
                continue
            way = (node, _SUSPECT if writer.is_suspect else _SOUND)
            if way not in self._busy:
                requests.setdefault(way, {}).setdefault(writer.place, writer)
        for way, writers in requests.items():
            wait_s = self._next_at.get(way, 0.0) - now
            if wait_s >= TIMER_STEP_S:
                self._pump_soon(wait_s)
                continue
            for writer in writers.values():
                del self._ready[writer]
                self._sent[writer] = None
            self._busy.add(way)
            batches = [
                (writer, writer.take_batch(now + self._deadline_s)) for writer in writers.values()
            ]
            record_count = sum(len(batch.sinks) for _, batch in batches)
            self._next_at[way] = now + find_pace(record_count)
            task = self._loop.create_task(self._send(way, batches))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._watching is None:
            self._watching = self._loop.call_later(WATCH_INTERVAL_S, self._watch)

    def _delay(self, writer: PartitionWriter, now: float) -> None:
        """Try a partition again that nobody leads now, as far as is known."""
        writer.take_batch(now + self._deadline_s)  # its time runs
        writer.retry_at = now + RETRY_MS / 1000
        self._client.begin_refresh()
        self._pump_soon(RETRY_MS / 1000)

    async def _send(
        self, way: tuple[int, int], batches: list[tuple[PartitionWriter, Batch]]
    ) -> None:
        # Whoever was closed since then was told that it is not written: so it must not be sent.
        batches = [(writer, batch) for writer, batch in batches if writer.batch is batch]
        request = ProduceRequest(
            [(writer.place, batch.data) for writer, batch in batches],
            timeout_ms=REPLICATION_TIMEOUT_MS,
        )
        answers: dict[TopicPartition, tuple[int, int]] = {}
        tried_before = [batch.is_perhaps_written for _, batch in batches]
        for _, batch in batches:
            batch.is_perhaps_written = True
        try:
            if batches:
                answer: ProduceAnswer = await self._client.send(way[0], request, group=way[1])
                answers = answer.outcomes
        except TransportError as error:
            if isinstance(error, NodeNotReadyError | StaleMetadata):  # nothing was handed over
                for (_, batch), before in zip(batches, tried_before, strict=True):
                    batch.is_perhaps_written = before
        finally:
            self._busy.discard(way)
        for (writer, batch), before in zip(batches, tried_before, strict=True):
            if writer.batch is batch:  # else it was given up meanwhile
                self._sent.pop(writer, None)
                self._settle(writer, answers.get(writer.place), was_tried=before)
        if self._ready:
            self._pump()

    def _settle(
        self, writer: PartitionWriter, answer: tuple[int, int] | None, *, was_tried: bool
    ) -> None:
        """Act on a broker's answer for one batch, None if there was none."""
        if answer is None:
            self._send_again(writer)
            return
        code, offset = answer
        judged, name = judge_code(code)
        if judged is Answer.WRITTEN and offset >= 0:
            writer.acknowledge(offset)
        elif judged is Answer.AGAIN:
            self._send_again(writer)
        elif judged is Answer.REFUSED:
            writer.give_up(f"Kafka does not take the record ({name})", is_refused=not was_tried)
        else:
            writer.give_up(f"Kafka cannot say where the record is ({name or 'no offset'})")

    def _send_again(self, writer: PartitionWriter) -> None:
        writer.is_suspect = True
        writer.retry_at = self._loop.time() + RETRY_MS / 1000
        self._ready[writer] = None
        self._client.begin_refresh()
        self._pump_soon(RETRY_MS / 1000)

    def _watch(self) -> None:
        """Give up on batches that are past their deadline."""
        now = self._loop.time()
        for writer in [*self._sent, *self._ready]:
            if writer.batch is not None and writer.batch.due <= now:
                writer.give_up(f"no ack from Kafka within {self._deadline_s * 1000:.0f} ms")
        waits = bool(self._sent or self._ready)
        self._watching = self._loop.call_later(WATCH_INTERVAL_S, self._watch) if waits else None
