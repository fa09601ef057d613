"""The log port: one partition of one log, promising only what Kafka can keep."""

from collections.abc import Callable
from typing import ClassVar, NamedTuple, Protocol


class AppendRefused(Exception):
    """
    The record is certainly not in the log and never will be: disk full, record too large, closed.

    The message says what an operator should do. Everything appended after it failed as well.
    """

    retryable: ClassVar[bool] = True


class AppendUnknown(Exception):
    """No ack within the append deadline: the record may yet land. Start over from Claim."""

    retryable: ClassVar[bool] = False


class LogUnavailable(Exception):
    """The log cannot be read now; the message says why and what to do."""

    retryable: ClassVar[bool] = True


class PositionOutOfRange(Exception):
    """The position lies outside what the log holds: records were lost. Stop and alarm."""

    retryable: ClassVar[bool] = False


class StoredRecord(NamedTuple):
    """One record as read: its offset in the partition and its bytes."""

    offset: int
    value: bytes


AppendSink = Callable[[int | AppendRefused | AppendUnknown], None]


class PartitionLog(Protocol):
    """
    One partition of one log, as one writer and any number of readers see it.

    Appends of one instance land in the order in which they were called, or not at all from the
    first failure on: after any error this instance refuses further appends and a new one must be
    opened. Records become readable once they are durable.
    """

    def append(self, value: bytes, sink: AppendSink, *, key: bytes = b"") -> None:
        """
        Queue one record; call `sink` once, in order, with its offset or with the failure.

        Never blocks and never raises for the state of the log; the sink is called from the
        event loop, never from inside `append`.
        """
        ...

    async def read(self, offset: int, *, count_max: int, wait_ms: int) -> list[StoredRecord]:
        """
        Return up to `count_max` durable records from `offset` on, in order.

        Waits up to `wait_ms` for the first one; an empty list means that there is none yet.
        Offsets may have gaps (aborted or removed records).

        Raises:
            LogUnavailable: try again later.
            PositionOutOfRange: `offset` is below the first record kept or above the end.
        """
        ...

    async def end(self) -> int:
        """
        Return the offset that the next durable record will get.

        Raises:
            LogUnavailable: try again later.
        """
        ...

    async def close(self) -> None:
        """Stop this instance; what is queued is not awaited and its sinks get AppendRefused."""
        ...


class EventLog(Protocol):
    """
    The four logs of `ARCHITECTURE.md`: inbound, journal, registry, replies.

    `inbound` and `journal` have `partition_count` partitions; `registry` has one; `replies` has
    one a gateway. `replies` need not survive a restart.
    """

    partition_count: int

    async def open_partition(self, log: str, partition: int) -> PartitionLog:
        """
        Open one partition for appending and reading, with a producer of its own.

        Raises:
            LogUnavailable: the log is not there; the message says what to do.
        """
        ...

    async def close(self) -> None:
        """Close everything that was opened from here."""
        ...
