"""The topics of the logs on Kafka: made if missing, looked at before anything is served."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from switch.adapters.kafka_security import (
    NO_SECURITY,
    KafkaSecurity,
    explain_unreachable,
    find_obstacle,
)
from switch.adapters.kafka_topic_check import (
    TOPIC_LOGS,
    TopicFault,
    TopicFound,
    TopicWishes,
    check_partition_count,
    check_topic,
    make_topic_settings,
    topic_name,
    wanted_counts,
    write_faults,
)
from switch.eventlog.port import LOG_NAMES, LogUnavailable

CREATE_TIMEOUT_S: Final = 15.0
REQUEST_TIMEOUT_MS: Final = 10_000
START_PATIENCE_S: Final = 5.0  # a broker under load may need as long; then it is looked into why
POLL_S: Final = 0.05


async def prepare_topics(
    bootstrap: str,
    *,
    prefix: str,
    partition_count: int | None,
    wishes: TopicWishes | None,
    security: KafkaSecurity = NO_SECURITY,
) -> int:
    """
    Make the topics that are missing, check all, return the partition count of inbound and journal.

    With `partition_count` None nothing is made and the count is taken from what is there; with
    `wishes` None nothing is made and only the counts are looked at (who only reads).

    Raises:
        LogUnavailable: no broker can be used, or what is there would lose money; the message
            says what is wrong and what to do.
    """
    async with _open_admin(bootstrap, security) as admin:
        if wishes is not None and wishes.makes and partition_count is not None:
            await _create(admin, prefix, partition_count, wishes)
        topics = await _describe(admin, prefix)
        count = _find_count(topics, prefix, partition_count)
        if wishes is None:
            faults = _check_counts(topics, prefix, count)
        else:
            found = await _find_all(admin, bootstrap, topics, prefix, security)
            faults = [fault for one in found for fault in check_topic(one, count, wishes)]
    if faults:
        raise LogUnavailable(write_faults(faults))
    return count


async def create_topics(
    bootstrap: str,
    *,
    prefix: str,
    partition_count: int,
    wishes: TopicWishes,
    security: KafkaSecurity = NO_SECURITY,
) -> list[str]:
    """
    Make the topics that are missing; return their names.

    Raises:
        LogUnavailable: no broker can be used, or it does not make them.
    """
    async with _open_admin(bootstrap, security) as admin:
        return await _create(admin, prefix, partition_count, wishes)


async def look_at_topics(
    bootstrap: str,
    *,
    prefix: str,
    partition_count: int | None,
    wishes: TopicWishes,
    security: KafkaSecurity = NO_SECURITY,
) -> tuple[list[TopicFound], list[TopicFault]]:
    """
    Return what topics there are and what is wrong with them; never makes anything.

    Raises:
        LogUnavailable: no broker can be used, or it does not show the topics.
    """
    async with _open_admin(bootstrap, security) as admin:
        topics = await _describe(admin, prefix)
        found = await _find_all(admin, bootstrap, topics, prefix, security)
    faults = [
        TopicFault(
            topic=topic_name(prefix, log),
            reason="is not there",
            remedy="`switch topics create` makes it",
        )
        for log in TOPIC_LOGS
        if log not in topics
    ]
    count = partition_count or (len(topics["journal"]) if "journal" in topics else 0)
    for one in found:
        faults += check_topic(one, count or one.partition_count, wishes)
    return found, faults


async def remove_topics(
    bootstrap: str, *, prefix: str, security: KafkaSecurity = NO_SECURITY
) -> None:
    """
    Remove the topics of all logs with everything in them; missing ones are fine.

    For logs that were made to be thrown away. Never for one that holds a payment.

    Raises:
        LogUnavailable: no broker can be used.
    """
    async with _open_admin(bootstrap, security) as admin:
        await admin.delete_topics([topic_name(prefix, log) for log in TOPIC_LOGS])


@contextlib.asynccontextmanager
async def _open_admin(
    bootstrap: str, security: KafkaSecurity
) -> AsyncIterator[AIOKafkaAdminClient]:
    options = security.client_options()
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_TIMEOUT_MS, **options
    )
    try:
        async with asyncio.timeout(CREATE_TIMEOUT_S):
            await _start(admin, bootstrap, security)
            yield admin
    except (KafkaError, OSError, TimeoutError) as error:
        raise LogUnavailable(await explain_unreachable(bootstrap, security)) from error
    finally:
        await admin.close()


async def _start(admin: AIOKafkaAdminClient, bootstrap: str, security: KafkaSecurity) -> None:
    """
    Begin; who waits is told soon where no broker can be used, and given time where one can.

    Raises:
        LogUnavailable: none of them takes a connection.
        KafkaError, OSError: it could not begin.
    """
    starting = asyncio.create_task(admin.start())
    try:
        await asyncio.wait({starting}, timeout=START_PATIENCE_S)
        if not starting.done() and (obstacle := await find_obstacle(bootstrap, security)):
            raise LogUnavailable(obstacle)
        await starting
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)


async def _create(
    admin: AIOKafkaAdminClient, prefix: str, partition_count: int, wishes: TopicWishes
) -> list[str]:
    there = await _describe(admin, prefix)
    missing = [log for log in TOPIC_LOGS if log not in there]
    if not missing:
        return []
    counts = wanted_counts(partition_count)
    topics = [
        NewTopic(
            name=topic_name(prefix, log),
            num_partitions=counts[log],
            replication_factor=wishes.copy_count,
            topic_configs=make_topic_settings(log, wishes),
        )
        for log in missing
    ]
    response = await admin.create_topics(topics)
    made = []
    for name, code, message in response.topic_errors:
        if code == 0:
            made.append(name)
        elif code != TopicAlreadyExistsError.errno:
            why = message or for_code(code).__name__
            raise LogUnavailable(
                f"cannot make topic {name} with {wishes.copy_count} replicas: {why}; fewer than"
                " three brokers, for development and tests: say so with --single-broker"
                " (log.single_broker)"
                if wishes.copy_count > 1
                else f"cannot make topic {name}: {why}"
            )
    while len(await _describe(admin, prefix)) < len(TOPIC_LOGS):  # noqa: ASYNC110 - Kafka tells nobody
        await asyncio.sleep(POLL_S)
    return made


async def _describe(admin: AIOKafkaAdminClient, prefix: str) -> dict[str, list[int]]:
    """Return how many replicas each partition of each topic has, once all have a leader."""
    names = {topic_name(prefix, log): log for log in TOPIC_LOGS}
    while True:
        topics = [t for t in await admin.describe_topics() if t["topic"] in names]
        if all(p["leader"] >= 0 for topic in topics for p in topic["partitions"]):
            return {
                names[topic["topic"]]: [
                    len(p["replicas"])
                    for p in sorted(topic["partitions"], key=lambda p: int(p["partition"]))
                ]
                for topic in topics
            }
        await asyncio.sleep(POLL_S)


def _find_count(topics: Mapping[str, Sequence[int]], prefix: str, wanted: int | None) -> int:
    missing = [topic_name(prefix, log) for log in LOG_NAMES if log not in topics]
    if missing:
        raise LogUnavailable(
            f"there is no topic {', '.join(missing)}; `switch topics create` makes it"
        )
    return wanted or len(topics["journal"])


def _check_counts(
    topics: Mapping[str, Sequence[int]], prefix: str, partition_count: int
) -> list[TopicFault]:
    found = [
        TopicFound(log=log, name=topic_name(prefix, log), copy_counts=topics[log], settings={})
        for log in LOG_NAMES
    ]
    return [fault for one in found for fault in check_partition_count(one, partition_count)]


async def _find_all(
    admin: AIOKafkaAdminClient,
    bootstrap: str,
    topics: Mapping[str, Sequence[int]],
    prefix: str,
    security: KafkaSecurity,
) -> list[TopicFound]:
    settings = await _read_settings(admin, [topic_name(prefix, log) for log in topics])
    starts = await _read_starts(
        bootstrap,
        {
            topic_name(prefix, log): len(topics[log])
            for log in ("journal", "registry")
            if log in topics
        },
        security,
    )
    return [
        TopicFound(
            log=log,
            name=topic_name(prefix, log),
            copy_counts=topics[log],
            settings=settings[topic_name(prefix, log)],
            start_offsets=starts.get(topic_name(prefix, log), ()),
        )
        for log in TOPIC_LOGS
        if log in topics
    ]


async def _read_settings(
    admin: AIOKafkaAdminClient, names: Sequence[str]
) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: dict[str, dict[str, str]] = {}
    responses: list[Any] = await admin.describe_configs(asked)
    for response in responses:
        for code, message, _, name, entries in response.resources:
            if code != 0:
                raise LogUnavailable(
                    f"the settings of topic {name} cannot be read, so it cannot be trusted:"
                    f" {message or for_code(code).__name__}; allow Describe and DescribeConfigs"
                )
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found


async def _read_starts(
    bootstrap: str, counts: Mapping[str, int], security: KafkaSecurity
) -> dict[str, list[int]]:
    """Return the first offset kept of every partition."""
    places = [TopicPartition(name, index) for name, n in counts.items() for index in range(n)]
    if not places:
        return {}
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        **security.client_options(),
    )
    try:
        await consumer.start()
        starts = await consumer.beginning_offsets(places)
    except UnknownTopicOrPartitionError as error:
        raise LogUnavailable(f"a topic went away while it was looked at: {error}") from error
    finally:
        await consumer.stop()
    return {name: [starts[TopicPartition(name, i)] for i in range(n)] for name, n in counts.items()}
