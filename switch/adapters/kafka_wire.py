"""
Produce and fetch as bytes, in one step each way.

aiokafka writes and reads every number by an object of its own, about 40 us for each request and
each answer of four partitions. These two kinds of request make up nearly all that a process asks
a broker; aiokafka's connections carry them as they carry its own.
"""

import struct
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import ClassVar, Final, NamedTuple, Self

from aiokafka import TopicPartition
from aiokafka.errors import IncompatibleBrokerVersion

_SHORT: Final = struct.Struct(">h")
_INT: Final = struct.Struct(">i")
_PAIR: Final = struct.Struct(">ii")
_REQUEST_HEAD: Final = struct.Struct(">hhi")  # API, version, correlation id; the client id follows
_PRODUCE_HEAD: Final = struct.Struct(">hhii")  # no transaction, acks, time-out (ms), topics
_PRODUCED: Final = struct.Struct(">ihqqq")  # partition, code, offset, timestamp, first offset
# no replica, wait (ms), bytes min, bytes max, isolation, no session (0 and -1), topics
_FETCH_HEAD: Final = struct.Struct(">iiiibiii")
_FETCH_PLACE: Final = struct.Struct(">iiqqi")  # partition, no epoch, offset, no start, bytes max
_FETCH_TAIL: Final = bytes(4)  # no forgotten topics
_FETCH_ANSWER_HEAD: Final = struct.Struct(">ihii")  # throttled (ms), code, session, topics
_FETCHED: Final = struct.Struct(">ihqqqi")  # partition, code, three offsets, broken transactions
_TRANSACTION_BYTES: Final = 16
_NONE: Final = -1
_ACKS_ALL: Final = -1
_EVERYTHING: Final = 0  # isolation: records outside transactions, as all of ours are


class _Encoded(NamedTuple):
    content: bytes

    def encode(self) -> bytes:
        return self.content


class _AnswerHead(NamedTuple):
    correlation_id: int


class WireRequest:
    """What aiokafka's connections ask of a request."""

    API_KEY: ClassVar[int]
    API_VERSION: ClassVar[int]
    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._content)} bytes)"

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> Self:
        """
        Make sure that a broker understands this, by its lowest and highest version of each API.

        Raises:
            IncompatibleBrokerVersion: it does not.
        """
        lowest, highest = versions.get(self.API_KEY, (0, _NONE))
        if not lowest <= self.API_VERSION <= highest:
            name = type(self).__name__
            raise IncompatibleBrokerVersion(f"no {name} of version {self.API_VERSION} there")
        return self

    def build_request_header(self, correlation_id: int, client_id: str) -> _Encoded:
        """Write what goes before the content."""
        head = _REQUEST_HEAD.pack(self.API_KEY, self.API_VERSION, correlation_id)
        return _Encoded(head + _text(client_id))

    def encode(self) -> bytes:
        """Give the content."""
        return self._content

    def parse_response_header(self, answer: BytesIO) -> _AnswerHead:
        """Read what goes before an answer's content."""
        return _AnswerHead(*_INT.unpack(answer.read(_INT.size)))


class ProduceAnswer(NamedTuple):
    """What became of the batches: error code and first offset by partition."""

    outcomes: dict[TopicPartition, tuple[int, int]]

    @classmethod
    def decode(cls, answer: BytesIO) -> Self:
        """
        Read an answer.

        Raises:
            struct.error: it is cut off, or is none.
        """
        content = answer.read()
        outcomes: dict[TopicPartition, tuple[int, int]] = {}
        [topic_count] = _INT.unpack_from(content)
        at = _INT.size
        for _ in range(topic_count):
            topic, partition_count, at = _read_topic(content, at)
            for _ in range(partition_count):
                partition, code, offset, _, _ = _PRODUCED.unpack_from(content, at)
                at += _PRODUCED.size
                outcomes[TopicPartition(topic, partition)] = (code, offset)
        return cls(outcomes)


