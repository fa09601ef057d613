import struct

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.generated_journal import JournalMaker
from switch.domain.payment.rules import DecisionRules
from switch.eventlog.journal import JournalRecord
from switch.eventlog.journal_place import Claims, JournalPlace
from switch.eventlog.journal_reader import JournalReader, is_claim
from switch.handlers.book import PartitionBook
from switch.handlers.folded import Folded
from switch.handlers.snapshot import (
    FRAME_BYTES_MAX,
    SnapshotDecoder,
    SnapshotUnusable,
    check_last_record,
    counts,
    encode_snapshot,
    make_origin,
)

RULES = DecisionRules()
DAY_MS = 86_400_000


def origin_of(**changes):
    given = {"partition": 1, "partition_count": 4, "code_digest": "this code", "rules": RULES}
    return make_origin(**given | changes)


class Fold:
    """A book, and how far it has read: from the start, or from a snapshot."""

    def __init__(self, place=None, book=None):
        self.reader = JournalReader() if place is None else JournalReader(place)
        self.claims = Claims(place.claims if place else ())
        self.book = book or PartitionBook(1, 4, RULES)

    def feed(self, values):
        for value in values:
            offset = self.reader.next_offset
            record = self.reader.feed(offset, value)
            if record is not None:
                if is_claim(record):
                    self.claims.note(offset, record.claim_id)
                self.book.apply(record)

    @property
    def place(self):
        reader = self.reader
        return JournalPlace(
            next_offset=reader.next_offset,
            claim_id=reader.claim_id,
            epoch=reader.epoch,
            void_count=reader.void_count,
            claims=self.claims.list(),
        )

    def encode(self):
        return b"".join(encode_snapshot(self.book, self.place, origin_of()))


def decode(data, origin=None, size=0, rules=RULES):
    decoder = SnapshotDecoder(origin or origin_of(), rules)
    for start in range(0, len(data), size or len(data) or 1):
        decoder.feed(data[start : start + (size or len(data))])
    return decoder.finish()


def ordered(value):
    """Write a fold down with the order of its dicts: what is oldest there is forgotten first."""
    if isinstance(value, Folded):
        return [(name, ordered(one)) for name, one in sorted(vars(value).items())]
    if isinstance(value, dict):
        return [(key, ordered(one)) for key, one in value.items()]
    return value


def make_journal(seed, count):
    """Make a journal of weeks: some of it is forgotten while it is read."""
    maker, values = JournalMaker(1, seed, trouble=0.7, merchant_count=5), []
    for piece in range(4):
        values += maker.make(count // 4)
        maker._at += DAY_MS * 8 if piece % 2 else 3_600_000
    return values + maker.make(10)


@pytest.fixture(scope="module")
def whole():
    fold = Fold()
    fold.feed(make_journal(1, 600))
    return fold.encode()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 810), max_size=4))
def test_a_snapshot_and_the_tail_give_what_the_whole_journal_gives(seed, cuts):
    values = make_journal(seed, 800)
    straight, broken, start = Fold(), Fold(), 0
    straight.feed(values)
    for cut in sorted(cuts):
        broken.feed(values[start:cut])
        start = max(start, cut)
        broken = Fold(*decode(broken.encode()))
    broken.feed(values[start:])
    assert broken.book == straight.book
    assert broken.place == straight.place
    assert ordered(broken.book) == ordered(straight.book)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 5_000))
def test_it_may_come_in_pieces_of_any_size(seed, size):
    fold = Fold()
    fold.feed(JournalMaker(1, seed).make(60))
    place, book = decode(fold.encode(), size=size)
    assert place == fold.place
    assert book == fold.book


def test_the_snapshot_of_a_restored_book_restores_the_same_again(whole):
    place, book = decode(whole)
    again = decode(b"".join(encode_snapshot(book, place, origin_of())))
    assert again == (place, book)
    assert ordered(again.book) == ordered(book)


def test_what_is_restored_is_not_tied_to_what_was_written():
    fold = Fold()
    values = make_journal(3, 400)
    fold.feed(values[:200])
    first, second = Fold(*decode(fold.encode())), Fold(*decode(fold.encode()))
    first.feed(values[200:])
    assert second.book == fold.book
    assert first.book != second.book


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"partition": 2}, "partition"),
        ({"partition_count": 5}, "number of partitions"),
        ({"code_digest": "other code"}, "version of this program"),
        ({"rules": DecisionRules(refund_days=90)}, "set of decision rules"),
    ],
)
def test_one_of_another_origin_is_as_good_as_none(whole, changes, word):
    with pytest.raises(SnapshotUnusable, match=f"of another {word}"):
        decode(whole, origin_of(**changes))


