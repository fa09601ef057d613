"""Byte for byte what aiokafka's own classes write, and read as they read."""

import struct
from io import BytesIO

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.fetch import FetchRequest as TheirFetch
from aiokafka.protocol.fetch import FetchResponse_v11
from aiokafka.protocol.produce import ProduceRequest as TheirProduce
from aiokafka.protocol.produce import ProduceResponse_v7

from switch.adapters.kafka_wire import FetchAnswer, FetchRequest, ProduceAnswer, ProduceRequest

J0, J1, R0 = TopicPartition("journal", 0), TopicPartition("journal", 1), TopicPartition("räte", 0)
VERSIONS = {0: (3, 7), 1: (4, 11)}


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
@pytest.mark.parametrize("versions", [{}, {0: (8, 13), 1: (12, 18)}, {0: (0, 6), 1: (0, 10)}])
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
        ("journal", [(0, 0, 9, 9, 0, [], -1, b"abc"), (1, 1, -1, -1, -1, None, -1, None)]),
        ("räte", [(0, 0, 9, 9, 0, [(5, 6), (7, 8)], 2, b"d")]),
    ]
    content = FetchResponse_v11(0, 0, 0, topics).encode()
    found = [(J0, 0, b"abc"), (J1, 1, b""), (R0, 0, b"d")]
    assert FetchAnswer.decode(BytesIO(content)).partitions == found
    with pytest.raises(struct.error):
        FetchAnswer.decode(BytesIO(content[:30]))


def test_an_empty_answer_holds_nothing():
    assert ProduceAnswer.decode(BytesIO(ProduceResponse_v7([], 0).encode())).outcomes == {}
    assert FetchAnswer.decode(BytesIO(FetchResponse_v11(0, 0, 0, []).encode())).partitions == []


def test_a_request_shows_no_content():
    assert repr(produce((J0, b"secret"))) == "ProduceRequest(39 bytes)"