class ProduceRequest(WireRequest):
    """Appends batches, one a partition; answered once all replicas in sync have them."""

    API_KEY = 0
    API_VERSION = 7
    RESPONSE_TYPE: ClassVar = ProduceAnswer
    __slots__ = ()

    def __init__(self, batches: Sequence[tuple[TopicPartition, bytes]], *, timeout_ms: int) -> None:
        """Ask for `batches`; within `timeout_ms` the broker answers in any case."""
        topics: dict[str, list[bytes]] = {}
        for (topic, partition), data in batches:
            topics.setdefault(topic, []).append(_PAIR.pack(partition, len(data)) + data)
        parts = [_PRODUCE_HEAD.pack(_NONE, _ACKS_ALL, timeout_ms, len(topics))]
        _write_topics(parts, topics)
        super().__init__(b"".join(parts))


class Fetched(NamedTuple):
    """
    What was found of one partition: record batches, of which the last may be cut off.

    `end` is the offset that its next durable record will get: without content, only that tells a
    partition that holds no more from one that the answer had no room for.
    """

    place: TopicPartition
    code: int
    end: int
    content: bytes


class FetchAnswer(NamedTuple):
    """What was found, by partition."""

    partitions: list[Fetched]

    @classmethod
    def decode(cls, answer: BytesIO) -> Self:
        """
        Read an answer.

        Raises:
            struct.error: it is cut off, or is none.
        """
        content = answer.read()
        found: list[Fetched] = []
        *_, topic_count = _FETCH_ANSWER_HEAD.unpack_from(content)
        at = _FETCH_ANSWER_HEAD.size
        for _ in range(topic_count):
            topic, partition_count, at = _read_topic(content, at)
            for _ in range(partition_count):
                partition, code, end, _, _, broken_count = _FETCHED.unpack_from(content, at)
                at += _FETCHED.size + max(0, broken_count) * _TRANSACTION_BYTES
                [size] = _INT.unpack_from(content, at)
                at += _INT.size
                begun, at = at, at + max(0, size)
                if at > len(content):
                    raise struct.error("records are cut off by the answer's end")
                place = TopicPartition(topic, partition)
                found.append(Fetched(place, code, end, content[begun:at]))
        return cls(found)


class FetchRequest(WireRequest):
    """Reads partitions, each from an offset on; not within a session."""

    API_KEY = 1
    API_VERSION = 10  # from 11 on a leader may name another replica, and give nothing itself
    RESPONSE_TYPE: ClassVar = FetchAnswer
    __slots__ = ()

    def __init__(
        self,
        wanted: Sequence[tuple[TopicPartition, int]],
        *,
        wait_ms: int,
        bytes_min: int,
        bytes_max: int,
        partition_bytes_max: int,
    ) -> None:
        """Ask for `wanted`; the answer waits until there are `bytes_min`, at most `wait_ms`."""
        topics: dict[str, list[bytes]] = {}
        for (topic, partition), offset in wanted:
            place = _FETCH_PLACE.pack(partition, _NONE, offset, _NONE, partition_bytes_max)
            topics.setdefault(topic, []).append(place)
        numbers = (_NONE, wait_ms, bytes_min, bytes_max, _EVERYTHING, 0, _NONE, len(topics))
        parts = [_FETCH_HEAD.pack(*numbers)]
        _write_topics(parts, topics)
        parts.append(_FETCH_TAIL)
        super().__init__(b"".join(parts))


def _text(text: str) -> bytes:
    content = text.encode()
    return _SHORT.pack(len(content)) + content


def _write_topics(parts: list[bytes], topics: Mapping[str, list[bytes]]) -> None:
    for topic, entries in topics.items():
        parts.append(_text(topic))
        parts.append(_INT.pack(len(entries)))
        parts += entries


def _read_topic(content: bytes, at: int) -> tuple[str, int, int]:
    """Return a topic's name, how many partitions follow, and where."""
    [size] = _SHORT.unpack_from(content, at)
    if size < 0:  # it would lead backwards
        raise struct.error("a topic without a name")
    at += _SHORT.size
    end = at + size
    [count] = _INT.unpack_from(content, end)
    return content[at:end].decode(), count, end + _INT.size
