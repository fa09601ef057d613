import pytest

from switch.eventlog.claims import JOURNAL_FORMAT, ClaimFold
from switch.eventlog.journal import JournalRecord, PositionNoted, decode_record, encode_record
from switch.eventlog.port import AppendUnknown, StoredRecord


def claim(claim_id):
    return encode_record(JOURNAL_FORMAT.make_claim("owner", claim_id, 7))


def note(claim_id):
    event = PositionNoted(at=1)
    return encode_record(
        JournalRecord(claim_id=claim_id, at=1, watermark=0, registry_position=0, events=(event,))
    )


def fold_up_to(epoch, *values):
    told = []
    fold = ClaimFold(
        decode_record,
        claim_id="own",
        epoch=epoch,
        on_record=lambda offset, _record: told.append(offset),
    )
    stored = [StoredRecord(offset, value) for offset, value in enumerate(values)]
    fold.feed(stored[:1])
    fold.feed(stored[1:])
    return fold, told


def test_a_claim_names_its_owner_and_itself():
    record = JOURNAL_FORMAT.make_claim("owner", "own", 7)
    assert (record.claim_id, record.at) == ("own", 7)
    assert (record.events[0].owner, record.events[0].claim_id) == ("owner", "own")


def test_the_fold_ends_with_the_claim_and_passes_over_what_is_void():
    fold, told = fold_up_to(3, claim("a"), note("a"), note("stray"), claim("own"), note("own"))
    assert fold.is_done
    assert told == [0, 1, 3]
    assert fold.count_voids() == 1


def test_the_fold_goes_on_until_the_claim_was_read():
    fold, told = fold_up_to(9, claim("a"), note("a"))
    assert not fold.is_done
    assert (fold.next_offset, told) == (2, [0, 1])


@pytest.mark.parametrize("values", [(claim("a"), claim("other")), (claim("a"), note("a"))])
def test_a_claim_that_is_not_where_it_was_acked_is_unknown(values):
    fold, _ = fold_up_to(1, *values)
    assert fold.is_done
    with pytest.raises(AppendUnknown, match="not there"):
        fold.count_voids()


def test_a_claim_that_a_gap_swallowed_is_unknown():
    fold = ClaimFold(decode_record, claim_id="own", epoch=1, on_record=lambda *_: None)
    fold.feed([StoredRecord(0, claim("a")), StoredRecord(5, note("a"))])
    assert fold.is_done
    with pytest.raises(AppendUnknown, match="not there"):
        fold.count_voids()
