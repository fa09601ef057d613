"""Each violation is made by hand, in an otherwise clean world, and must be found alone."""

import json

import msgspec
import pytest

from loadtest.audit import run_audit
from loadtest.ledger import LedgerLine
from loadtest.told import Told
from loadtest.trail import Journal, RawRecord

KEY = "demo|m1|t1|000001|000001|payment"
RRN = "000000000001"
REQUESTED = {
    "type": "payment-requested.v1",
    "rrn": RRN,
    "request": {"idempotency_key": KEY, "amount": {"minor": 500, "currency": "156"}},
}
ROUTED = {"type": "payment-routed.v1", "rrn": RRN}
LINE = {"gross_minor": 500, "fee_minor": 3}
APPROVED = {
    "type": "payment-approved.v1",
    "rrn": RRN,
    "answer": {"response_code": "00", "rrn": RRN, "authorization_id": "A1"},
    "line": LINE,
}
UNKNOWN = {
    "type": "outcome-unknown.v1",
    "rrn": RRN,
    "answer": {"response_code": "98", "rrn": RRN},
}
ACCEPTED = {
    "type": "reversal-accepted.v1",
    "rrn": RRN,
    "upstream": True,
    "answer": {"response_code": "00"},
}
REVERSED = {
    "type": "payment-reversed.v1",
    "rrn": RRN,
    "line": {"gross_minor": -500, "fee_minor": -3},
}
REVERSED_UNBOOKED = {"type": "payment-reversed.v1", "rrn": RRN}
CASE = {"type": "case-opened.v1", "rrn": RRN, "kind": "unmatched-reversal"}
DEBIT = LedgerLine(op="debit", rrn=RRN, stan="7", amount_minor=500, outcome="approved", at=2000)
SILENT_DEBIT = msgspec.structs.replace(DEBIT, outcome="silent")
VOID = LedgerLine(op="void", rrn=RRN, stan="7", amount_minor=500, outcome="approved", at=2000)
REVERSAL = LedgerLine(op="reversal", rrn=RRN, amount_minor=500, outcome="reversed", at=3000)
SALE = Told(
    kind="sale",
    acquirer="demo",
    merchant_id="m1",
    terminal_id="t1",
    batch="000001",
    stan="000001",
    amount_minor=500,
    at=2500,
    response_code="00",
    rrn=RRN,
    authorization_id="A1",
)


def changed(line, **fields):
    return msgspec.structs.replace(line, **fields)


def journal_of(*decisions):
    """Build a journal: a claim, then one record for each tuple of events."""
    records = [({"type": "partition-claimed.v1", "claim_id": "c"},), *decisions]
    return Journal().feed_all(
        RawRecord(
            0,
            offset,
            json.dumps({"claim_id": "c", "at": 1000 + offset, "events": events}).encode(),
        )
        for offset, events in enumerate(records)
    )


SOLD = ((REQUESTED, ROUTED), (APPROVED,))
TIMED_OUT = ((REQUESTED, ROUTED), (UNKNOWN,))
TAKEN_BACK = (*SOLD, (ACCEPTED,), (REVERSED,))
REVERSAL_TOLD = changed(SALE, kind="reversal", authorization_id="")


@pytest.mark.parametrize(
    ("decisions", "ledger", "told"),
    [
        ((), (), ()),
        (SOLD, (DEBIT,), (SALE,)),
        (SOLD, (VOID,), ()),
        ((*TIMED_OUT, (REVERSED_UNBOOKED,)), (VOID, REVERSAL), ()),
        (SOLD, (DEBIT,), (SALE, changed(SALE, kind="repeat", mac_valid=True))),
        (
            SOLD,
            (DEBIT,),
            (SALE, changed(SALE, kind="conflict", amount_minor=9, response_code="94")),
        ),
        (SOLD, (DEBIT,), (changed(SALE, response_code="", rrn="", authorization_id=""),)),
        (TAKEN_BACK, (DEBIT, REVERSAL), (SALE, REVERSAL_TOLD)),
        (
            TAKEN_BACK,
            (DEBIT, REVERSAL),
            (
                SALE,
                REVERSAL_TOLD,
                changed(SALE, kind="repeat", response_code="94", authorization_id=""),
            ),
        ),
        (
            (*TIMED_OUT, (REVERSED_UNBOOKED,)),
            (SILENT_DEBIT, REVERSAL),
            (changed(SALE, response_code="98", authorization_id=""),),
        ),
        ((*TIMED_OUT, (CASE,)), (SILENT_DEBIT,), ()),
        (
            (),
            (),
            (
                changed(SALE, response_code="96", rrn="", authorization_id=""),
                changed(SALE, kind="repeat", response_code="91", rrn="", authorization_id=""),
            ),
        ),
    ],
)
def test_a_sound_story_is_not_blamed(decisions, ledger, told):
    assert run_audit(journal_of(*decisions), ledger, told).violations == ()


