import pytest

from switch.eventlog.append_check import AppendVerdict, check_append, count_strays
from switch.eventlog.journal import JournalRecord, PartitionClaimed, PositionNoted
from switch.eventlog.port import AppendUnknown, Fenced


def record(claim_id, event=None):
    event = event or PositionNoted(at=1)
    return JournalRecord(claim_id=claim_id, at=1, watermark=0, registry_position=0, events=(event,))


def claim(claim_id):
    return record(claim_id, PartitionClaimed(owner="o", claim_id=claim_id, at=1))


@pytest.mark.parametrize(
    ("acked", "verdict"),
    [
        (7, AppendVerdict.CONTIGUOUS),
        (8, AppendVerdict.GAP),
        (700, AppendVerdict.GAP),
        (6, AppendVerdict.BACKWARDS),
        (0, AppendVerdict.BACKWARDS),
    ],
)
def test_an_ack_is_measured_against_the_offset_that_had_to_come(acked, verdict):
    assert check_append(7, acked) is verdict


def test_void_strays_are_counted():
    assert count_strays([record("gone"), record("older"), record("gone")], "own") == 3
    assert count_strays([], "own") == 0


def test_a_foreign_claim_fences():
    with pytest.raises(Fenced, match="claim thief"):
        count_strays([record("gone"), claim("thief"), record("thief")], "own")


def test_an_unknown_record_of_our_own_is_not_taken_for_a_stray():
    with pytest.raises(AppendUnknown):
        count_strays([record("gone"), record("own")], "own")
    with pytest.raises(AppendUnknown):
        count_strays([claim("own")], "own")
