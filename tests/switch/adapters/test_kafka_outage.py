"""A real broker frozen, killed and back: this process goes on without a restart."""

import asyncio
import os
import signal

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.kafka.cluster import KafkaCluster
from switch.adapters import kafka_reader
from switch.adapters.kafka_log import KafkaLog
from switch.eventlog.port import AppendRefused, AppendUnknown, LogUnavailable
from tests.switch.adapters.kafka_stage import (
    ONE_BROKER,
    PATIENT_MS,
    Acks,
    append_all,
    freeze,
    wait_until,
)


@pytest.fixture
def own_broker(kafka_bootstrap, tmp_path):
    """A broker that a test may freeze and kill."""
    assert kafka_bootstrap  # the tools are there
    cluster = KafkaCluster(tmp_path / "broker", report=lambda _line: None)
    cluster.start()
    node = cluster.nodes[0]
    yield node
    if node.pid is not None:
        os.kill(node.pid, signal.SIGCONT)
    cluster.remove()


async def connect(node):
    return await KafkaLog.connect(
        node.bootstrap, partition_count=1, topics=ONE_BROKER, append_deadline_ms=PATIENT_MS
    )


def give_appends(log, deadline_ms):
    """Set how long what is appended from now on is waited for."""
    log.sender._deadline_s = deadline_ms / 1000


async def read_to(partition, offset, last):
    """Read from an offset up to another."""
    found = []
    while not found or found[-1].offset < last:
        at = found[-1].offset + 1 if found else offset
        found += await partition.read(at, count_max=1_000, wait_ms=2_000)
    return found


@pytest.mark.kafka
@pytest.mark.process
async def test_a_frozen_broker_leaves_what_was_sent_unknown_and_refuses_the_rest(own_broker):
    log = await connect(own_broker)
    partition = await log.open_partition("journal", 0)
    assert await append_all(partition, b"before") == [0]
    pid = own_broker.pid
    await freeze(pid)
    give_appends(log, 2_000)
    acks = Acks()
    partition.append(b"sent", acks)
    await wait_until(lambda: (batch := partition._writer.batch) and batch.is_perhaps_written)
    partition.append(b"queued behind it", acks)
    outcomes = await acks.wait_for(2)
    assert [type(outcome) for outcome in outcomes] == [AppendUnknown, AppendRefused]
    [later] = await append_all(partition, b"later")
    assert isinstance(later, AppendRefused)
    closing = asyncio.create_task(partition.close())
    for _ in range(20):
        await asyncio.sleep(0)
    assert closing.done(), "it waits for a broker that may never answer"
    os.kill(pid, signal.SIGCONT)
    give_appends(log, PATIENT_MS)
    again = await log.open_partition("journal", 0)
    [offset] = await append_all(again, b"after")
    found = await read_to(again, 0, offset)
    assert found[0] == (0, b"before")
    assert found[-1] == (offset, b"after")
    assert b"queued behind it" not in [record.value for record in found]
    assert [record.value for record in found].count(b"sent") <= 1
    await log.close()


@pytest.mark.kafka
@pytest.mark.process
async def test_a_frozen_log_closes_in_time(own_broker):
    log = await connect(own_broker)
    partition = await log.open_partition("journal", 0)
    assert await append_all(partition, b"before") == [0]
    await freeze(own_broker.pid)
    acks = Acks()
    partition.append(b"sent", acks)
    await wait_until(lambda: (batch := partition._writer.batch) and batch.is_perhaps_written)
    async with asyncio.timeout(16):
        await log.close()
    assert [type(outcome) for outcome in acks.outcomes] == [AppendUnknown]


