import asyncio
import secrets
import struct
import time
from collections import deque

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError, NotLeaderForPartitionError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from switch.adapters import kafka_reader
from switch.adapters.kafka_batch import ProducerIdentity, QueuedRecord, make_batch
from switch.adapters.kafka_log import KafkaLog
from switch.adapters.kafka_reader import check_code, decode_records
from switch.adapters.kafka_wire import ProduceRequest
from switch.eventlog.port import LogUnavailable, PositionOutOfRange
from tests.switch.adapters.kafka_stage import ONE_BROKER, PATIENT_MS, append_all, wait_until

ON_BOTH_LOOPS = True
PLACE = TopicPartition("journal", 0)


def content_of(*values):
    queue = deque(QueuedRecord(value, None, [], print) for value in values)
    return make_batch(queue, ProducerIdentity(1, 0), 0, 0.0).data


def foreign_batch(*values, base=0, codec=0, attributes=0, headers=()):
    """Make a batch as any other program may write it."""
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1_000_000)
    for at, value in enumerate(values):
        builder.append(at, None, b"key", value, list(headers))
    content = bytearray(builder.build())
    struct.pack_into(">q", content, 0, base)
    content[22] |= attributes
    return signed(content)


def signed(content):
    """Write the checksum that a batch must have, and its length."""
    struct.pack_into(">i", content, 8, len(content) - 12)
    struct.pack_into(">I", content, 17, calc_crc32c(bytes(content[21:])))
    return bytes(content)


def badly_named_header():
    content = bytearray(foreign_batch(b"a", headers=[("name", b"")]))
    content[content.rindex(b"name")] = 0xFF  # no UTF-8
    return signed(content)


@pytest.fixture
async def log(kafka_bootstrap):
    log = await KafkaLog.connect(
        kafka_bootstrap,
        partition_count=3,
        prefix=f"kafka-reader-{secrets.token_hex(4)}-",
        topics=ONE_BROKER,
        append_deadline_ms=PATIENT_MS,
    )
    yield log
    await log.close()


def test_records_before_the_offset_asked_for_are_passed_over():
    assert decode_records(content_of(b"a", b"b", b"c"), 1) == ([(1, b"b"), (2, b"c")], 3)
    assert decode_records(b"", 7) == ([], 7)


def test_a_wrong_checksum_is_told():
    content = bytearray(content_of(b"abc"))
    content[-3] ^= 1
    with pytest.raises(CorruptRecordException):
        decode_records(bytes(content), 0)


@given(
    sizes=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4), st.integers(0, 3)), max_size=6),
    asked=st.integers(0, 30),
    kept=st.floats(0, 1),
)
def test_each_record_is_found_once_however_batches_are_packed_and_cut(sizes, asked, kept):
    pieces, all_records, ends, base = [], [], [0], 0
    for count, codec, gap in sizes:  # the gap: what was compacted or aborted before it
        base += gap
        values = [b"%d" % (base + n) for n in range(count)]
        pieces.append(foreign_batch(*values, base=base, codec=codec))
        all_records.append([(base + n, value) for n, value in enumerate(values)])
        ends.append(ends[-1] + len(pieces[-1]))
        base += count
    content = b"".join(pieces)
    cut = content[: int(len(content) * kept)]
    whole = sum(end <= len(cut) for end in ends[1:])  # the last one may be cut off
    found, next_offset = decode_records(cut, asked)
    wanted = [one for records in all_records[:whole] for one in records if one[0] >= asked]
    assert found == wanted
    assert next_offset == max([asked, *(records[-1][0] + 1 for records in all_records[:whole])])


def test_marks_of_transactions_are_no_records_but_passed():
    mark = foreign_batch(b"a", base=1, attributes=0x30)
    content = foreign_batch(b"b", attributes=0x10) + mark + foreign_batch(b"c", base=2)
    assert decode_records(content, 0) == ([(0, b"b"), (2, b"c")], 3)
    assert decode_records(mark, 0) == ([], 2)


def test_a_record_of_nothing_is_empty():
    assert decode_records(foreign_batch(None, b"a"), 0) == ([(0, b""), (1, b"a")], 2)


@pytest.mark.parametrize("codec", [1, 2, 3, 4, 7])
def test_what_cannot_be_unpacked_is_told_as_corrupt(codec):
    content = bytearray(foreign_batch(b"abc" * 50))
    content[22] = codec  # but it is not compressed
    with pytest.raises(KafkaError):
        decode_records(signed(content), 0)
    with pytest.raises(CorruptRecordException):
        decode_records(badly_named_header(), 0)


