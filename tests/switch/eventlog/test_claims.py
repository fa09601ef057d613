from switch.eventlog.claims import JOURNAL_FORMAT
from switch.eventlog.journal_reader import is_claim


def test_a_claim_names_its_owner_and_itself():
    record = JOURNAL_FORMAT.make_claim("owner", "own", 7)
    assert (record.claim_id, record.at) == ("own", 7)
    assert (record.events[0].owner, record.events[0].claim_id) == ("owner", "own")


def test_a_claim_is_read_as_it_was_written():
    record = JOURNAL_FORMAT.make_claim("owner", "own", 7)
    read = JOURNAL_FORMAT.decode(JOURNAL_FORMAT.encode(record))
    assert read == record
    assert is_claim(read)
