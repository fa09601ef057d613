from projections.audit.cases import FOLDED, CaseRow, apply, case_id_of
from projections.position import Place
from switch.domain.cases.events import CaseNoted, CaseResolved, Resolution
from switch.domain.money import Money
from switch.domain.payment.events import CaseOpened
from switch.domain.payment.rules import DecisionRules
from switch.eventlog.journal import InboundParked, PositionNoted
from switch.eventlog.journal_reader import JournalReader
from switch.handlers.book import PartitionBook

PLACE = Place(3, 41)


def opened(at=1, **changes):
    return CaseOpened(case_id="c", kind="not-served", at=at, rrn="030000000007", **changes)


def fold(*events):
    row = None
    for offset, event in enumerate(events):
        row = apply(row, event, Place(3, offset), event.at)
    return row


def test_a_case_stands_where_the_partitions_own_fold_says(make_log):
    rows: dict[str, CaseRow] = {}
    seen = set()
    book, reader = PartitionBook(0, 1, DecisionRules()), JournalReader()
    log = make_log(2_500, partition_count=1)
    for stored in log.partitions["journal", 0].records:
        record = reader.feed(*stored)
        if record is None:
            continue
        book.apply(record)
        for event in record.events:
            if type(event) in FOLDED:
                place = Place(0, stored.offset)
                case_id = case_id_of(event, place)
                row = apply(rows.get(case_id), event, place, getattr(event, "at", record.at))
                assert row is not None
                rows[case_id] = row
                seen.add(row.state)
    assert seen == {"open", "proposed", "resolved", "closed"}
    for case_id, row in rows.items():
        case = book.cases.find(case_id)
        assert case is not None
        assert (row.state, row.kind, row.rrn, row.owner) == (
            case.state.value,
            case.kind,
            case.rrn,
            case.owner,
        )
        assert row.ended_at_ms == case.ended_at
        assert (row.resolved_by, row.confirmed_by) == (case.resolved_by, case.confirmed_by)
        assert row.proposed_by == (case.proposal.by if case.proposal else "")


def test_an_opening_says_where_it_is_and_what_it_is_about():
    row = apply(None, opened(detail="told", amount=Money(5, "156")), PLACE, 9)
    assert row is not None
    assert (row.partition, row.journal_offset, row.opened_at_ms) == (3, 41, 9)
    assert (row.amount_minor, row.currency, row.detail) == (5, "156", "told")


def test_a_parked_record_is_a_case_that_names_its_fault():
    parked = InboundParked(inbound_offset=7, inbound_id="g-1", fault="KeyError", at=1)
    row = apply(None, parked, PLACE, 1)
    assert row is not None
    assert (row.case_id, row.kind) == ("inbound-parked-03-7", "inbound-parked")
    assert row.detail == "KeyError (inbound offset 7)"


def test_a_nul_in_what_a_message_brought_does_not_stop_the_tables():
    parked = InboundParked(inbound_offset=7, inbound_id="g-1", fault="odd a\0b", at=1)
    for event in (parked, opened(detail="odd a\0b")):
        row = apply(None, event, PLACE, 1)
        assert row is not None
        assert row.detail.startswith("odd a\ufffdb")


def test_a_case_opened_again_is_counted_and_taken_up_if_it_had_ended():
    noted = CaseNoted(case_id="c", by="a", at=2, text="t", command_id="1")
    twice = fold(opened(), noted, opened(3, detail="later"))
    assert (twice.opening_count, twice.detail, twice.updated_at_ms) == (2, "", 3)
    resolved = CaseResolved(
        case_id="c", by="a", at=4, resolution=Resolution.STANDS, text="t", command_id="2"
    )
    again = fold(opened(), noted, resolved, opened(5, detail="later"))
    assert (again.state, again.resolution, again.detail) == ("open", "", "later")
    assert (again.opening_count, again.note_count, again.ended_at_ms) == (2, 1, 0)


def test_what_concerns_no_known_case_makes_no_row():
    noted = CaseNoted(case_id="c", by="a", at=2, text="t", command_id="1")
    assert apply(None, noted, PLACE, 2) is None
    assert case_id_of(PositionNoted(at=1), PLACE) == ""
    row = apply(None, opened(), PLACE, 1)
    assert apply(row, PositionNoted(at=2), PLACE, 2) is row