@pytest.mark.parametrize(
    ("code", "error"),
    [(1, PositionOutOfRange), (29, LogUnavailable), (6, NotLeaderForPartitionError)],
)
def test_an_error_code_is_raised_as_what_it_means(code, error):
    with pytest.raises(error):
        check_code(code, PLACE)


@pytest.mark.kafka
async def test_many_partitions_are_followed_over_one_poll(log):
    readers = [await log.open_partition("inbound", n) for n in range(3)]
    reading = [asyncio.create_task(r.read(0, count_max=9, wait_ms=20_000)) for r in readers]
    for n in range(3):
        writer = await log.open_partition("inbound", n)
        await append_all(writer, b"%d" % n)
    found = await asyncio.gather(*reading)
    assert found == [[(0, b"%d" % n)] for n in range(3)]
    assert len(log.polls._polls) == 1
    assert len(log.polls._polls[0].readers) == 3


@pytest.mark.kafka
async def test_two_who_follow_one_partition_both_get_everything(log):
    readers = [await log.open_partition("inbound", 0) for _ in range(3)]
    reading = [asyncio.create_task(r.read(0, count_max=9, wait_ms=20_000)) for r in readers]
    await append_all(await log.open_partition("inbound", 0), b"a")
    assert await asyncio.gather(*reading) == [[(0, b"a")]] * 3


@pytest.mark.kafka
async def test_a_reader_goes_back_and_on_at_will(log):
    partition = await log.open_partition("journal", 0)
    await append_all(partition, *[b"%d" % n for n in range(20)])
    for offset, wait_ms in ((0, 100), (10, 100), (3, 0), (4, 0), (4, 100), (19, 0), (5, 100)):
        found = await partition.read(offset, count_max=1, wait_ms=wait_ms)
        assert found == [(offset, b"%d" % offset)]


@pytest.mark.kafka
async def test_what_is_fetched_ahead_is_bounded_and_nothing_is_left_out(log, monkeypatch):
    monkeypatch.setattr(kafka_reader, "BUFFER_COUNT_MAX", 10)
    monkeypatch.setattr(kafka_reader, "FETCH_BYTES_MAX", 5_000)
    writer = await log.open_partition("journal", 0)
    for first in range(0, 200, 5):
        await append_all(writer, *[b"%05d" % (first + n) + b"x" * 1_000 for n in range(5)])
    reader = await log.open_partition("journal", 0)
    found = []
    while len(found) < 200:
        found += await reader.read(len(found), count_max=3, wait_ms=1_000)
        assert len(reader._reader._buffer) < 10 + 10
    assert [int(record.value[:5]) for record in found] == list(range(200))


@pytest.mark.kafka
async def test_an_empty_answer_is_as_of_now_not_of_an_earlier_poll(log):
    reader = await log.open_partition("registry", 0)
    writer = await log.open_partition("registry", 0)
    assert await reader.read(0, count_max=9, wait_ms=1) == []
    for n in range(20):  # whoever was told "nothing" must see what is acked by then
        await append_all(writer, b"%d" % n)
        assert await reader.read(n, count_max=9, wait_ms=1) == [(n, b"%d" % n)]


@pytest.mark.kafka
async def test_an_answer_that_had_no_room_for_a_partition_says_nothing_of_its_end(log, monkeypatch):
    monkeypatch.setattr(kafka_reader, "ANSWER_BYTES_MAX", 1)  # one batch of one partition
    full, other = [await log.open_partition("journal", n) for n in range(2)]
    for n in range(100):  # a batch each
        await append_all(full, b"%d" % n)
    assert await full.read(0, count_max=1, wait_ms=1) == [(0, b"0")]  # the others are on their way
    assert await other.read(0, count_max=9, wait_ms=1) == []
    for n in range(5):
        await append_all(other, b"%d" % n)
        assert await other.read(n, count_max=9, wait_ms=1) == [(n, b"%d" % n)]
    assert len(full._reader._buffer) < 99, "the answers were never full"


@pytest.mark.kafka
@pytest.mark.parametrize("wait_ms", [0, 1])
async def test_where_only_marks_of_transactions_lie_is_not_the_end(log, monkeypatch, wait_ms):
    monkeypatch.setattr(kafka_reader, "FETCH_BYTES_MAX", 1)  # one batch at a time
    partition = await log.open_partition("journal", 0)
    place = partition._reader.place
    async with AIOKafkaProducer(
        bootstrap_servers=log.bootstrap, transactional_id=place.topic
    ) as producer:
        for value in (b"0", b"2"):
            async with producer.transaction():
                await producer.send_and_wait(*place[:1], value, partition=place.partition)
    assert await append_all(partition, b"4") == [4]
    reader = await log.open_partition("journal", 0)
    for at, found in ((0, 0), (1, 2), (3, 4)):
        assert await reader.read(at, count_max=1, wait_ms=wait_ms) == [(found, b"%d" % found)]
    assert await reader.read(5, count_max=1, wait_ms=wait_ms) == []


