"""What only the log over Kafka does; what it shares with the others is in tests/contracts."""

import secrets

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from switch.adapters.kafka_log import KafkaLog, check_extension
from switch.eventlog.inbound import traceparent_of
from switch.eventlog.port import AppendRefused, LogUnavailable, PositionOutOfRange
from tests.switch.adapters.kafka_stage import ONE_BROKER, PATIENT_MS, append_all

ON_BOTH_LOOPS = True


@pytest.fixture
async def log(kafka_bootstrap):
    log = await KafkaLog.connect(
        kafka_bootstrap,
        partition_count=2,
        prefix=f"kafka-log-{secrets.token_hex(4)}-",
        topics=ONE_BROKER,
        append_deadline_ms=PATIENT_MS,
    )
    yield log
    await log.close()


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
    with pytest.raises(LogUnavailable, match="no Kafka broker can be used"):
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
