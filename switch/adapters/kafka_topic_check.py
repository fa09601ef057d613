"""Which topics of Kafka would lose money: looked at before anything is served, without I/O."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from switch.eventlog.port import (
    LOG_NAMES,
    REGISTRY_PARTITION_COUNT,
    REPLIES_PARTITION_COUNT,
    SIDE_LOG_NAMES,
    STATUS_PARTITION_COUNT,
)

HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
INBOUND_RETENTION_MS: Final = 24 * HOUR_MS
INBOUND_RETENTION_MIN_MS: Final = 4 * HOUR_MS  # a night's outage of every handler is taken up again
BATCH_BYTES_MAX: Final = 262_144
# What a topic must take: a batch, or one record of the largest size with its headers.
MESSAGE_BYTES_MIN: Final = BATCH_BYTES_MAX + 8_192
MESSAGE_BYTES: Final = 1_048_588  # Kafka's own default, said so that a broker's does not matter
SHOWN_SETTINGS: Final = (
    "cleanup.policy",
    "retention.ms",
    "retention.bytes",
    "min.insync.replicas",
    "max.message.bytes",
    "unclean.leader.election.enable",
)
TOPIC_LOGS: Final = (*LOG_NAMES, *SIDE_LOG_NAMES)

_FOR_EVER: Final = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
_FOR_MINUTES: Final = {
    "cleanup.policy": "delete",
    "retention.ms": str(10 * MINUTE_MS),
    "segment.ms": str(10 * MINUTE_MS),
}
# What is true for ever is never compacted: a record's place is part of what it says.
TOPIC_SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "inbound": {
        "cleanup.policy": "delete",
        "retention.ms": str(INBOUND_RETENTION_MS),
        "retention.bytes": "-1",
        "segment.ms": str(HOUR_MS),
    },
    "journal": _FOR_EVER,
    "registry": _FOR_EVER,
    "replies": _FOR_MINUTES,
    "snapshots": {"cleanup.policy": "compact", "segment.ms": str(HOUR_MS)},
    "status": _FOR_MINUTES,
}
assert tuple(TOPIC_SETTINGS) == TOPIC_LOGS


class TopicWishes(msgspec.Struct, frozen=True, kw_only=True):
    """
    How topics are to be, from the settings `log.replication_factor` and `log.single_broker`.

    With `makes` those that are missing are made; without, they are only looked at.
    """

    replication_factor: int = 3
    single_broker: bool = False
    makes: bool = True

    @property
    def copy_count(self) -> int:
        """How many copies of each record topics are made with."""
        return 1 if self.single_broker else self.replication_factor

    @property
    def min_isr_count(self) -> int:
        """How many of them must be in sync for an acknowledgement, in topics that are made."""
        return max(1, self.copy_count - 1)


class TopicFound(msgspec.Struct, frozen=True, kw_only=True):
    """
    One topic as it is: copies of each partition, settings in force, first offsets kept.

    `settings` holds what the topic says or the broker says for it.
    """

    log: str
    name: str
    copy_counts: Sequence[int]  # one a partition
    settings: Mapping[str, str]
    start_offsets: Sequence[int] = ()  # of journal and registry

    @property
    def partition_count(self) -> int:
        """How many partitions it has."""
        return len(self.copy_counts)


class TopicFault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a topic, and what to do about it."""

    topic: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        """Say it in one line."""
        return write_faults([self])


def write_faults(faults: Sequence[TopicFault]) -> str:
    """Write a line a fault; topics of which the same is to be said share one."""
    topics: dict[tuple[str, str], list[str]] = {}
    for fault in faults:
        topics.setdefault((fault.reason, fault.remedy), []).append(fault.topic)
    return "\n".join(
        f"{_name_topics(names)} {reason}: {remedy}" for (reason, remedy), names in topics.items()
    )


def _name_topics(names: Sequence[str]) -> str:
    return f"topic {names[0]}" if len(names) == 1 else f"each of the topics {', '.join(names)}"


def topic_name(prefix: str, log: str) -> str:
    """Return the name of a log's topic."""
    return f"{prefix}{log}"


def wanted_counts(partition_count: int) -> dict[str, int]:
    """Return the partition count of each topic."""
    return {
        "inbound": partition_count,
        "journal": partition_count,
        "registry": REGISTRY_PARTITION_COUNT,
        "replies": REPLIES_PARTITION_COUNT,
        "snapshots": partition_count,
        "status": STATUS_PARTITION_COUNT,
    }


