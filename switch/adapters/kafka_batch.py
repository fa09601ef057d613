"""What is sent to Kafka at once for one partition, and what an answer means, without I/O."""

import enum
from collections import deque
from typing import Final, NamedTuple

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidTopicError,
    KafkaStorageError,
    LeaderNotAvailableError,
    MessageSizeTooLargeError,
    NoError,
    NotEnoughReplicasAfterAppendError,
    NotEnoughReplicasError,
    NotLeaderForPartitionError,
    RecordListTooLargeError,
    RequestTimedOutError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from switch.adapters.kafka_topic_check import BATCH_BYTES_MAX
from switch.eventlog.port import AppendSink

SEQUENCE_MODULUS: Final = 2**31

Header = tuple[str, bytes]


class QueuedRecord(NamedTuple):
    """One record that waits to be sent."""

    value: bytes
    key: bytes | None
    headers: list[Header]
    sink: AppendSink


class ProducerIdentity(NamedTuple):
    """What a broker knows the writer of one partition by; it drops what that one sends twice."""

    producer_id: int
    producer_epoch: int


class Batch:
    """Records on their way; sent again as they are until there is an answer or no time left."""

    __slots__ = ("data", "due", "is_perhaps_written", "sinks", "value_bytes")

    def __init__(self, data: bytes, sinks: list[AppendSink], value_bytes: int, due: float) -> None:
        self.data = data
        self.sinks = sinks
        self.value_bytes = value_bytes
        self.due = due  # loop time by which it must be acknowledged
        self.is_perhaps_written = False  # handed over, and no answer says that it was not taken


def make_batch(
    queue: deque[QueuedRecord], identity: ProducerIdentity, sequence: int, due: float
) -> Batch:
    """Take from the queue what one batch holds, at least one record."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, *identity, sequence, BATCH_BYTES_MAX)
    add = builder.append
    sinks: list[AppendSink] = []
    value_bytes = 0
    while queue:
        value, key, headers, sink = queue[0]
        if add(len(sinks), None, key, value, headers) is None:
            break
        queue.popleft()
        sinks.append(sink)
        value_bytes += len(value)
    return Batch(bytes(builder.build()), sinks, value_bytes, due)


class Answer(enum.Enum):
    """What became of a batch, by a broker's answer."""

    WRITTEN = "written"
    AGAIN = "again"  # not known, and the same batch may be sent again: it lands once
    REFUSED = "refused"  # looked at, and not taken
    UNKNOWN = "unknown"  # not known, and sending it again does not help


_REFUSALS: Final = (
    ClusterAuthorizationFailedError,
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
_PASSING: Final = (
    KafkaStorageError,
    LeaderNotAvailableError,
    NotEnoughReplicasAfterAppendError,
    NotEnoughReplicasError,
    NotLeaderForPartitionError,
    RequestTimedOutError,
    UnknownTopicOrPartitionError,
)


def judge_code(code: int) -> tuple[Answer, str]:
    """Return what a broker's error code for a batch means, and its name."""
    error = for_code(code)
    if error is NoError:
        return Answer.WRITTEN, ""
    if issubclass(error, _REFUSALS):
        return Answer.REFUSED, error.__name__
    if issubclass(error, _PASSING):
        return Answer.AGAIN, error.__name__
    return Answer.UNKNOWN, error.__name__
