from loadtest.journal_maker import (
    EVENTS_PER_PAYMENT,
    MakerSettings,
    count_payments,
    make_partitions,
    terminal_count_for,
)
from loadtest.trail import Journal, RawRecord
from switch.domain.identifiers import parse_rrn
from switch.domain.payment.rules import DecisionRules
from switch.eventlog.journal import encode_record
from switch.eventlog.journal_reader import JournalReader
from switch.handlers.book import PartitionBook

SETTINGS = MakerSettings(partition_count=4, first_at_ms=1_767_225_600_000)


def made(partition, payments, next_offset=0):
    maker = make_partitions(SETTINGS, [next_offset] * 4, terminal_count_for(4))[partition]
    records = [maker.make_claim()]
    for _ in range(payments):
        records += maker.make_payment()
    return [(next_offset + i, encode_record(record)) for i, record in enumerate(records)]


def test_every_record_is_valid_and_folds_into_settled_payments():
    reader, book = JournalReader(), PartitionBook(2, 4, DecisionRules())
    for offset, value in made(2, 300, next_offset=7):
        record = reader.feed(offset, value)
        assert record is not None
        book.apply(record)
    assert len(book) == 300
    assert not book.open_rrns
    assert book.watermark == 300


def test_each_rrn_is_the_address_of_its_first_record():
    journal = Journal().feed_all(RawRecord(3, *record) for record in made(3, 50, next_offset=11))
    for rrn, trail in journal.trails.items():
        assert parse_rrn(rrn) == (3, trail.requested.offset)


def test_the_audit_finds_every_payment_approved_once():
    journal = Journal().feed_all(RawRecord(0, *record) for record in made(0, 200))
    assert journal.void_count == 0
    assert journal.count_unsettled() == 0
    assert journal.event_count == 1 + 200 * EVENTS_PER_PAYMENT
    assert len(journal.rrns_of) == len(journal.trails) == 200


def test_payments_are_shared_evenly():
    assert list(count_payments(1_000_000, 4)) == [62_500] * 4
    assert list(count_payments(10, 4)) == [1, 1, 1, 0]