@pytest.mark.kafka
async def test_a_partition_that_nobody_reads_on_is_let_go(log, monkeypatch):
    reader = await log.open_partition("journal", 0)
    other = await log.open_partition("journal", 1)
    assert await reader.read(0, count_max=9, wait_ms=1) == []
    [poll] = log.polls._polls
    waiting = asyncio.create_task(other.read(0, count_max=9, wait_ms=20_000))
    await wait_until(lambda: len(poll.readers) == 2)
    monkeypatch.setattr(kafka_reader, "IDLE_S", 0.05)
    await wait_until(lambda: list(poll.readers.values()) == [other._reader])
    await append_all(await log.open_partition("journal", 1), b"a")
    assert await waiting == [(0, b"a")]


@pytest.mark.kafka
async def test_a_poll_that_dies_is_told_to_its_readers_and_begun_again(log, monkeypatch):
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, report: reported.append(report))
    reader = await log.open_partition("journal", 0)
    assert await reader.read(0, count_max=9, wait_ms=1) == []

    def break_off(*_args, **_names):
        raise RuntimeError("a bug")

    with monkeypatch.context() as broken:
        broken.setattr(kafka_reader, "make_fetch", break_off)
        with pytest.raises(LogUnavailable, match="RuntimeError"):
            await reader.read(0, count_max=9, wait_ms=5_000)
    assert str(reported[0]["exception"]) == "a bug"
    await append_all(await log.open_partition("journal", 0), b"a")
    assert await reader.read(0, count_max=9, wait_ms=5_000) == [(0, b"a")]


@pytest.mark.kafka
async def test_a_record_that_nobody_can_read_is_named_and_stalls_its_own_partition_only(
    log, monkeypatch
):
    unreadable, other = [await log.open_partition("inbound", n) for n in range(2)]
    for reader in (unreadable, other):
        assert await reader.read(0, count_max=9, wait_ms=1) == []
    place = unreadable._reader.place
    client = log.polls._polls[0]._client
    request = ProduceRequest([(place, badly_named_header())], timeout_ms=1_500)
    answer = await client.send(client.find_leader(place), request, group=1)
    assert answer.outcomes == {place: (0, 0)}
    monkeypatch.setattr(kafka_reader, "READ_TIMEOUT_S", 1.5)
    stalled = asyncio.create_task(unreadable.read(0, count_max=9, wait_ms=500))
    writer, at = await log.open_partition("inbound", 1), 0
    while not stalled.done():
        await append_all(writer, b"a")
        assert await other.read(at, count_max=1, wait_ms=60_000) == [(at, b"a")]
        at += 1
    words = rf"Kafka answers, but a record of topic {place.topic}, partition 0, .* offset 0 on"
    with pytest.raises(LogUnavailable, match=words):
        await stalled
    with pytest.raises(LogUnavailable, match=words):
        await unreadable.read(0, count_max=9, wait_ms=0)


@pytest.mark.kafka
async def test_who_was_paused_while_waiting_takes_that_for_no_silence_of_the_brokers(
    log, monkeypatch
):
    monkeypatch.setattr(kafka_reader, "READ_TIMEOUT_S", 0.2)
    reader = await log.open_partition("journal", 0)
    assert await reader.read(0, count_max=9, wait_ms=1) == []
    reading = asyncio.create_task(reader.read(0, count_max=9, wait_ms=100))
    await wait_until(lambda: reader._reader.is_waiting)
    time.sleep(0.3 + kafka_reader.PAUSE_S + 0.2)  # noqa: ASYNC251 - the pause: nothing runs
    assert await reading == []


@pytest.mark.kafka
async def test_a_reader_that_is_closed_while_it_waits_leaves_nothing_behind(log):
    reader = await log.open_partition("journal", 0)
    reading = asyncio.create_task(reader.read(0, count_max=9, wait_ms=20_000))
    await wait_until(lambda: reader._reader.is_waiting)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await reader.close()
    [poll] = log.polls._polls
    assert not poll.readers


async def test_no_broker_is_told_within_the_bound(monkeypatch):
    monkeypatch.setattr(kafka_reader, "READ_TIMEOUT_S", 0.3)
    log = KafkaLog("127.0.0.1:1", partition_count=1, prefix="x-")
    partition = await log.open_partition("journal", 0)
    began = time.monotonic()
    for ask in (lambda: partition.read(0, count_max=1, wait_ms=100), partition.end):
        with pytest.raises(LogUnavailable, match=r"127\.0\.0\.1:1"):
            await ask()
    assert time.monotonic() - began < 8  # two bounds as they are else would be ten seconds
    await log.close()
