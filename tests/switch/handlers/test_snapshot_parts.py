import gc

import pytest

from loadtest.generated_journal import JournalMaker
from switch.domain.payment.rules import DecisionRules
from switch.eventlog.journal_reader import JournalReader
from switch.handlers.book import PartitionBook
from switch.handlers.folded import Folded
from switch.handlers.snapshot_parts import KNOWN, PARTS, check_known, slice_rows

RULES = DecisionRules()
DAY_MS = 86_400_000


def list_classes(folded=Folded):
    for child in folded.__subclasses__():
        yield child
        yield from list_classes(child)


def read(values):
    reader = JournalReader()
    found = (reader.feed(offset, value) for offset, value in enumerate(values))
    return [record for record in found if record is not None]


def fold(values, book):
    for record in read(values):
        book.apply(record)
    return book


def copy(book):
    restored = PartitionBook(1, 4, RULES)
    for part in PARTS:
        for rows in slice_rows(part, book):
            part.put_rows(restored, rows)
    return restored


def test_every_folded_class_of_the_switch_is_known():
    found = {one for one in list_classes() if one.__module__.startswith("switch.")}
    assert found == set(KNOWN)


def test_a_fresh_book_holds_exactly_what_is_known():
    book = PartitionBook(1, 4, RULES)
    check_known(book)
    for kind, names in KNOWN.items():
        assert "_rules" in names or len(names) > 1, kind


def test_something_new_in_a_book_is_found_and_named():
    book = PartitionBook(1, 4, RULES)
    book.tills._new = {}
    with pytest.raises(AssertionError, match=r"Tills and its snapshot differ in.*_new"):
        check_known(book)


def test_something_that_is_gone_from_a_book_is_found_and_named():
    book = PartitionBook(1, 4, RULES)
    del book._shelf._holds
    with pytest.raises(AssertionError, match=r"Shelf and its snapshot differ in.*_holds"):
        check_known(book)


def test_drawers_are_known_too():
    book = fold(JournalMaker(1, 3).make(50), PartitionBook(1, 4, RULES))
    for drawer in book._shelf._drawers.values():
        check_known(drawer)


def add_what_is_forgotten(book):
    """Let more fall due than is looked at with one record, and something be spent."""
    reminders = book._shelf._reminders
    reminders.add_all(1, [f"01{number:010d}" for number in range(300)])
    assert list(reminders.take_due(10 * DAY_MS))
    book._shelf._spent.add("010000000007", opened_at=9 * DAY_MS, at=10 * DAY_MS)


def test_generated_journals_meet_every_part():
    """What is never filled would not be tested by the comparison of books."""
    met = set()
    for seed in range(2):
        book = PartitionBook(1, 4, RULES)
        values = JournalMaker(1, seed, trouble=0.8).make(600)
        for offset, record in enumerate(read(values)):
            book.apply(record)
            if offset % 10 == 0:
                met |= {number for number, part in enumerate(PARTS) if any(part.list_rows(book))}
    add_what_is_forgotten(book)
    met |= {number for number, part in enumerate(PARTS) if any(slice_rows(part, book))}
    assert met == set(range(len(PARTS)))
    assert copy(book) == book


def test_words_that_payments_share_are_shared_again():
    book = fold(JournalMaker(1, 5, merchant_count=2).make(2_000), PartitionBook(1, 4, RULES))
    restored = copy(book)
    gc.collect()

    def count_words(book):
        payments = book._shelf._payments.values()
        held = [(one.request, one.answer, one.line, one.terms) for one in payments]
        words = [
            id(getattr(part, name))
            for parts in held
            for part in parts
            if part is not None
            for name in part.__struct_fields__
            if isinstance(getattr(part, name), str)
        ]
        return len(set(words))

    assert restored == book
    assert count_words(restored) <= count_words(book) * 1.01


def test_rrns_in_lists_are_those_of_their_payments():
    restored = copy(fold(JournalMaker(1, 6).make(1_000), PartitionBook(1, 4, RULES)))
    payments = restored._shelf._payments
    assert restored._shelf._batches
    for rrns in restored._shelf._batches.values():
        assert all(rrn is payments[rrn].rrn for rrn in rrns)
    for key, rrn in restored._shelf._rrn_by_key.items():
        assert payments[rrn].request.idempotency_key is key
        assert payments[rrn].rrn is rrn