def make_topic_settings(log: str, wishes: TopicWishes) -> dict[str, str]:
    """Return the settings that a log's topic is made with."""
    return {
        "min.insync.replicas": str(wishes.min_isr_count),
        "unclean.leader.election.enable": "false",
        "max.message.bytes": str(MESSAGE_BYTES),
        **TOPIC_SETTINGS[log],
    }


def check_topic(found: TopicFound, partition_count: int, wishes: TopicWishes) -> list[TopicFault]:
    """Return what is wrong with one topic; empty if it may be served from."""
    reasons = [
        *_check_count(found, wanted_counts(partition_count)[found.log]),
        *_check_cleanup(found),
        *_check_retention(found),
        *_check_start(found),
        *_check_copies(found, wishes),
        *_check_sizes(found),
    ]
    return [TopicFault(topic=found.name, reason=what, remedy=do) for what, do in reasons]


def check_partition_count(found: TopicFound, partition_count: int) -> list[TopicFault]:
    """Return what is wrong with the partition count of one topic: all that a reader asks of it."""
    reasons = _check_count(found, wanted_counts(partition_count)[found.log])
    return [TopicFault(topic=found.name, reason=what, remedy=do) for what, do in reasons]


_Reasons = Iterator[tuple[str, str]]


def _check_count(found: TopicFound, wanted_count: int) -> _Reasons:
    count = found.partition_count
    if count != wanted_count:
        is_set = found.log in ("inbound", "journal", "snapshots")
        remedy = f"set log.partition_count={count} for every process, or " if is_set else ""
        yield (
            f"has {count} partitions, not {wanted_count}",
            f"the count is fixed for ever: {remedy}take another prefix",
        )


def _check_cleanup(found: TopicFound) -> _Reasons:
    policy = found.settings.get("cleanup.policy", "")
    if found.log == "snapshots":
        if "compact" not in policy:
            yield "is not compacted and grows for ever", "set cleanup.policy=compact"
    elif "compact" in policy:
        yield "is compacted, which removes records by their key", "set cleanup.policy=delete"


def _check_retention(found: TopicFound) -> _Reasons:
    kept_ms = int(found.settings.get("retention.ms", "-1"))
    kept_bytes = int(found.settings.get("retention.bytes", "-1"))
    if found.log in ("journal", "registry"):
        if kept_ms != -1:
            yield f"forgets records after {kept_ms} ms", "set retention.ms=-1"
        if kept_bytes != -1:
            yield f"forgets records above {kept_bytes} bytes", "set retention.bytes=-1"
    if found.log == "inbound":
        if -1 < kept_ms < INBOUND_RETENTION_MIN_MS:
            yield (
                f"forgets requests after {kept_ms} ms, which is sooner than handlers may be back",
                f"set retention.ms={INBOUND_RETENTION_MS}",
            )
        if kept_bytes != -1:
            yield (
                f"forgets requests above {kept_bytes} bytes, decided or not",
                "set retention.bytes=-1",
            )


def _check_start(found: TopicFound) -> _Reasons:
    for partition, offset in enumerate(found.start_offsets):
        if offset > 0:
            yield (
                f"has lost its first {offset} records in partition {partition}",
                "restore them (docs/operations.md, restore); nothing may be served without them",
            )


def _check_copies(found: TopicFound, wishes: TopicWishes) -> _Reasons:
    if found.settings.get("unclean.leader.election.enable") != "false":
        yield (
            "may lose acknowledged records: unclean leader election is allowed",
            "set unclean.leader.election.enable=false",
        )
    if wishes.single_broker:
        return
    accept = "or accept the loss: --single-broker (log.single_broker)"
    copy_count = min(found.copy_counts, default=0)
    if copy_count <= 1:
        yield (
            "keeps one copy of each record: a lost disk loses them",
            f"reassign it with {wishes.copy_count} replicas, {accept}",
        )
    if int(found.settings.get("min.insync.replicas", "1")) <= 1:
        yield (
            "acknowledges what only one broker has (min.insync.replicas is 1)",
            f"set min.insync.replicas={wishes.min_isr_count}, {accept}",
        )


def _check_sizes(found: TopicFound) -> _Reasons:
    size = int(found.settings.get("max.message.bytes", str(MESSAGE_BYTES)))
    if size < MESSAGE_BYTES_MIN:
        yield (
            f"takes no batches above {size} bytes",
            f"set max.message.bytes={MESSAGE_BYTES} (at least {MESSAGE_BYTES_MIN})",
        )
