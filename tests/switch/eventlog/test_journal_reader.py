import pytest

from switch.eventlog.journal import (
    JournalRecord,
    PartitionClaimed,
    PartitionReleased,
    PositionNoted,
    UnknownEvent,
    encode_record,
)
from switch.eventlog.journal_reader import JournalReader, is_claim


def record(claim_id, event):
    return JournalRecord(claim_id=claim_id, at=1, watermark=0, registry_position=0, events=(event,))


def claim(claim_id):
    return record(claim_id, PartitionClaimed(owner="o", claim_id=claim_id, at=1))


def note(claim_id, at=1):
    return record(claim_id, PositionNoted(at=at))


def read(reader, *records):
    """Feed one after the other; show which were valid."""
    first = reader.next_offset
    fed = [reader.feed(first + n, encode_record(r)) for n, r in enumerate(records)]
    assert all(found is None or found == r for found, r in zip(fed, records, strict=True))
    return "".join("." if found is None else "v" for found in fed)


@pytest.mark.parametrize(
    ("records", "valid"),
    [
        ([note("a")], "."),
        ([note("")], "."),
        ([claim("a"), note("a"), note("a")], "vvv"),
        ([claim("a"), note("b")], "v."),
        ([claim("a"), claim("b"), note("a"), note("b")], "vv.v"),
        ([claim("a"), note("a"), claim("b"), note("a"), note("b"), note("a")], "vvv.v."),
        ([claim("a"), claim("b"), claim("a"), note("b"), note("a")], "vvv.v"),
        ([claim("a"), record("a", PartitionReleased(owner="o", at=1)), note("a")], "vvv"),
    ],
)
def test_only_records_of_the_latest_claim_are_valid(records, valid):
    reader = JournalReader()
    assert read(reader, *records) == valid
    assert reader.void_count == valid.count(".")
    assert reader.last_was_void == valid.endswith(".")
    assert reader.next_offset == len(records)


def test_the_epoch_is_the_offset_of_the_claim_in_force():
    reader = JournalReader()
    assert reader.epoch == -1
    reader.feed(5, encode_record(claim("a")))
    reader.feed(9, encode_record(note("a")))
    reader.feed(12, encode_record(claim("b")))
    assert (reader.epoch, reader.claim_id, reader.next_offset) == (12, "b", 13)


def test_a_record_without_events_is_no_claim():
    empty = JournalRecord(claim_id="a", at=1, watermark=0, registry_position=0, events=())
    assert not is_claim(empty)
    assert is_claim(claim("a"))


def test_a_record_is_never_read_twice():
    reader = JournalReader()
    reader.feed(3, encode_record(claim("a")))
    with pytest.raises(AssertionError, match="in order"):
        reader.feed(3, encode_record(claim("a")))


def test_an_unreadable_record_stops_the_reader_where_it_is():
    reader = JournalReader()
    reader.feed(0, encode_record(claim("a")))
    with pytest.raises(UnknownEvent):
        reader.feed(1, b"{}")
    assert reader.next_offset == 1
