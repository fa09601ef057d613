"""Failure and return of a real broker, and the bounds of a writer."""

import asyncio
import os
import secrets
import signal

import pytest

from infra.kafka.cluster import KafkaCluster
from switch.adapters import kafka_writer
from switch.adapters.kafka_log import KafkaLog
from switch.eventlog.port import AppendRefused, AppendUnknown, LogUnavailable
from tests.switch.adapters.kafka_stage import ONE_BROKER, Acks, append_all, freeze, wait_until

ON_BOTH_LOOPS = True


@pytest.fixture
async def log(kafka_bootstrap):
    log = await KafkaLog.connect(
        kafka_bootstrap,
        partition_count=2,
        prefix=f"kafka-writer-{secrets.token_hex(4)}-",
        topics=ONE_BROKER,
    )
    yield log
    await log.close()


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


async def connect(node, **options):
    return await KafkaLog.connect(node.bootstrap, partition_count=1, topics=ONE_BROKER, **options)


@pytest.mark.kafka
async def test_a_queue_that_is_full_refuses_and_stays_in_order(log, monkeypatch):
    monkeypatch.setattr(kafka_writer, "QUEUE_COUNT_MAX", 10)
    partition = await log.open_partition("journal", 0)
    outcomes = await append_all(partition, *[b"%d" % n for n in range(15)])
    assert outcomes[:10] == list(range(10))
    assert [type(outcome) for outcome in outcomes[10:]] == [AppendRefused] * 5


@pytest.mark.kafka
async def test_bytes_that_wait_are_bounded_too(log, monkeypatch):
    monkeypatch.setattr(kafka_writer, "QUEUE_BYTES_MAX", 10_000)
    partition = await log.open_partition("journal", 0)
    outcomes = await append_all(partition, *[b"x" * 4_000] * 3)
    assert outcomes[:2] == [0, 1]
    assert isinstance(outcomes[2], AppendRefused)
    fresh = await log.open_partition("journal", 0)
    for at in range(2, 6):  # what was sent counts no more
        assert await append_all(fresh, b"x" * 9_000) == [at]


@pytest.mark.kafka
async def test_several_batches_of_one_writer_land_in_order(log):
    partition = await log.open_partition("journal", 0)
    values = [b"%06d" % n + b"x" * 10_000 for n in range(200)]  # eight batches
    assert await append_all(partition, *values) == list(range(200))
    found = []
    while len(found) < 200:
        found += await partition.read(len(found), count_max=1_000, wait_ms=1_000)
    assert [record.value for record in found] == values


@pytest.mark.kafka
async def test_many_partitions_share_requests_and_each_keeps_its_order(log):
    opened = [await log.open_partition("replies", n) for n in range(16)]
    outcomes = await asyncio.gather(*(append_all(one, *[b"x"] * 50) for one in opened))
    assert outcomes == [list(range(50))] * 16


@pytest.mark.kafka
async def test_what_a_broker_does_not_take_is_certainly_not_written(log):
    partition = await log.open_partition("journal", 0)
    assert await append_all(partition, b"before") == [0]
    writer = partition._writer
    writer.place = writer.place._replace(topic="no such name")  # no broker has such a topic
    [outcome] = await append_all(partition, b"astray")
    assert isinstance(outcome, AppendRefused)
    [later] = await append_all(partition, b"later")
    assert isinstance(later, AppendRefused)
    fresh = await log.open_partition("journal", 0)
    assert await append_all(fresh, b"after") == [1]


@pytest.mark.kafka
@pytest.mark.process
async def test_a_frozen_broker_leaves_what_was_sent_unknown_and_refuses_the_rest(own_broker):
    log = await connect(own_broker, append_deadline_ms=700)
    partition = await log.open_partition("journal", 0)
    assert await append_all(partition, b"before") == [0]
    pid = own_broker.pid
    await freeze(pid)
    acks = Acks()
    partition.append(b"sent", acks)
    await wait_until(lambda: (batch := partition._writer.batch) and batch.is_perhaps_written)
    partition.append(b"queued behind it", acks)
    outcomes = await acks.wait_for(2)
    assert [type(outcome) for outcome in outcomes] == [AppendUnknown, AppendRefused]
    [later] = await append_all(partition, b"later")
    assert isinstance(later, AppendRefused)
    async with asyncio.timeout(1):
        await partition.close()  # without waiting for a broker that may never answer
    os.kill(pid, signal.SIGCONT)
    again = await log.open_partition("journal", 0)
    [offset] = await append_all(again, b"after")
    found = await again.read(0, count_max=9, wait_ms=2_000)
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
    async with asyncio.timeout(8):
        await log.close()
    assert [type(outcome) for outcome in acks.outcomes] == [AppendUnknown]


@pytest.mark.kafka
@pytest.mark.process
async def test_after_a_brokers_kill_9_a_new_writer_and_the_same_reader_go_on(own_broker):
    log = await connect(own_broker, append_deadline_ms=1_000)
    partition = await log.open_partition("journal", 0)
    reader = await log.open_partition("journal", 0)
    values = [b"%d" % n for n in range(100)]
    assert await append_all(partition, *values) == list(range(100))
    found = await reader.read(0, count_max=1_000, wait_ms=2_000)
    assert [record.value for record in found] == values
    assert await reader.read(100, count_max=9, wait_ms=10) == []  # it follows now
    own_broker.kill()
    [lost] = await append_all(partition, b"into the void")
    assert isinstance(lost, AppendUnknown | AppendRefused)
    with pytest.raises(LogUnavailable):
        await reader.read(100, count_max=9, wait_ms=50)
    with pytest.raises(LogUnavailable):
        await reader.end()
    await asyncio.to_thread(own_broker.start)
    fresh = await log.open_partition("journal", 0)
    [offset] = await append_all(fresh, b"after")
    found = []
    while not found or found[-1].offset < offset:
        at = found[-1].offset + 1 if found else 100
        found += await reader.read(at, count_max=9, wait_ms=2_000)
    assert found[-1] == (offset, b"after")
    await log.close()


@pytest.mark.kafka
@pytest.mark.process
async def test_a_short_stop_of_the_broker_within_the_deadline_fails_nothing(own_broker):
    log = await connect(own_broker, append_deadline_ms=20_000)
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


async def test_appends_without_a_broker_are_certainly_not_written():
    log = KafkaLog("127.0.0.1:1", partition_count=1, prefix="x-", append_deadline_ms=500)
    partition = await log.open_partition("journal", 0)
    outcomes = await append_all(partition, b"a", b"b")
    assert [type(outcome) for outcome in outcomes] == [AppendRefused, AppendRefused]
    assert "127.0.0.1:1" in str(outcomes[0])
    await log.close()
