from switch.eventlog.claims import JOURNAL_FORMAT
from switch.eventlog.journal import decode_record, encode_record
from switch.eventlog.journal_place import Claims, JournalPlace
from switch.eventlog.journal_reader import RecordReader


def test_a_claim_is_in_force_from_its_own_offset_on():
    claims = Claims([(3, "a"), (7, "b")])
    claims.note(9, "c")
    found = [claims.in_force_at(offset) for offset in (2, 3, 6, 7, 8, 9, 100)]
    assert found == ["", "a", "a", "b", "b", "c", "c"]
    assert claims.list() == ((3, "a"), (7, "b"), (9, "c"))


def test_a_reader_goes_on_from_a_place_as_if_it_had_read_everything():
    values = [
        encode_record(JOURNAL_FORMAT.make_claim("owner", claim_id, 1)) for claim_id in ("a", "b")
    ]
    whole = RecordReader(decode_record)
    for offset, value in enumerate(values):
        whole.feed(offset, value)
    place = JournalPlace(next_offset=1, claim_id="a", epoch=0, claims=((0, "a"),))
    later = RecordReader(decode_record, place)
    later.feed(1, values[1])
    assert (later.claim_id, later.epoch, later.next_offset) == ("b", 1, 2)
    assert (whole.claim_id, whole.epoch, whole.next_offset) == ("b", 1, 2)
