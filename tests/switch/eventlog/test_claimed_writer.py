import pytest

from switch.eventlog.claimed_writer import ClaimedWriter
from switch.eventlog.journal import JournalRecord, PartitionClaimed, PositionNoted
from switch.eventlog.port import AppendRefused, AppendUnknown, Fenced


def record(claim_id, event=None):
    event = event or PositionNoted(at=1)
    return JournalRecord(claim_id=claim_id, at=1, watermark=0, registry_position=0, events=(event,))


def claim(claim_id):
    return record(claim_id, PartitionClaimed(owner="o", claim_id=claim_id, at=1))


class Appender:
    """A writer claimed at offset 4, and what those who append are told."""

    def __init__(self):
        self.writer = ClaimedWriter(claim_id="own", epoch=4, append_deadline_ms=100)
        self.heard = []

    def append(self, count, boot_ms=0):
        for _ in range(count):
            self.writer.note_append(self.heard.append, boot_ms)

    def listen(self):
        for sink, outcome in self.writer.take_told():
            sink(outcome)
        return self.heard


@pytest.fixture
def appender():
    return Appender()


def test_acks_in_a_row_are_told_in_order(appender):
    appender.append(2)
    assert appender.writer.next_append_offset == 7
    appender.writer.take_ack(5)
    appender.writer.take_ack(6)
    assert appender.listen() == [5, 6]


def test_acks_behind_a_gap_wait_until_it_was_read_whole(appender):
    appender.append(3)
    for offset in (7, 8, 10):
        appender.writer.take_ack(offset)
    assert appender.listen() == []
    assert (appender.writer.next_offset, appender.writer.gap_end) == (5, 7)
    appender.writer.take_gap([record("gone")])
    appender.writer.take_gap([record("gone")])
    appender.writer.end_gap()
    assert appender.listen() == [7, 8]
    assert (appender.writer.next_offset, appender.writer.gap_end) == (9, 10)
    appender.writer.take_gap([])
    appender.writer.end_gap()
    assert appender.listen() == [7, 8, 10]
    assert appender.writer.void_count == 2


def test_a_foreign_claim_in_a_gap_fails_everything(appender):
    appender.append(2)
    appender.writer.take_ack(6)
    appender.writer.take_gap([claim("thief")])
    appender.writer.end_gap()
    assert [type(outcome) for outcome in appender.listen()] == [Fenced, Fenced]
    assert appender.writer.failure is appender.heard[0]


def test_a_gap_that_cannot_be_decoded_is_unknown(appender):
    appender.append(1)
    appender.writer.take_ack(6)
    appender.writer.take_gap(int(text) for text in ["not a record"])
    assert isinstance(appender.writer.failure, AppendUnknown)


def test_an_offset_that_was_given_before_is_unknown(appender):
    appender.append(1)
    appender.writer.take_ack(4)
    assert [type(outcome) for outcome in appender.listen()] == [AppendUnknown]


def test_after_a_failure_nothing_is_heard_any_more(appender):
    appender.append(2)
    refused = AppendRefused("full")
    appender.writer.take_ack(refused)
    appender.writer.take_ack(5)
    appender.writer.fail(AppendUnknown("later"))
    assert appender.listen() == [refused, refused]
    with pytest.raises(AssertionError, match="nothing more is appended"):
        appender.append(1)


def test_the_deadline_is_that_of_the_oldest_record(appender):
    assert appender.writer.deadline_boot_ms() is None
    appender.append(1, boot_ms=10)
    appender.append(1, boot_ms=50)
    appender.writer.check_time(109)
    appender.writer.take_ack(5)
    assert appender.writer.deadline_boot_ms() == 150
    appender.writer.check_time(150)
    assert [type(outcome) for outcome in appender.listen()] == [int, AppendUnknown]
