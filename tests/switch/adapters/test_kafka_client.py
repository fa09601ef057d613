import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, StaleMetadata

from switch.adapters.kafka_client import LOOSE_PACE_MAX_S, PACE_MAX_S, KafkaClient, find_pace
from switch.adapters.kafka_reader import make_fetch
from switch.adapters.kafka_security import NO_SECURITY, KafkaSecurity
from switch.adapters.kafka_topics import prepare_topics
from switch.eventlog.port import LogUnavailable
from tests.switch.adapters.kafka_stage import ONE_BROKER

PREFIX = "kafka-client-"
PLACE = TopicPartition(f"{PREFIX}journal", 0)


@pytest.fixture
async def client(kafka_bootstrap):
    await prepare_topics(kafka_bootstrap, prefix=PREFIX, partition_count=1, wishes=ONE_BROKER)
    client = KafkaClient(kafka_bootstrap, NO_SECURITY)
    yield client
    await client.close()


async def test_before_it_is_connected_it_knows_nobody():
    client = KafkaClient("127.0.0.1:1", NO_SECURITY)
    assert client.find_leader(PLACE) is None
    assert client.find_any() is None
    await client.refresh()
    client.begin_refresh()
    with pytest.raises(StaleMetadata):
        await client.send(1, object())
    await client.close()


async def test_no_broker_is_told_with_the_address():
    client = KafkaClient("127.0.0.1:1", NO_SECURITY)
    with pytest.raises(LogUnavailable, match=r"127\.0\.0\.1:1"):
        await client.connect(PLACE.topic)
    await client.close()


async def test_what_cannot_be_proved_is_told_by_its_setting():
    client = KafkaClient("127.0.0.1:1", KafkaSecurity(protocol="sasl_plaintext"))
    with pytest.raises(LogUnavailable, match=r"log\.sasl_username"):
        await client.connect(PLACE.topic)
    await client.close()


@pytest.mark.kafka
async def test_a_connected_client_knows_who_leads(client):
    await client.connect(PLACE.topic)
    assert client.find_leader(PLACE) == client.find_any()


@pytest.mark.kafka
async def test_a_connection_that_is_gone_when_its_time_is_up_is_a_fault_like_others(client):
    await client.connect(PLACE.topic)
    client._client._request_timeout_ms = 2_000  # of connections that are made from now on
    node = client.find_leader(PLACE)
    fetch = make_fetch([(PLACE, 0)], wait_ms=20_000, bytes_max=1)
    asking = asyncio.create_task(client.send(node, fetch, group=7))
    async with asyncio.timeout(60):
        while (node, 7) not in client._client._conns:  # noqa: ASYNC110 - aiokafka tells nobody
            await asyncio.sleep(0.01)
    gone = client._client._conns.pop((node, 7))  # as it is while another request connects anew
    with pytest.raises(KafkaConnectionError):
        await asking
    gone.close()


@pytest.mark.kafka
async def test_a_dropped_client_begins_anew(client):
    await client.connect(PLACE.topic)
    client.drop()
    assert client.find_leader(PLACE) is None
    await client.connect(PLACE.topic)
    assert client.find_leader(PLACE) is not None


@pytest.mark.kafka
async def test_a_closed_client_never_begins_again(client):
    await client.connect(PLACE.topic)
    await client.close()
    with pytest.raises(LogUnavailable, match="closed"):
        await client.connect(PLACE.topic)


@pytest.mark.kafka
async def test_a_connection_that_is_broken_off_half_way_is_closed(client):
    connecting = asyncio.create_task(client.connect(PLACE.topic))
    await asyncio.sleep(0)
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    await client.close()  # an open connection would be a warning, and those are errors here


def test_nobody_waits_while_it_is_quiet_and_load_shares_requests():
    assert find_pace(0) == 0.0
    assert find_pace(1) <= 0.001
    assert find_pace(2) > find_pace(1)
    assert find_pace(5) == 0.005 < find_pace(6) < find_pace(10) < find_pace(16)
    assert find_pace(6) < 0.006 == find_pace(6, LOOSE_PACE_MAX_S)
    assert find_pace(10_000) == PACE_MAX_S <= 0.008
    assert find_pace(10_000, LOOSE_PACE_MAX_S) == LOOSE_PACE_MAX_S
    assert find_pace(1, LOOSE_PACE_MAX_S) == find_pace(1), "nobody waits while it is quiet"