@pytest.mark.kafka
@pytest.mark.process
async def test_after_a_brokers_kill_9_a_new_writer_and_the_same_reader_go_on(
    own_broker, monkeypatch
):
    log = await connect(own_broker)
    partition = await log.open_partition("journal", 0)
    reader = await log.open_partition("journal", 0)
    values = [b"%d" % n for n in range(100)]
    assert await append_all(partition, *values) == list(range(100))
    found = await read_to(reader, 0, 99)
    assert [record.value for record in found] == values
    assert await reader.read(100, count_max=9, wait_ms=10) == []  # it follows now
    own_broker.kill()
    monkeypatch.setattr(kafka_reader, "READ_TIMEOUT_S", 1.0)
    give_appends(log, 1_000)
    [lost] = await append_all(partition, b"into the void")
    assert isinstance(lost, AppendUnknown | AppendRefused)
    with pytest.raises(LogUnavailable):
        await reader.read(100, count_max=9, wait_ms=50)
    with pytest.raises(LogUnavailable):
        await reader.end()
    await asyncio.to_thread(own_broker.start)
    monkeypatch.setattr(kafka_reader, "READ_TIMEOUT_S", PATIENT_MS / 1000)
    give_appends(log, PATIENT_MS)
    fresh = await log.open_partition("journal", 0)
    [offset] = await append_all(fresh, b"after")
    found = await read_to(reader, 100, offset)
    assert found[-1] == (offset, b"after")
    await log.close()


@pytest.mark.kafka
@pytest.mark.process
async def test_a_short_stop_of_the_broker_within_the_deadline_fails_nothing(own_broker):
    log = await connect(own_broker)
    give_appends(log, 2 * PATIENT_MS)
    partition = await log.open_partition("journal", 0)
    assert await append_all(partition, b"before") == [0]
    own_broker.kill()
    acks = Acks()
    for n in range(10):
        partition.append(b"%d" % n, acks)
    await asyncio.to_thread(own_broker.start)
    outcomes = await acks.wait_for(10)
    assert outcomes == list(range(1, 11))
    await log.close()


@pytest.fixture
def three_brokers(kafka_bootstrap, tmp_path):
    """Three nodes; a leader goes back to its preferred node as soon as that has returned."""
    assert kafka_bootstrap  # the tools are there
    settings = {
        "leader.imbalance.check.interval.seconds": "2",
        "leader.imbalance.per.broker.percentage": "0",
    }
    cluster = KafkaCluster(
        tmp_path / "brokers", node_count=3, settings=settings, report=lambda _line: None
    )
    cluster.start()
    yield cluster
    cluster.remove()


async def find_leaders(log):
    await log._asking.connect("switch-journal")
    await log._asking.refresh()
    return [log._asking.find_leader(TopicPartition("switch-journal", n)) for n in range(2)]


@pytest.mark.kafka
@pytest.mark.process
@pytest.mark.long
async def test_a_leader_that_moves_while_the_old_one_leads_others_is_followed(
    three_brokers, monkeypatch
):
    """As after each restart of a broker: one partition moves back, the other one stays."""
    monkeypatch.setattr(kafka_reader, "READ_TIMEOUT_S", 5.0)  # as it is outside of tests
    admin = AIOKafkaAdminClient(bootstrap_servers=three_brokers.bootstrap)
    await admin.start()
    for name in ("switch-journal", "switch-inbound"):
        placed = {0: [2, 1], 1: [1, 2]}
        few = {"min.insync.replicas": "1"}
        topic = NewTopic(name, -1, -1, replica_assignments=placed, topic_configs=few)
        await admin.create_topics([topic])
    await admin.close()
    log = KafkaLog(three_brokers.bootstrap, partition_count=2, prefix="switch-")
    looking = KafkaLog(three_brokers.bootstrap, partition_count=2, prefix="switch-")
    readers = [await log.open_partition("journal", n) for n in range(2)]
    has_moved = asyncio.Event()

    async def follow(reader):
        """Read on as a handler does, until some seconds after the move; an error is a loss."""
        count = 0
        while count < 10:
            assert await reader.read(0, count_max=9, wait_ms=500) == []
            count += has_moved.is_set()

    async with asyncio.timeout(90):
        await asyncio.to_thread(three_brokers.nodes[1].stop)
        while await find_leaders(looking) != [1, 1]:  # noqa: ASYNC110 - a broker's events
            await asyncio.sleep(0.1)
        async with asyncio.TaskGroup() as following:
            for reader in readers:
                following.create_task(follow(reader))
            await asyncio.to_thread(three_brokers.nodes[1].start)
            while await find_leaders(looking) != [2, 1]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            has_moved.set()
    await looking.close()
    await log.close()
