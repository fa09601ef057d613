"""The bounds and the order of a writer; outages are in test_kafka_outage."""

import asyncio
import secrets

import pytest

from switch.adapters import kafka_writer
from switch.adapters.kafka_log import KafkaLog
from switch.eventlog.port import AppendRefused
from tests.switch.adapters.kafka_stage import (
    ONE_BROKER,
    PATIENT_MS,
    Acks,
    append_all,
    change_topic,
    wait_until,
)

ON_BOTH_LOOPS = True


@pytest.fixture
async def log(kafka_bootstrap):
    log = await KafkaLog.connect(
        kafka_bootstrap,
        partition_count=2,
        prefix=f"kafka-writer-{secrets.token_hex(4)}-",
        topics=ONE_BROKER,
        append_deadline_ms=PATIENT_MS,
    )
    yield log
    await log.close()


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
async def test_an_error_for_one_partition_of_a_request_fails_that_one_only(log, monkeypatch):
    requests = []

    class SeenRequest(kafka_writer.ProduceRequest):
        __slots__ = ()

        def __init__(self, batches, **names):
            requests.append([place for place, _ in batches])
            super().__init__(batches, **names)

    monkeypatch.setattr(kafka_writer, "ProduceRequest", SeenRequest)
    opened = [await log.open_partition(name, n) for name in ("journal", "inbound") for n in (0, 1)]
    for partition in opened:
        assert await append_all(partition, b"before") == [0]
    await change_topic(log.bootstrap, f"{log.prefix}journal", max_message_bytes="2000")
    acks = [Acks() for _ in opened]
    for partition, ack in zip(opened, acks, strict=True):
        partition.append(b"x" * (5_000 if partition is opened[1] else 50), ack)
    [[first], [refused], [third], [fourth]] = [await ack.wait_for(1) for ack in acks]
    assert sorted(requests[-1]) == sorted(partition._writer.place for partition in opened)
    assert (first, third, fourth) == (1, 1, 1)
    assert isinstance(refused, AppendRefused)
    assert "MessageSizeTooLarge" in str(refused)
    assert await opened[1].end() == 1
    assert await append_all(await log.open_partition("journal", 1), b"after") == [1]


@pytest.mark.kafka
async def test_a_partition_that_nobody_leads_holds_up_no_other(log):
    log.sender._deadline_s = 5.0
    led, unled = [await log.open_partition("journal", n) for n in range(2)]
    assert await append_all(unled, b"before") == [0]
    unled._writer.place = unled._writer.place._replace(partition=99)
    acks = Acks()
    unled.append(b"a", acks)
    for count in range(6):
        assert await append_all(led, b"x") == [count]
    assert not acks.outcomes  # that takes until its append deadline
    await acks.wait_for(1)
    assert isinstance(acks.outcomes[0], AppendRefused)


@pytest.mark.kafka
async def test_who_is_closed_just_before_it_is_sent_is_not_sent_after_all(log):
    partition = await log.open_partition("journal", 0)
    assert await append_all(partition, b"before") == [0]
    acks = Acks()
    partition.append(b"a", acks)
    sender = partition._writer._sender
    await wait_until(lambda: sender._pumping is not None)
    sender._pumping.cancel()
    sender._pump()  # the request is under way, but not yet written
    await partition.close()
    assert [type(outcome) for outcome in acks.outcomes] == [AppendRefused]
    fresh = await log.open_partition("journal", 0)
    assert await append_all(fresh, b"after") == [1]


async def test_appends_without_a_broker_are_certainly_not_written():
    log = KafkaLog("127.0.0.1:1", partition_count=1, prefix="x-", append_deadline_ms=500)
    partition = await log.open_partition("journal", 0)
    outcomes = await append_all(partition, b"a", b"b")
    assert [type(outcome) for outcome in outcomes] == [AppendRefused, AppendRefused]
    assert "127.0.0.1:1" in str(outcomes[0])
    await log.close()
