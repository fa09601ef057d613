"""
Reads Kafka: whoever follows partitions to their end shares one long poll to each broker.

A request costs far more than a record, so all partitions that one process follows are asked for
together. A first read, a read that does not wait and a read elsewhere are single questions on a
connection of their own.
"""

import asyncio
import functools
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import (
    CorruptRecordException,
    KafkaError,
    NoError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.record.memory_records import MemoryRecords

from switch.adapters.kafka_client import (
    PACE_MAX_S,
    RETRY_MS,
    KafkaClient,
    TransportError,
    explain_silence,
    explain_unreadable,
    find_pace,
)
from switch.adapters.kafka_wire import FetchAnswer, Fetched, FetchRequest
from switch.eventlog.port import LogUnavailable, PositionOutOfRange, StoredRecord

FETCH_BYTES_MAX: Final = 1_048_576  # of one partition at once
ANSWER_BYTES_MAX: Final = 8 * 1_048_576
BUFFER_COUNT_MAX: Final = 4_000  # records of one partition fetched ahead; then it is left out
POLL_WAIT_MS: Final = 100
READ_TIMEOUT_S: Final = 5.0
PAUSE_S: Final = 1.0  # so late come timers only to a process that was paused: it heard nothing
IDLE_S: Final = 2.0  # nobody read on for so long: the partition is not fetched ahead any more
LATEST: Final = -1

FoundT = TypeVar("FoundT")


def decode_records(content: bytes, offset: int) -> tuple[list[StoredRecord], int]:
    """
    Return the records from `offset` on, and where to go on after them.

    Raises:
        CorruptRecordException: a checksum is wrong, or what it holds cannot be read.
    """
    try:
        return _decode_batches(content, offset)
    except KafkaError:
        raise
    except Exception as error:  # each way of compressing has errors of its own
        kind = type(error).__name__
        raise CorruptRecordException(f"unreadable from offset {offset} on ({kind})") from error


def _decode_batches(content: bytes, offset: int) -> tuple[list[StoredRecord], int]:
    found: list[StoredRecord] = []
    batches = MemoryRecords(content)
    while batches.has_next():
        batch = batches.next_batch()
        if not batch.validate_crc():
            raise CorruptRecordException(f"a wrong checksum from offset {offset} on")
        if not batch.is_control_batch:
            found += [
                StoredRecord(record.offset, record.value or b"")
                for record in batch
                if record.offset >= offset
            ]
        offset = max(offset, batch.next_offset)
    return found, offset


def make_fetch(
    wanted: list[tuple[TopicPartition, int]], *, wait_ms: int, bytes_max: int
) -> FetchRequest:
    """Ask for partitions from these offsets on; the answer waits until there is anything."""
    return FetchRequest(
        wanted,
        wait_ms=wait_ms,
        bytes_min=1,
        bytes_max=ANSWER_BYTES_MAX,
        partition_bytes_max=bytes_max,
    )


def _take_fetched(
    place: TopicPartition, offset: int, answer: FetchAnswer
) -> tuple[int, tuple[list[StoredRecord], int]]:
    for found, code, _, content in answer.partitions:
        if found == place:
            return code, decode_records(content, offset)
    raise KafkaError("the answer leaves the partition out")


class KafkaQuestions:
    """Single questions to whichever broker leads a partition."""

    def __init__(self, client: KafkaClient) -> None:
        self._client = client

    async def fetch(self, place: TopicPartition, offset: int) -> tuple[list[StoredRecord], int]:
        """
        Return what there is from `offset` on, and where to go on; does not wait for more.

        Raises:
            LogUnavailable: no answer in time.
            PositionOutOfRange: the partition does not hold this offset.
        """
        while True:
            request = make_fetch([(place, offset)], wait_ms=0, bytes_max=FETCH_BYTES_MAX)
            take = functools.partial(_take_fetched, place, offset)
            records, next_offset = await self._ask(place, request, take, offset)
            if records or next_offset == offset:
                return records, next_offset
            offset = next_offset  # marks of transactions, or what was compacted: not the end yet

    async def find_end(self, place: TopicPartition) -> int:
        """
        Return the offset that the next durable record will get.

        Raises:
            LogUnavailable: no answer in time.
        """
        request = OffsetRequest(-1, 0, [(place.topic, [(place.partition, LATEST)])])

        def take(response: Any) -> tuple[int, int]:  # noqa: ANN401
            _, [(_, code, _, offset, *_)] = response.topics[0]
            return code, offset

        return await self._ask(place, request, take)

    async def _ask(
        self,
        place: TopicPartition,
        request: object,
        take: Callable[[Any], tuple[int, FoundT]],
        offset: int = LATEST,
    ) -> FoundT:
        fault: BaseException = TimeoutError()
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                await self._client.connect(place.topic)
                while True:
                    try:
                        node = self._client.find_leader(place)
                        if node is not None:
                            code, found = take(await self._client.send(node, request))
                            check_code(code, place)
                            return found
                    except TransportError as error:
                        fault = error
                    await self._client.refresh()
                    await asyncio.sleep(RETRY_MS / 1000)
        except TimeoutError:
            if isinstance(fault, CorruptRecordException):
                raise explain_unreadable(place, offset, fault) from fault
            raise explain_silence(self._client.bootstrap, fault) from fault


def check_code(code: int, place: TopicPartition) -> None:
    """
    Raise what a broker's error code for a partition means.

    Raises:
        PositionOutOfRange: the partition does not hold the offset.
        LogUnavailable: it may not be read.
        KafkaError: an error that passes.
    """
    error = for_code(code)
    if error is NoError:
        return
    if error is OffsetOutOfRangeError:
        raise PositionOutOfRange(f"Kafka does not hold this offset of {place.topic}")
    if error is TopicAuthorizationFailedError:
        raise LogUnavailable(f"this process may not read topic {place.topic}: allow it Read")
    raise error(place)


class PartitionReader:
    """Reads one partition in order, or elsewhere: half of a `PartitionLog`."""

    def __init__(
        self, place: TopicPartition, questions: KafkaQuestions, polls: "KafkaPolls"
    ) -> None:
        self._questions = questions
        self._polls = polls
        self._loop = asyncio.get_running_loop()
        self._buffer: deque[StoredRecord] = deque()
        self._head = -1  # the offset that the next read in order asks for
        self._failure: LogUnavailable | PositionOutOfRange | None = None
        self._unreadable: LogUnavailable | None = None  # what the last poll brought, if nobody can
        self._waiter: asyncio.Future[None] | None = None
        self._late: asyncio.TimerHandle | None = None  # when the waiter is told of silence
        # of the read that waits, and of the last poll's sending that found nothing; not the loop's
        # time, by which what was asked within one millisecond is asked at once
        self._asked_at = self._heard_at = 0.0
        self._is_time_up = False
        self._poll: KafkaPoll | None = None  # where it is followed
        self.place = place
        self.next_offset = -1  # where to fetch on
        self.read_at = 0.0

    @property
    def has_room(self) -> bool:
        """Whether more may be fetched ahead."""
        return len(self._buffer) < BUFFER_COUNT_MAX

    @property
    def is_waiting(self) -> bool:
        """Whether somebody waits for records."""
        return self._waiter is not None

    async def read(self, offset: int, *, count_max: int, wait_ms: int) -> list[StoredRecord]:
        """Return records from `offset` on; see `PartitionLog.read`."""
        self.read_at, self._asked_at = self._loop.time(), time.monotonic()
        if offset != self._head or (not wait_ms and not self._buffer):
            self.leave()
        if not self._buffer and self._poll is None:
            records, self.next_offset = await self._questions.fetch(self.place, offset)
            self._buffer.extend(records)
            self._head = offset
            if wait_ms:
                self._poll = self._polls.follow(self)
        if not self._buffer and wait_ms:
            await self._wait(wait_ms)
        return self._take(count_max)

    def _take(self, count_max: int) -> list[StoredRecord]:
        buffer = self._buffer
        if len(buffer) <= count_max:
            found = list(buffer)
            buffer.clear()
        else:
            found = [buffer.popleft() for _ in range(count_max)]
        if found:
            self._head = found[-1].offset + 1
            if self._poll is not None:
                self._poll.wake()
        return found

    async def _wait(self, wait_ms: int) -> None:
        """Wait for records, or for the word that there are none as of now."""
        waiter = self._waiter = self._loop.create_future()
        self._is_time_up = False
        timer = self._loop.call_later(wait_ms / 1000, self._end_wait)
        self._lose_after(wait_ms / 1000 + READ_TIMEOUT_S)
        try:
            await waiter
        finally:
            timer.cancel()
            if self._late is not None:
                self._late.cancel()
            self._waiter = self._late = None
        if self._failure is not None:
            failure, self._failure = self._failure, None
            self.leave()
            raise failure

    def _end_wait(self) -> None:
        self._is_time_up = True
        if self._heard_at >= self._asked_at:
            self._wake()

    def _lose_after(self, delay_s: float) -> None:
        due = self._loop.time() + delay_s
        self._late = self._loop.call_at(due, self._lose, due)

    def _lose(self, due: float) -> None:
        if self._loop.time() - due > PAUSE_S:
            self._lose_after(READ_TIMEOUT_S)  # the silence was this process's own
        else:
            self.fail(self._unreadable or self._polls.unavailable())

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def take(self, records: list[StoredRecord], next_offset: int, sent_at: float) -> None:
        """Take what a poll that was sent at this time found."""
        has_moved = next_offset > self.next_offset
        self.next_offset = next_offset
        self._unreadable = None
        if records:
            self._buffer.extend(records)
            self._wake()
        if records or has_moved:
            return
        self._heard_at = sent_at
        if self._is_time_up and sent_at >= self._asked_at:
            self._wake()

    def stall(self, error: KafkaError) -> None:
        """Note why a poll brought nothing: it is asked again, but whoever waits may be told."""
        is_corrupt = isinstance(error, CorruptRecordException)
        found = explain_unreadable(self.place, self.next_offset, error) if is_corrupt else None
        self._unreadable = found

    def fail(self, failure: LogUnavailable | PositionOutOfRange) -> None:
        """Let the read that waits, or the next one that does, fail with this."""
        if self._waiter is None:
            self.leave()  # the next read asks by itself
        else:
            self._failure = failure
            self._wake()

    def leave(self) -> None:
        """Forget what was fetched; nothing more is."""
        self._buffer.clear()
        self._head = self.next_offset = -1
        self._unreadable = None
        if self._poll is not None:
            self._poll.leave(self)
            self._poll = None


class KafkaPoll:
    """One long poll to each broker, for partitions that are followed; each partition once."""

    def __init__(self, client: KafkaClient, pace_max_s: float) -> None:
        self._client = client
        self._pace_max_s = pace_max_s
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._finding: asyncio.Task[None] | None = None
        self.readers: dict[TopicPartition, PartitionReader] = {}

    def add(self, reader: PartitionReader) -> None:
        """Follow a partition."""
        self.readers[reader.place] = reader
        self.wake()

    def leave(self, reader: PartitionReader) -> None:
        """Follow a partition no more."""
        if self.readers.get(reader.place) is reader:
            del self.readers[reader.place]

    def wake(self) -> None:
        """Have every broker polled that leads a followed partition."""
        for place, reader in self.readers.items():
            node = self._client.find_leader(place)
            if node is None:
                if self._finding is None or self._finding.done():
                    self._finding = self._loop.create_task(self._find_leaders())
            elif node not in self._tasks and reader.has_room:
                task = self._loop.create_task(self._poll(node))
                self._tasks[node] = task
                task.add_done_callback(functools.partial(self._end, node))

    def _end(self, node: int, done: asyncio.Task[None]) -> None:
        self._tasks.pop(node, None)
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            self._loop.call_exception_handler({"message": "a poll failed", "exception": error})
            for reader in list(self.readers.values()):
                reader.fail(LogUnavailable(f"reading Kafka failed ({type(error).__name__})"))
        else:
            self.wake()  # a leader may have changed meanwhile

    async def _find_leaders(self) -> None:
        """Look until every followed partition has a leader again."""
        while any(self._client.find_leader(place) is None for place in self.readers):
            for topic in {place.topic for place in self.readers}:
                try:
                    await self._client.connect(topic)
                except LogUnavailable:
                    break
            await self._client.refresh()
            await asyncio.sleep(RETRY_MS / 1000)
        self.wake()

    async def _poll(self, node: int) -> None:
        while wanted := self._list_wanted(node):
            sent_at = time.monotonic()
            request = make_fetch(wanted, wait_ms=POLL_WAIT_MS, bytes_max=FETCH_BYTES_MAX)
            try:
                answer: FetchAnswer = await self._client.send(node, request)
            except TransportError:
                await self._client.refresh()
                await asyncio.sleep(RETRY_MS / 1000)
                continue
            offsets = dict(wanted)
            counts = [
                self._give(found, offsets[found.place], sent_at)
                for found in answer.partitions
                if found.place in offsets
            ]
            if None in counts:
                await self._client.refresh()
                await asyncio.sleep(RETRY_MS / 1000)
            pace_s = find_pace(sum(count or 0 for count in counts), self._pace_max_s)
            left_s = sent_at + pace_s - time.monotonic()
            if left_s > 0:
                await asyncio.sleep(left_s)

    def _list_wanted(self, node: int) -> list[tuple[TopicPartition, int]]:
        """
        Name the partitions to ask this broker for; let go of those that nobody reads.

        Those with nothing left come first: an answer may have no room for the last.
        """
        idle_at = self._loop.time() - IDLE_S
        wanted = []
        has_moved = False
        for place, reader in list(self.readers.items()):
            if reader.read_at < idle_at and not reader.is_waiting:
                reader.leave()
            elif reader.has_room:
                leader = self._client.find_leader(place)
                if leader == node:
                    wanted.append((place, reader.next_offset))
                else:
                    has_moved = has_moved or leader not in self._tasks
        if has_moved:
            self.wake()  # whoever leads it now must be asked, while this one goes on for the others
        wanted.sort(key=lambda one: not self.readers[one[0]].is_waiting)
        return wanted

    def _give(self, found: Fetched, offset: int, sent_at: float) -> int | None:
        """Give a reader its answer; return how many records it holds, None if it is none."""
        reader = self.readers.get(found.place)
        if reader is None or reader.next_offset != offset:
            return 0  # it reads elsewhere by now
        try:
            check_code(found.code, found.place)
            records, next_offset = decode_records(found.content, offset)
        except (LogUnavailable, PositionOutOfRange) as failure:
            reader.fail(failure)
            return 0
        except KafkaError as error:
            reader.stall(error)
            return None
        if next_offset == offset < found.end:
            return 0  # the answer had no room for it: it says nothing of this partition
        reader.take(records, next_offset, sent_at)
        return len(records)

    async def close(self) -> None:
        """Stop polling."""
        tasks = [*self._tasks.values(), *([self._finding] if self._finding else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()


class KafkaPolls:
    """The polls of one process: one, and further ones for who follows the same partition again."""

    def __init__(
        self,
        bootstrap: str,
        make_client: Callable[[], KafkaClient],
        *,
        pace_max_s: float = PACE_MAX_S,
    ) -> None:
        self._bootstrap = bootstrap
        self._make_client = make_client
        self._pace_max_s = pace_max_s
        self._polls: list[KafkaPoll] = []

    def follow(self, reader: PartitionReader) -> KafkaPoll:
        """Put a reader into the first poll that does not hold its partition."""
        for poll in self._polls:
            if reader.place not in poll.readers:
                break
        else:
            poll = KafkaPoll(self._make_client(), self._pace_max_s)
            self._polls.append(poll)
        poll.add(reader)
        return poll

    def unavailable(self) -> LogUnavailable:
        """Say that nothing was heard for too long."""
        return explain_silence(self._bootstrap, TimeoutError())

    async def close(self) -> None:
        """Stop polling."""
        await asyncio.gather(*(poll.close() for poll in self._polls))
