import secrets

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from switch.adapters.kafka_topic_check import TOPIC_LOGS, TopicWishes, topic_name
from switch.adapters.kafka_topics import (
    create_topics,
    look_at_topics,
    prepare_topics,
    remove_topics,
)
from switch.eventlog.port import LogUnavailable
from tests.switch.adapters.kafka_stage import ONE_BROKER, change_topic

UNREACHABLE = "127.0.0.1:1"


@pytest.fixture
def prefix():
    return f"topics-{secrets.token_hex(4)}-"


async def prepare(bootstrap, prefix, count, wishes=ONE_BROKER):
    return await prepare_topics(bootstrap, prefix=prefix, partition_count=count, wishes=wishes)


async def test_no_broker_is_told_with_what_to_do(prefix):
    with pytest.raises(LogUnavailable, match=f"no Kafka broker can be used at {UNREACHABLE}.*make"):
        await prepare(UNREACHABLE, prefix, 2)


@pytest.mark.kafka
async def test_topics_are_made_once_and_found_again(kafka_bootstrap, prefix):
    assert await prepare(kafka_bootstrap, prefix, 3) == 3
    assert await prepare(kafka_bootstrap, prefix, 3) == 3
    assert await prepare(kafka_bootstrap, prefix, None) == 3
    made = await create_topics(kafka_bootstrap, prefix=prefix, partition_count=3, wishes=ONE_BROKER)
    assert made == []


@pytest.mark.kafka
async def test_topics_are_made_as_the_check_wants_them(kafka_bootstrap, prefix):
    await prepare(kafka_bootstrap, prefix, 2)
    found, faults = await look_at_topics(
        kafka_bootstrap, prefix=prefix, partition_count=2, wishes=ONE_BROKER
    )
    assert faults == []
    assert [one.log for one in found] == list(TOPIC_LOGS)
    by_log = {one.log: one for one in found}
    assert by_log["journal"].settings["retention.ms"] == "-1"
    assert by_log["journal"].start_offsets == [0, 0]
    assert by_log["snapshots"].settings["cleanup.policy"] == "compact"


@pytest.mark.kafka
async def test_another_partition_count_is_refused(kafka_bootstrap, prefix):
    await prepare(kafka_bootstrap, prefix, 3)
    with pytest.raises(LogUnavailable, match=f"topics {prefix}inbound, .* has 3 partitions, not 4"):
        await prepare(kafka_bootstrap, prefix, 4)


@pytest.mark.kafka
async def test_who_only_looks_makes_nothing(kafka_bootstrap, prefix):
    for wishes in (None, TopicWishes(single_broker=True, makes=False)):
        with pytest.raises(LogUnavailable, match=f"there is no topic {prefix}inbound"):
            await prepare(kafka_bootstrap, prefix, None, wishes)


@pytest.mark.kafka
async def test_more_copies_than_brokers_is_told(kafka_bootstrap, prefix):
    with pytest.raises(LogUnavailable, match=r"cannot make topic .*log\.single_broker"):
        await prepare(kafka_bootstrap, prefix, 1, TopicWishes())


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("log", "settings", "reason"),
    [
        ("journal", {"cleanup_policy": "compact"}, "is compacted"),
        ("registry", {"retention_ms": "1000"}, "forgets records after 1000 ms"),
        ("inbound", {"unclean_leader_election_enable": "true"}, "unclean leader election"),
        ("journal", {"max_message_bytes": "1000"}, "takes no batches above 1000 bytes"),
    ],
)
async def test_a_topic_that_would_lose_money_is_not_served_from(
    kafka_bootstrap, prefix, log, settings, reason
):
    await prepare(kafka_bootstrap, prefix, 1)
    await change_topic(kafka_bootstrap, topic_name(prefix, log), **settings)
    with pytest.raises(LogUnavailable, match=f"topic {prefix}{log} .*{reason}"):
        await prepare(kafka_bootstrap, prefix, 1)
    assert await prepare(kafka_bootstrap, prefix, None, None) == 1  # who only reads may


@pytest.mark.kafka
async def test_one_copy_is_refused_unless_it_is_accepted(kafka_bootstrap, prefix):
    await prepare(kafka_bootstrap, prefix, 1)
    with pytest.raises(LogUnavailable, match=f"{prefix}journal, .* keeps one copy") as refused:
        await prepare(kafka_bootstrap, prefix, 1, TopicWishes(makes=False))
    assert len(str(refused.value).splitlines()) == 2, "a line a fault"


@pytest.mark.kafka
async def test_only_own_topics_are_removed(kafka_bootstrap, prefix):
    await prepare(kafka_bootstrap, prefix, 1)
    other = f"{prefix}other"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(other, 1, 1)])
        await remove_topics(kafka_bootstrap, prefix=prefix)
        left = [name for name in await admin.list_topics() if name.startswith(prefix)]
    finally:
        await admin.close()
    assert left == [other]
