"""What only the log over Kafka does; what it shares with the others is in tests/contracts."""

import asyncio
import os
import secrets
import signal
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from infra.kafka.cluster import KafkaCluster
from switch.adapters import kafka_log
from switch.adapters.kafka_log import KafkaLog, check_extension
from switch.adapters.kafka_topic_check import TopicWishes
from switch.eventlog.inbound import traceparent_of
from switch.eventlog.port import (
    AppendRefused,
    AppendUnknown,
    LogUnavailable,
    PositionOutOfRange,
)

ON_BOTH_LOOPS = True
ONE_BROKER = TopicWishes(single_broker=True)


class Acks:
    def __init__(self):
        self.outcomes = []
        self._changed = asyncio.Event()

    def __call__(self, outcome):
        self.outcomes.append(outcome)
        self._changed.set()

    async def wait_for(self, count):
        async with asyncio.timeout(30):
            while len(self.outcomes) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.outcomes


async def append_all(partition, *values, **names):
    acks = Acks()
    for value in values:
        partition.append(value, acks, **names)
    return await acks.wait_for(len(values))


@pytest.fixture
async def log(kafka_bootstrap):
    log = await KafkaLog.connect(
        kafka_bootstrap,
        partition_count=2,
        prefix=f"kafka-log-{secrets.token_hex(4)}-",
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
    yield cluster.nodes[0]
    cluster.remove()


def test_the_compiled_part_of_aiokafka_is_there():
    check_extension()


def test_a_missing_compiled_part_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "aiokafka.record._crecords", None)
    with pytest.raises(LogUnavailable, match="binary wheel"):
        check_extension()


async def read_raw(log, name, partition, count):
    """What any Kafka tool sees."""
    consumer = AIOKafkaConsumer(bootstrap_servers=log.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(f"{log.prefix}{name}", partition)])
        return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


@pytest.mark.kafka
async def test_a_record_is_a_cloud_event_under_its_partition_key_and_trace(log):
    partition = await log.open_partition("inbound", 1)
    trace = traceparent_of("03.9f2c-7")
    names = {"key": b"acquirer|merchant", "event_id": "03.9f2c-7", "traceparent": trace}
    await append_all(partition, b'{"a":1}', **names)
    [record] = await read_raw(log, "inbound", 1, 1)
    assert (record.key, record.value) == (b"acquirer|merchant", b'{"a":1}')
    assert dict(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_source": f"/{log.prefix}inbound/1".encode(),
        "ce_type": b"com.paymentswitch.inbound.v1",
        "ce_id": b"03.9f2c-7",
        "content-type": b"application/json",
        "traceparent": trace.encode(),
    }


@pytest.mark.kafka
async def test_a_record_that_nobody_named_gets_an_id_of_its_own_and_no_trace(log):
    partition = await log.open_partition("journal", 0)
    await append_all(partition, b"{}", b"{}")
    headers = [dict(record.headers) for record in await read_raw(log, "journal", 0, 2)]
    assert headers[0]["ce_id"] != headers[1]["ce_id"]
    assert "traceparent" not in headers[0]


@pytest.mark.kafka
async def test_a_queue_that_is_full_refuses_and_stays_in_order(log, monkeypatch):
    monkeypatch.setattr(kafka_log, "QUEUE_COUNT_MAX", 10)
    partition = await log.open_partition("journal", 0)
    outcomes = await append_all(partition, *[b"%d" % n for n in range(15)])
    assert outcomes[:10] == list(range(10))
    assert [type(outcome) for outcome in outcomes[10:]] == [AppendRefused] * 5


@pytest.mark.kafka
async def test_a_position_below_what_kafka_keeps_is_out_of_range(log):
    partition = await log.open_partition("journal", 0)
    await append_all(partition, b"a", b"b", b"c")
    topic = TopicPartition(f"{log.prefix}journal", 0)
    await delete_records(log.bootstrap, topic, 2)
    with pytest.raises(PositionOutOfRange):
        await partition.read(0, count_max=9, wait_ms=1_000)
    assert await partition.read(2, count_max=9, wait_ms=1_000) == [(2, b"c")]