@pytest.mark.parametrize(
    ("decisions", "ledger", "told", "invariant", "kind"),
    [
        (SOLD, (DEBIT, changed(DEBIT, stan="8")), (), 1, "debited-twice"),
        (SOLD, (DEBIT, changed(DEBIT, outcome="declined")), (), 1, "debited-twice"),
        (SOLD, (), (SALE,), 3, "approval-without-debit"),
        (SOLD, (changed(DEBIT, outcome="declined"),), (), 3, "approval-without-debit"),
        (SOLD, (changed(VOID, outcome="declined"),), (), 3, "approval-without-debit"),
        ((*TIMED_OUT, (REVERSED_UNBOOKED,)), (VOID,), (), 3, "return-unaccounted-for"),
        (SOLD, (changed(DEBIT, amount_minor=501),), (), 3, "debit-of-another-amount"),
        (SOLD, (changed(DEBIT, at=1000),), (), 4, "debit-without-route"),
        (SOLD, (DEBIT, REVERSAL), (), 3, "reversal-without-intent"),
        (TAKEN_BACK, (DEBIT,), (), 3, "debit-unaccounted-for"),
        ((*TIMED_OUT, (REVERSED,)), (REVERSAL, DEBIT), (), 3, "debit-unaccounted-for"),
        ((*SOLD, (ACCEPTED,)), (DEBIT,), (), 8, "reversal-unfinished"),
        (TIMED_OUT, (), (), 8, "reversal-unfinished"),
        (((REQUESTED, ROUTED),), (), (), 8, "outcome-missing"),
        (
            (*SOLD, (ACCEPTED,), (REVERSED_UNBOOKED,)),
            (DEBIT, REVERSAL),
            (),
            7,
            "reversal-not-mirrored",
        ),
        (SOLD, (DEBIT,), (changed(SALE, amount_minor=501),), 2, "approval-not-in-journal"),
        (SOLD, (DEBIT,), (changed(SALE, authorization_id="B"),), 2, "approval-not-in-journal"),
        (SOLD, (DEBIT,), (changed(SALE, stan="000002"),), 2, "approval-not-in-journal"),
        ((), (), (SALE,), 2, "approval-not-in-journal"),
        (((REQUESTED, ROUTED), (UNKNOWN, CASE)), (), (SALE,), 2, "approval-not-in-journal"),
        (
            SOLD,
            (DEBIT,),
            (SALE, changed(SALE, kind="repeat", response_code="51", authorization_id="")),
            5,
            "repeat-told-otherwise",
        ),
        (
            SOLD,
            (DEBIT,),
            (SALE, changed(SALE, kind="repeat", response_code="94")),
            5,
            "repeat-told-otherwise",
        ),
        (SOLD, (DEBIT,), (changed(SALE, kind="conflict"),), 5, "conflict-approved"),
        (SOLD, (DEBIT,), (changed(SALE, mac_valid=False),), 5, "answer-with-wrong-mac"),
        (SOLD, (DEBIT,), (SALE, REVERSAL_TOLD), 3, "reversal-left-a-debit"),
        (SOLD, (DEBIT,), (changed(SALE, response_code="98"),), 3, "declined-but-debited"),
    ],
)
def test_a_violation_is_found_alone_and_shown(decisions, ledger, told, invariant, kind):
    report = run_audit(journal_of(*decisions), ledger, told)
    assert [(v.invariant, v.kind) for v in report.violations] == [(invariant, kind)]
    assert not report.is_clean
    [violation] = report.violations
    assert RRN in (violation.rrn, *violation.evidence) or violation.key == KEY
    assert all(violation.evidence)


def test_a_key_that_was_decided_twice_is_found_though_each_rrn_has_one_debit():
    other = "000000000009"
    again = [{**event, "rrn": other} for event in (REQUESTED, ROUTED)]
    approved = {**APPROVED, "rrn": other}
    report = run_audit(
        journal_of(*SOLD, tuple(again), (approved,)), (DEBIT, changed(DEBIT, rrn=other)), ()
    )
    assert [v.kind for v in report.violations] == ["key-decided-twice", "debited-twice"]


def test_a_debit_that_only_a_void_record_routed_is_found():
    stray = {"claim_id": "stale", "at": 1, "events": [REQUESTED, ROUTED]}
    journal = journal_of()
    journal.feed(RawRecord(0, 1, json.dumps(stray).encode()))
    report = run_audit(journal, (DEBIT,), ())
    assert {v.kind for v in report.violations} == {"debit-without-route", "debit-unaccounted-for"}
    assert report.void_records == 1


def test_the_report_counts_what_it_looked_at():
    report = run_audit(journal_of(*TAKEN_BACK), (DEBIT, REVERSAL), (SALE,))
    assert (report.payments, report.approvals, report.debits, report.standing_debits) == (
        1,
        1,
        1,
        0,
    )
    assert (report.journal_records, report.ledger_lines, report.told) == (5, 2, 1)
    assert report.is_clean
