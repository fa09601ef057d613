"""Byte for byte what aiokafka's own classes write, and read as they read."""

import struct
from io import BytesIO

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.fetch import FetchRequest as TheirFetch
from aiokafka.protocol.fetch import FetchResponse_v10
from aiokafka.protocol.produce import ProduceRequest as TheirProduce
from aiokafka.protocol.produce import ProduceResponse_v7
from hypothesis import given
from hypothesis import strategies as st

from switch.adapters.kafka_wire import FetchAnswer, FetchRequest, ProduceAnswer, ProduceRequest

J0, J1, R0 = TopicPartition("journal", 0), TopicPartition("journal", 1), TopicPartition("räte", 0)
VERSIONS = {0: (3, 7), 1: (4, 10)}


NAMES = st.text(max_size=6)
PARTITIONS = st.integers(0, 2**31 - 1)
CODES = st.integers(-1, 2**15 - 1)
OFFSETS = st.integers(-1, 2**63 - 1)
BROKEN = st.one_of(st.none(), st.lists(st.tuples(OFFSETS, OFFSETS), max_size=3))
PRODUCED = st.tuples(PARTITIONS, CODES, OFFSETS, OFFSETS, OFFSETS)
CONTENT = st.one_of(st.none(), st.binary(max_size=40))
FETCHED = st.tuples(PARTITIONS, CODES, OFFSETS, OFFSETS, OFFSETS, BROKEN, CONTENT)


def topics_of(entries):
    return st.lists(st.tuples(NAMES, st.lists(entries, max_size=4)), max_size=4)


def read_or_refuse(answer_type, content):
    """Return what an answer says; it raises nothing but what a connection is closed for."""
    try:
        return answer_type.decode(BytesIO(content))
    except (struct.error, UnicodeDecodeError):
        return None


def as_sent(request, versions=VERSIONS):
    prepared = request.prepare(versions)
    return prepared.build_request_header(77, "a client").encode() + prepared.encode()


def produce(*batches):
    return ProduceRequest(batches, timeout_ms=1_500)


def fetch(*wanted):
    return FetchRequest(
        wanted, wait_ms=100, bytes_min=1, bytes_max=9_000, partition_bytes_max=1_000
    )


def test_a_produce_request_holds_all_partitions_of_a_topic_together():
    theirs = TheirProduce(
        None, -1, 1_500, [("journal", [(0, b"a"), (1, b"")]), ("räte", [(0, b"bcd")])]
    )
    assert as_sent(produce((J0, b"a"), (R0, b"bcd"), (J1, b""))) == as_sent(theirs)


def test_a_fetch_request_names_each_topic_once():
    topics = [("journal", [(0, 5, 1_000), (1, 2**40, 1_000)]), ("räte", [(0, 0, 1_000)])]
    theirs = TheirFetch(100, 1, 9_000, 0, topics)
    assert as_sent(fetch((J0, 5), (R0, 0), (J1, 2**40))) == as_sent(theirs)


@pytest.mark.parametrize("request_of", [produce, fetch])
@pytest.mark.parametrize("versions", [{}, {0: (8, 13), 1: (11, 18)}, {0: (0, 6), 1: (0, 9)}])
def test_a_broker_of_other_versions_is_not_asked(request_of, versions):
    with pytest.raises(IncompatibleBrokerVersion):
        request_of().prepare(versions)


@pytest.mark.parametrize("request_of", [produce, fetch])
def test_an_answer_is_matched_by_its_number(request_of):
    answer = BytesIO(struct.pack(">i", 77) + b"rest")
    assert request_of().parse_response_header(answer).correlation_id == 77
    assert answer.read() == b"rest"


