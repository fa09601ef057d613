from collections import deque

import pytest
from aiokafka.record.memory_records import MemoryRecords

from switch.adapters.kafka_batch import (
    Answer,
    ProducerIdentity,
    QueuedRecord,
    judge_code,
    make_batch,
)
from switch.adapters.kafka_topic_check import BATCH_BYTES_MAX
from switch.eventlog.port import RECORD_BYTES_MAX

IDENTITY = ProducerIdentity(77, 0)


def queue_of(*values):
    return deque(QueuedRecord(value, b"key", [("ce_id", b"1")], print) for value in values)


def test_a_batch_takes_the_queue_in_order_under_its_writers_identity():
    queue = queue_of(b"a", b"bb", b"ccc")
    sinks = [record.sink for record in queue]
    batch = make_batch(queue, IDENTITY, 5, 9.0)
    assert not queue
    assert (batch.sinks, batch.value_bytes, batch.due) == (sinks, 6, 9.0)
    assert not batch.is_perhaps_written
    read = MemoryRecords(batch.data).next_batch()
    assert (read.producer_id, read.producer_epoch, read.base_sequence) == (77, 0, 5)
    assert read.validate_crc()
    assert [(record.key, record.value) for record in read] == [
        (b"key", b"a"),
        (b"key", b"bb"),
        (b"key", b"ccc"),
    ]


def test_a_full_batch_leaves_the_rest_for_the_next():
    queue = queue_of(*[b"x" * 60_000] * 10)
    first = make_batch(queue, IDENTITY, 0, 0.0)
    assert len(first.data) <= BATCH_BYTES_MAX
    assert len(first.sinks) + len(queue) == 10
    assert queue


def test_the_largest_record_fits_into_a_batch():
    queue = queue_of(b"x" * RECORD_BYTES_MAX)
    assert len(make_batch(queue, IDENTITY, 0, 0.0).data) < BATCH_BYTES_MAX


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (0, Answer.WRITTEN),
        (3, Answer.AGAIN),  # the topic is not known there yet
        (5, Answer.AGAIN),  # no leader
        (6, Answer.AGAIN),  # another leader
        (7, Answer.AGAIN),  # not replicated in time
        (19, Answer.AGAIN),  # too few in sync, before
        (20, Answer.AGAIN),  # too few in sync, after
        (56, Answer.AGAIN),  # its disk
        (10, Answer.REFUSED),  # too large
        (17, Answer.REFUSED),  # no name for a topic
        (29, Answer.REFUSED),  # not allowed
        (31, Answer.REFUSED),  # not allowed at all
        (45, Answer.UNKNOWN),  # out of sequence
        (46, Answer.UNKNOWN),  # known, but not where
        (47, Answer.UNKNOWN),  # another epoch
        (-1, Answer.UNKNOWN),
        (87, Answer.UNKNOWN),
    ],
)
def test_only_a_batch_that_lands_once_is_sent_again(code, answer):
    judged, name = judge_code(code)
    assert judged is answer
    assert bool(name) == (answer is not Answer.WRITTEN)
