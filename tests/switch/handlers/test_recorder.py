import pytest

from switch.domain.clock import Now
from switch.domain.payment.rules import DecisionRules
from switch.eventlog.inbound import Reply
from switch.eventlog.journal import PositionNoted
from switch.handlers.actions import AppendRecord, SendReply
from switch.handlers.book import PartitionBook
from switch.handlers.recorder import Recorder

NOW = Now(1_700_000_000_000, 1)


@pytest.fixture
def recorder():
    return Recorder("claim", PartitionBook(0, 4, DecisionRules()))


def _append(recorder, offset=-1):
    return recorder.append((PositionNoted(at=1),), NOW, offset)


def test_the_watermark_stays_below_what_is_not_durable(recorder):
    mark = recorder.begin_inbound(0)
    _append(recorder, 0)
    recorder.end_inbound(0, mark)
    assert recorder.watermark() == 0
    recorder.acknowledge()
    assert recorder.watermark() == 1


def test_a_repeat_that_needs_no_record_does_not_hold_the_watermark_back(recorder):
    mark = recorder.begin_inbound(0)
    recorder.end_inbound(0, mark)
    assert recorder.watermark() == 1


def test_a_later_decision_does_not_carry_an_earlier_open_one_along(recorder):
    for offset in (0, 1):
        mark = recorder.begin_inbound(offset)
        _append(recorder, offset)
        recorder.end_inbound(offset, mark)
    written = [a.record for a in recorder.actions if isinstance(a, AppendRecord)]
    assert [record.watermark for record in written] == [0, 0]


def test_every_record_moves_the_offset_that_the_next_must_get(recorder):
    recorder.next_offset = 7
    _append(recorder)
    assert recorder.next_offset == 8
    assert recorder.unacknowledged_count == 1


def test_a_position_is_noted_once(recorder):
    recorder.end_inbound(0, recorder.begin_inbound(0))
    recorder.note_position(NOW)
    recorder.note_position(NOW)
    assert len(recorder.actions) == 1


def test_a_debit_waits_until_its_record_is_durable(recorder):
    _append(recorder).debit_rrn = "r"
    assert recorder.list_waiting_debits() == {"r"}
    recorder.acknowledge()
    assert recorder.list_waiting_debits() == set()


def test_what_is_said_waits_for_everything_decided_before_it(recorder):
    reply = Reply(gateway="gw", inbound_id="gw-1")
    _append(recorder)
    _append(recorder)
    recorder.actions.clear()
    recorder.say(reply)
    recorder.acknowledge()
    assert recorder.actions == []
    recorder.acknowledge()
    assert recorder.actions == [SendReply(reply)]
    recorder.say(reply)
    assert recorder.actions == [SendReply(reply)] * 2
    recorder.say(None)
    assert len(recorder.actions) == 2
