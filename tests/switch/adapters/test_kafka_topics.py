import secrets

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from switch.adapters.kafka_topics import TOPIC_SETTINGS, prepare_topics, topic_name
from switch.eventlog.port import LOG_NAMES, LogUnavailable

UNREACHABLE = "127.0.0.1:1"


@pytest.fixture
def prefix():
    return f"topics-{secrets.token_hex(4)}-"


async def prepare(bootstrap, prefix, count):
    return await prepare_topics(
        bootstrap, prefix=prefix, partition_count=count, replication_factor=1
    )


def test_every_log_has_its_topic_settings():
    assert set(TOPIC_SETTINGS) == set(LOG_NAMES)


def test_what_is_true_for_ever_is_kept_for_ever():
    for log in ("journal", "registry"):
        assert TOPIC_SETTINGS[log]["retention.ms"] == "-1"
        assert "cleanup.policy" not in TOPIC_SETTINGS[log]  # delete, for all of them


async def test_no_broker_is_told_with_what_to_do(prefix):
    with pytest.raises(LogUnavailable, match=f"no Kafka broker answers at {UNREACHABLE}.*make"):
        await prepare(UNREACHABLE, prefix, 2)


@pytest.mark.kafka
async def test_topics_are_made_once_and_found_again(kafka_bootstrap, prefix):
    assert await prepare(kafka_bootstrap, prefix, 3) == 3
    assert await prepare(kafka_bootstrap, prefix, 3) == 3
    assert await prepare(kafka_bootstrap, prefix, None) == 3


@pytest.mark.kafka
async def test_another_partition_count_is_refused(kafka_bootstrap, prefix):
    await prepare(kafka_bootstrap, prefix, 3)
    with pytest.raises(LogUnavailable, match=f"topic {prefix}inbound has 3 partitions, not 4"):
        await prepare(kafka_bootstrap, prefix, 4)


@pytest.mark.kafka
async def test_who_only_looks_makes_nothing(kafka_bootstrap, prefix):
    for _ in range(2):
        with pytest.raises(LogUnavailable, match=f"there is no topic {prefix}inbound"):
            await prepare(kafka_bootstrap, prefix, None)


@pytest.mark.kafka
async def test_more_replicas_than_brokers_is_told(kafka_bootstrap, prefix):
    with pytest.raises(LogUnavailable, match="cannot make topic"):
        await prepare_topics(
            kafka_bootstrap, prefix=prefix, partition_count=1, replication_factor=3
        )


@pytest.mark.kafka
async def test_the_journal_is_never_deleted_or_compacted(kafka_bootstrap, prefix):
    await prepare(kafka_bootstrap, prefix, 1)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic_name(prefix, "journal"))
        [response] = await admin.describe_configs([resource])
    finally:
        await admin.close()
    settings = {entry[0]: entry[1] for entry in response.resources[0][4]}
    assert settings["cleanup.policy"] == "delete"
    assert settings["retention.ms"] == settings["retention.bytes"] == "-1"