def test_one_of_another_format_is_as_good_as_none(whole):
    with pytest.raises(SnapshotUnusable, match="of another format"):
        decode(whole, msgspec.structs.replace(origin_of(), format="payment-switch snapshot 0"))


def list_cuts(length):
    """Every byte of both ends, and places all over."""
    return {*range(200), *range(length - 200, length), *range(0, length, length // 97)}


def test_one_that_was_cut_off_is_as_good_as_none(whole):
    for length in list_cuts(len(whole)):
        with pytest.raises(SnapshotUnusable):
            decode(whole[:length])


def test_one_with_a_byte_turned_is_as_good_as_none(whole):
    for place in list_cuts(len(whole)):
        torn = bytearray(whole)
        torn[place] ^= 0x10
        with pytest.raises(SnapshotUnusable):
            decode(bytes(torn))


@pytest.mark.parametrize("claimed_length", [1, FRAME_BYTES_MAX, FRAME_BYTES_MAX + 1, 2**32 - 1])
def test_one_that_lies_about_the_length_of_its_rows_is_as_good_as_none(whole, claimed_length):
    (header_length,) = struct.unpack_from(">I", whole)
    block = 4 + header_length + 5  # behind the frame's length and the part's number
    lying = whole[:block] + struct.pack("<I", claimed_length) + whole[block + 4 :]
    with pytest.raises(SnapshotUnusable):
        decode(lying)


def test_one_with_a_hole_or_a_piece_twice_is_as_good_as_none(whole):
    middle = len(whole) // 2
    for length in (1, 512, 4_096):
        with pytest.raises(SnapshotUnusable):
            decode(whole[:middle] + whole[middle + length :])
        with pytest.raises(SnapshotUnusable):
            decode(whole[:middle] + bytes(length) + whole[middle + length :])
        with pytest.raises(SnapshotUnusable):
            decode(whole[:middle] + whole[middle - length :])


def test_what_follows_the_end_makes_it_unusable(whole):
    with pytest.raises(SnapshotUnusable, match="follows its end"):
        decode(whole + b"\0")


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"{}", b"\xff" * 50, b"\0\0\0\x02{}"])
def test_something_else_altogether_is_no_snapshot(data):
    with pytest.raises(SnapshotUnusable):
        decode(data)


def test_nothing_is_written_of_a_book_that_holds_something_unknown():
    book = PartitionBook(1, 4, RULES)
    book.cases._new = {}
    with pytest.raises(AssertionError, match="CaseShelf"):
        list(encode_snapshot(book, JournalPlace(), origin_of()))


def test_a_machine_over_a_restored_book_goes_on_as_the_first_would(world, make_message):
    world.send(make_message())
    world.issuer_says("00")
    world.send(make_message(stan="000124"))  # its issuer is still to answer

    def ask_again():
        repeats = [make_message(), make_message("0400", stan="000125"), make_message(mac="0" * 16)]
        return [world.answers(world.send(repeat)) for repeat in repeats]

    before = ask_again()
    data = b"".join(encode_snapshot(world.book, JournalPlace(), origin_of()))
    world.restart(decode(data).book)
    assert ask_again() == before
    world.pass_ms(3_100)
    assert world.sent_kinds().count("0420") == 1


TAKEN = JournalPlace(next_offset=90, claim_id="own", epoch=10, void_count=3)


@pytest.mark.parametrize(
    ("changes", "is_any_use"),
    [
        ({"next_offset": 200}, True),
        ({"claim_id": "another", "epoch": 120}, False),
        ({"epoch": 120}, False),
        ({"void_count": 4}, False),
    ],
)
def test_it_counts_if_nothing_foreign_came_between_its_records(changes, is_any_use):
    assert counts(TAKEN, msgspec.structs.replace(TAKEN, **changes)) is is_any_use


def test_the_last_record_in_it_must_be_the_journals():
    record = JournalRecord(claim_id="own", at=0, watermark=0, registry_position=0, events=())
    check_last_record(TAKEN, record)
    with pytest.raises(SnapshotUnusable, match="does not go as far"):
        check_last_record(TAKEN, None)
    with pytest.raises(SnapshotUnusable, match="of another journal"):
        check_last_record(TAKEN, msgspec.structs.replace(record, claim_id="another"))
