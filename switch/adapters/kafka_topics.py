"""The topics of the four logs: made if missing, checked if there."""

import asyncio
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from switch.eventlog.port import (
    REGISTRY_PARTITION_COUNT,
    REPLIES_PARTITION_COUNT,
    LogUnavailable,
)

HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
REPLICATION_OF_PRODUCTION: Final = 3
CREATE_TIMEOUT_S: Final = 15.0
POLL_S: Final = 0.05

_FOR_EVER: Final = {"retention.ms": "-1", "retention.bytes": "-1"}
# What is true for ever is never compacted: a record's place is part of what it says.
TOPIC_SETTINGS: Final = {
    "inbound": {"retention.ms": str(24 * HOUR_MS), "segment.ms": str(HOUR_MS)},
    "journal": _FOR_EVER,
    "registry": _FOR_EVER,
    "replies": {"retention.ms": str(10 * MINUTE_MS), "segment.ms": str(10 * MINUTE_MS)},
}


def topic_name(prefix: str, log: str) -> str:
    """Return the name of a log's topic."""
    return f"{prefix}{log}"


async def prepare_topics(
    bootstrap: str, *, prefix: str, partition_count: int | None, replication_factor: int
) -> int:
    """
    Make the topics that are missing and return the partition count of `inbound` and `journal`.

    With `partition_count` None nothing is made and the count is taken from what is there.

    Raises:
        LogUnavailable: no broker answers, or what is there has another partition count.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    try:
        async with asyncio.timeout(CREATE_TIMEOUT_S):
            await admin.start()
            if partition_count is not None:
                await _create(admin, prefix, partition_count, replication_factor)
            are_made = partition_count is not None
            counts = await _await_counts(admin, prefix, len(TOPIC_SETTINGS) if are_made else 0)
    except (KafkaError, OSError, TimeoutError) as error:
        raise LogUnavailable(
            f"no Kafka broker answers at {bootstrap} ({type(error).__name__}); "
            "`make kafka` starts one, or see to the address in the settings"
        ) from error
    finally:
        await admin.close()
    return _check_counts(counts, prefix, partition_count)


async def remove_topics(bootstrap: str, *, prefix: str) -> None:
    """
    Remove the topics of all four logs with everything in them; missing ones are fine.

    For logs that were made to be thrown away. Never for one that holds a payment.

    Raises:
        LogUnavailable: no broker answers.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    try:
        async with asyncio.timeout(CREATE_TIMEOUT_S):
            await admin.start()
            await admin.delete_topics([topic_name(prefix, log) for log in TOPIC_SETTINGS])
    except (KafkaError, OSError, TimeoutError) as error:
        raise LogUnavailable(
            f"no Kafka broker answers at {bootstrap} ({type(error).__name__})"
        ) from error
    finally:
        await admin.close()


async def _create(
    admin: AIOKafkaAdminClient, prefix: str, partition_count: int, replication_factor: int
) -> None:
    settings = {"cleanup.policy": "delete"}
    if replication_factor >= REPLICATION_OF_PRODUCTION:
        settings["min.insync.replicas"] = str(replication_factor - 1)
    topics = [
        NewTopic(
            name=topic_name(prefix, log),
            num_partitions=count,
            replication_factor=replication_factor,
            topic_configs=settings | TOPIC_SETTINGS[log],
        )
        for log, count in _wanted_counts(partition_count).items()
    ]
    response = await admin.create_topics(topics)
    for name, code, message in response.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            raise LogUnavailable(f"cannot make topic {name}: {message or for_code(code).__name__}")


async def _await_counts(
    admin: AIOKafkaAdminClient, prefix: str, topic_count_min: int
) -> dict[str, int]:
    """Return the partition count of each topic that exists, once every partition has a leader."""
    names = {topic_name(prefix, log): log for log in TOPIC_SETTINGS}
    while True:
        topics = [t for t in await admin.describe_topics() if t["topic"] in names]
        has_leaders = all(p["leader"] >= 0 for topic in topics for p in topic["partitions"])
        if has_leaders and len(topics) >= topic_count_min:
            return {names[topic["topic"]]: len(topic["partitions"]) for topic in topics}
        await asyncio.sleep(POLL_S)


def _wanted_counts(partition_count: int) -> dict[str, int]:
    return {
        "inbound": partition_count,
        "journal": partition_count,
        "registry": REGISTRY_PARTITION_COUNT,
        "replies": REPLIES_PARTITION_COUNT,
    }


def _check_counts(counts: dict[str, int], prefix: str, partition_count: int | None) -> int:
    if len(counts) < len(TOPIC_SETTINGS):
        missing = ", ".join(topic_name(prefix, log) for log in TOPIC_SETTINGS if log not in counts)
        raise LogUnavailable(f"there is no topic {missing}; start the switch there first")
    found = counts["journal"]
    for log, count in _wanted_counts(partition_count or found).items():
        if counts[log] != count:
            raise LogUnavailable(
                f"topic {topic_name(prefix, log)} has {counts[log]} partitions, not {count}: the "
                "count is fixed for ever; set it back, or take another prefix"
            )
    return found
