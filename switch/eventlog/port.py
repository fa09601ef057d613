"""The log port: one partition of one log, promising only what Kafka can keep."""

from collections.abc import Callable
from typing import ClassVar, Final, NamedTuple, Protocol

RECORD_BYTES_MAX: Final = 131_072  # thirty times the largest frame a terminal may send
LOG_NAMES: Final = ("inbound", "journal", "registry", "replies")
SIDE_LOG_NAMES: Final = ("snapshots", "status")  # over Kafka only: caches, nothing that must last
REPLIES_PARTITION_COUNT: Final = 16  # one a gateway
REGISTRY_PARTITION_COUNT: Final = 1  # one writer, one order
STATUS_PARTITION_COUNT: Final = 1


class AppendRefused(Exception):
    """
    The record is certainly not in the log and never will be: disk full, record too large, closed.

    The message says what an operator should do. Everything appended after it failed as well.
    """

    retryable: ClassVar[bool] = True


class AppendUnknown(Exception):
    """No ack within the append deadline: the record may yet land. Start over from Claim."""

    retryable: ClassVar[bool] = False


class Fenced(Exception):
    """Another writer claimed the partition after us; stop, and do not retry."""

    retryable: ClassVar[bool] = False


class LogUnavailable(Exception):
    """The log cannot be read now; the message says why and what to do."""

    retryable: ClassVar[bool] = True


class LogSettingWrong(LogUnavailable):
    """What the log is to be opened with cannot be used; the message names the setting."""

    retryable: ClassVar[bool] = False


class PositionOutOfRange(Exception):
    """The position lies outside what the log holds: records were lost. Stop and alarm."""

    retryable: ClassVar[bool] = False


class StoredRecord(NamedTuple):
    """One record as read: its offset in the partition and its bytes."""

    offset: int
    value: bytes


AppendSink = Callable[[int | AppendRefused | AppendUnknown], None]


def check_address(
    log: str, partition: int, partition_count: int, names: tuple[str, ...] = LOG_NAMES
) -> None:
    """
    Make sure that the log has this partition; `names` are the logs that there are.

    Raises:
        ValueError: it does not; the message says which partitions there are.
    """
    counts = {
        "registry": REGISTRY_PARTITION_COUNT,
        "replies": REPLIES_PARTITION_COUNT,
        "status": STATUS_PARTITION_COUNT,
    }
    if log not in names:
        raise ValueError(f"there is no log {log!r}, only {', '.join(names)}")
    count = counts.get(log, partition_count)
    if not 0 <= partition < count:
        raise ValueError(f"log {log!r} has partitions 0 to {count - 1}, not {partition}")


class PartitionLog(Protocol):
    """
    One partition of one log, as one writer and any number of readers see it.

    Appends of one instance land in the order in which they were called, or not at all from the
    first failure on: after any error this instance refuses further appends and a new one must be
    opened. Records become readable once they are durable.
    """

    def append(
        self,
        value: bytes,
        sink: AppendSink,
        *,
        key: bytes = b"",
        event_id: str = "",
        traceparent: str = "",
    ) -> None:
        """
        Queue one record; call `sink` once, in order, with its offset or with the failure.

        `event_id` names the record for ever and `traceparent` its W3C trace, for those who look at
        the log with other tools (docs/operations.md, records on Kafka): the switch itself reads
        only `value`. The embedded log keeps neither.

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
        """
        Stop this instance without waiting for what is queued.

        Its sinks are still called, later: with the offset of what lands all the same, with
        AppendRefused for what certainly does not, with AppendUnknown for what nobody knows.
        """
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