async def delete_records(bootstrap, topic, before):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_records({topic: RecordsToDelete(before_offset=before)})
    finally:
        await admin.close()


async def test_no_broker_at_all_refuses_the_connection():
    with pytest.raises(LogUnavailable, match="no Kafka broker answers"):
        await KafkaLog.connect("127.0.0.1:1", partition_count=1)


async def test_appends_without_a_broker_are_certainly_not_written():
    log = KafkaLog("127.0.0.1:1", partition_count=1, prefix="x-", append_deadline_ms=500)
    partition = await log.open_partition("journal", 0)
    outcomes = await append_all(partition, b"a", b"b")
    assert [type(outcome) for outcome in outcomes] == [AppendRefused, AppendRefused]
    assert "127.0.0.1:1" in str(outcomes[0])
    with pytest.raises(LogUnavailable):
        await partition.read(0, count_max=1, wait_ms=0)
    with pytest.raises(LogUnavailable):
        await partition.end()
    await log.close()


async def _freeze(pid):
    """Stop a process, and wait until its last thread stands still: a signal takes its time."""
    os.kill(pid, signal.SIGSTOP)
    threads = Path(f"/proc/{pid}/task")
    async with asyncio.timeout(10):
        while any(_state_of(thread) != "T" for thread in threads.iterdir()):  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.001)


def _state_of(thread):
    return (thread / "stat").read_text().rpartition(") ")[2][0]


@pytest.mark.kafka
@pytest.mark.process
async def test_a_frozen_broker_leaves_what_was_sent_unknown_and_refuses_the_rest(own_broker):
    log = await KafkaLog.connect(
        own_broker.bootstrap, partition_count=1, topics=ONE_BROKER, append_deadline_ms=700
    )
    partition = await log.open_partition("journal", 0)
    assert await append_all(partition, b"before") == [0]
    pid = own_broker.pid
    await _freeze(pid)
    acks = Acks()
    partition.append(b"sent", acks)
    while partition._queue:  # noqa: ASYNC110 - nothing tells that a batch has left
        await asyncio.sleep(0.001)
    partition.append(b"queued behind it", acks)
    outcomes = await acks.wait_for(2)
    assert [type(outcome) for outcome in outcomes] == [AppendUnknown, AppendRefused]
    [later] = await append_all(partition, b"later")
    assert isinstance(later, AppendRefused)
    async with asyncio.timeout(5):
        await partition.close()  # without waiting for a producer that never gives up
    os.kill(pid, signal.SIGCONT)
    again = await log.open_partition("journal", 0)
    [offset] = await append_all(again, b"after")
    found = await again.read(0, count_max=9, wait_ms=2_000)
    assert found[0] == (0, b"before")
    assert found[-1] == (offset, b"after")
    assert b"queued behind it" not in [record.value for record in found]
    await log.close()


@pytest.mark.kafka
@pytest.mark.process
async def test_what_was_acked_survives_the_brokers_kill_9(own_broker):
    log = await KafkaLog.connect(own_broker.bootstrap, partition_count=1, topics=ONE_BROKER)
    partition = await log.open_partition("journal", 0)
    values = [b"%d" % n for n in range(100)]
    assert await append_all(partition, *values) == list(range(100))
    own_broker.kill()
    with pytest.raises(LogUnavailable):
        await partition.end()
    await log.close()
    await asyncio.to_thread(own_broker.start)
    log = await KafkaLog.connect(own_broker.bootstrap)
    partition = await log.open_partition("journal", 0)
    records = await partition.read(0, count_max=1_000, wait_ms=2_000)
    assert [record.value for record in records] == values
    await log.close()