def test_what_became_of_batches_is_read_by_partition():
    topics = [("journal", [(0, 0, 41, -1, 0), (1, 6, -1, -1, -1)]), ("räte", [(0, 0, 7, -1, 0)])]
    content = ProduceResponse_v7(topics, 0).encode()
    assert ProduceAnswer.decode(BytesIO(content)).outcomes == {J0: (0, 41), J1: (6, -1), R0: (0, 7)}
    with pytest.raises(struct.error):
        ProduceAnswer.decode(BytesIO(content[:20]))


def test_what_was_found_is_read_by_partition():
    topics = [
        ("journal", [(0, 0, 9, 9, 0, [], b"abc"), (1, 1, -1, -1, -1, None, None)]),
        ("räte", [(0, 0, 11, 9, 0, [(5, 6), (7, 8)], b"d")]),
    ]
    content = FetchResponse_v10(0, 0, 0, topics).encode()
    found = [(J0, 0, 9, b"abc"), (J1, 1, -1, b""), (R0, 0, 11, b"d")]
    assert FetchAnswer.decode(BytesIO(content)).partitions == found
    with pytest.raises(struct.error):
        FetchAnswer.decode(BytesIO(content[:30]))


@given(topics_of(PRODUCED), st.integers(0, 2**31 - 1))
def test_any_answer_to_a_produce_is_read_as_aiokafka_reads_it(topics, throttled_ms):
    content = ProduceResponse_v7(topics, throttled_ms).encode()
    theirs = ProduceResponse_v7.decode(BytesIO(content)).topics
    read = {
        TopicPartition(topic, partition): (code, offset)
        for topic, partitions in theirs
        for partition, code, offset, _, _ in partitions
    }
    assert ProduceAnswer.decode(BytesIO(content)).outcomes == read


@given(topics_of(FETCHED), st.integers(0, 2**31 - 1), CODES)
def test_any_answer_to_a_fetch_is_read_as_aiokafka_reads_it(topics, throttled_ms, code):
    content = FetchResponse_v10(throttled_ms, code, 0, topics).encode()
    theirs = FetchResponse_v10.decode(BytesIO(content)).topics
    read = [
        (TopicPartition(topic, partition), code, end, records or b"")
        for topic, partitions in theirs
        for partition, code, end, *_, records in partitions
    ]
    assert FetchAnswer.decode(BytesIO(content)).partitions == read


@given(topics_of(FETCHED), st.data())
def test_a_fetch_answer_that_is_cut_off_or_wrong_is_refused(topics, data):
    content = FetchResponse_v10(0, 0, 0, topics).encode()
    cut = data.draw(st.integers(0, len(content) - 1))
    assert read_or_refuse(FetchAnswer, content[:cut]) is None
    torn = bytearray(content)
    torn[cut] ^= data.draw(st.integers(1, 255))
    read_or_refuse(FetchAnswer, bytes(torn))


@pytest.mark.parametrize("answer_type", [ProduceAnswer, FetchAnswer])
@pytest.mark.parametrize("size", [-1, -6, -(2**15)])
def test_a_topic_whose_name_leads_backwards_is_refused_at_once(answer_type, size):
    head = bytes(10) if answer_type is FetchAnswer else b""
    content = head + struct.pack(">ihi", 2**31 - 1, size, 0)  # -6 would come by here for ever
    with pytest.raises(struct.error):
        answer_type.decode(BytesIO(content))


@pytest.mark.parametrize("count", [-1, -(2**31)])
def test_a_negative_number_of_topics_is_none(count):
    assert ProduceAnswer.decode(BytesIO(struct.pack(">i", count))).outcomes == {}
    assert FetchAnswer.decode(BytesIO(bytes(10) + struct.pack(">i", count))).partitions == []


def test_an_empty_answer_holds_nothing():
    assert ProduceAnswer.decode(BytesIO(ProduceResponse_v7([], 0).encode())).outcomes == {}
    assert FetchAnswer.decode(BytesIO(FetchResponse_v10(0, 0, 0, []).encode())).partitions == []


def test_a_request_shows_no_content():
    assert repr(produce((J0, b"secret"))) == "ProduceRequest(39 bytes)"
