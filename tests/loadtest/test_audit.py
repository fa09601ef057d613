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


def changed(line, **fields):
    return msgspec.structs.replace(line, **fields)


OTHER = "000000000002"
REFUND_KEY = "demo|m1|t1|000001|000002|payment"
VOIDED = (
    (
        {
            "type": "payment-requested.v1",
            "rrn": OTHER,
            "request": {
                "idempotency_key": "void-key",
                "transaction": "sale-void",
                "amount": {"minor": 500, "currency": "156"},
            },
        },
        {"type": "payment-routed.v1", "rrn": OTHER, "original_rrn": RRN},
    ),
    (
        {
            "type": "payment-approved.v1",
            "rrn": OTHER,
            "answer": {"response_code": "00", "rrn": OTHER},
            "line": {"gross_minor": -500, "fee_minor": -3},
        },
    ),
)


def asked_for(transaction, minor=500, key=KEY):
    """Write the request of the payment as another kind of transaction."""
    request = {"idempotency_key": key, "transaction": transaction}
    return {**REQUESTED, "request": {**request, "amount": {"minor": minor, "currency": "156"}}}


ADVISED = {
    "type": "advice-accepted.v1",
    "rrn": RRN,
    "terms": {"issuer_id": "i"},
    "answer": {"response_code": "00", "rrn": RRN, "authorization_id": "A1"},
    "line": LINE,
}
TAKEN_AND_TOLD_TO_NOBODY = {
    key: value for key, value in ADVISED.items() if key not in {"terms", "line"}
}
UNROUTABLE = {"type": "case-opened.v1", "rrn": RRN, "kind": "advice-unroutable"}
CONFIRMED = {"type": "advice-confirmed.v1", "rrn": RRN}
AWAITED = {"type": "outcome-awaited.v1", "rrn": RRN}
HELD = {key: value for key, value in APPROVED.items() if key != "line"}
RETURNED_LINE = {"gross_minor": -500, "fee_minor": -3}
DEBIT = LedgerLine(op="debit", rrn=RRN, stan="7", amount_minor=500, outcome="approved", at=2000)
SILENT_DEBIT = msgspec.structs.replace(DEBIT, outcome="silent")
VOID = LedgerLine(
    op="void", rrn=OTHER, amount_minor=500, outcome="approved", at=2000, original_rrn=RRN
)
HOLD = LedgerLine(op="authorization", rrn=RRN, amount_minor=500, outcome="approved", at=2000)
CREDIT = changed(VOID, op="credit")
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
REPORTED = ((asked_for("offline-advice"), ADVISED),)
HOLDING = ((asked_for("pre-authorization"), ROUTED), (HELD,))
REFUND = tuple(
    tuple({**event, "rrn": OTHER} for event in events)
    for events in (
        (asked_for("refund", key=REFUND_KEY), {**ROUTED, "original_rrn": RRN}),
        (AWAITED,),
        ({**APPROVED, "line": RETURNED_LINE},),
    )
)
ASKED = ((asked_for("balance-inquiry", 0), ROUTED), (HELD,))
TIMED_OUT = ((REQUESTED, ROUTED), (UNKNOWN,))
TAKEN_BACK = (*SOLD, (ACCEPTED,), (REVERSED,))
TOLD_REFUND = changed(SALE, kind="refund", rrn=OTHER, stan="000002")
REVERSAL_TOLD = changed(SALE, kind="reversal", authorization_id="")


@pytest.mark.parametrize(
    ("decisions", "ledger", "told"),
    [
        ((), (), ()),
        (SOLD, (DEBIT,), (SALE,)),
        ((*SOLD, *VOIDED), (DEBIT, VOID), (SALE,)),
        (
            (
                *SOLD,
                VOIDED[0],
                ({**UNKNOWN, "rrn": OTHER},),
                ({**REVERSED_UNBOOKED, "rrn": OTHER},),
            ),
            (DEBIT, changed(VOID, outcome="silent"), changed(REVERSAL, rrn=OTHER)),
            (),
        ),
        ((*REPORTED, (CONFIRMED,)), (DEBIT,), (changed(SALE, kind="offline"),)),
        ((*REPORTED, (CASE,)), (changed(DEBIT, outcome="declined"),), ()),
        (((asked_for("adjustment-advice"), TAKEN_AND_TOLD_TO_NOBODY, UNROUTABLE),), (), (SALE,)),
        (
            (*REPORTED, (CONFIRMED,)),
            (changed(DEBIT, outcome="ignored"), DEBIT, changed(DEBIT, outcome="already")),
            (),
        ),
        (HOLDING, (HOLD,), ()),
        (
            (*SOLD, *REFUND),
            (DEBIT, CREDIT),
            (
                changed(TOLD_REFUND, response_code="98", authorization_id=""),
                changed(TOLD_REFUND, kind="repeat"),
            ),
        ),
        (ASKED, (changed(DEBIT, op="inquiry", amount_minor=0),), ()),
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
        ((*SOLD, *VOIDED), (DEBIT,), (), 3, "approval-without-return"),
        ((*SOLD, VOIDED[0], ({**CASE, "rrn": ""},)), (DEBIT, VOID), (), 8, "outcome-missing"),
        (
            (*SOLD, VOIDED[0], ({**VOIDED[1][0], "line": LINE},)),
            (DEBIT, VOID),
            (),
            7,
            "settled-otherwise",
        ),
        (
            (*SOLD, VOIDED[0], ({**VOIDED[1][0], "line": {**RETURNED_LINE, "fee_minor": 0}},)),
            (DEBIT, VOID),
            (),
            7,
            "void-not-mirrored",
        ),
        (HOLDING, (HOLD, changed(HOLD, stan="9")), (), 1, "carried-out-twice"),
        ((*SOLD, *VOIDED), (DEBIT, changed(VOID, at=1000)), (), 4, "void-without-route"),
        (REPORTED, (DEBIT,), (), 8, "issuer-not-told"),
        (
            ((asked_for("adjustment-advice"), TAKEN_AND_TOLD_TO_NOBODY, CASE),),
            (),
            (),
            3,
            "approval-without-debit",
        ),
        ((*REPORTED, (CONFIRMED,)), (), (), 3, "approval-without-debit"),
        (HOLDING, (), (), 3, "approval-without-hold"),
        (HOLDING, (changed(HOLD, amount_minor=499),), (), 3, "authorization-of-another-amount"),
        (
            ((asked_for("pre-authorization"), ROUTED), (UNKNOWN,), (REVERSED_UNBOOKED,)),
            (HOLD,),
            (),
            3,
            "hold-unaccounted-for",
        ),
        ((*SOLD, *REFUND[:2]), (DEBIT,), (), 8, "issuer-not-told"),
        (
            (*SOLD, REFUND[0], ({**UNKNOWN, "rrn": OTHER, "type": "payment-declined.v1"},)),
            (DEBIT, CREDIT),
            (),
            3,
            "return-unaccounted-for",
        ),
        (ASKED, (DEBIT,), (), 3, "debit-of-another-amount"),
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
    assert {RRN, OTHER} & {violation.rrn, *violation.evidence} or violation.key == KEY
    assert all(violation.evidence)


def test_a_key_that_was_decided_twice_is_found_though_each_rrn_has_one_debit():
    other = "000000000009"
    again = [{**event, "rrn": other} for event in (REQUESTED, ROUTED)]
    approved = {**APPROVED, "rrn": other}
    report = run_audit(
        journal_of(*SOLD, tuple(again), (approved,)), (DEBIT, changed(DEBIT, rrn=other)), ()
    )
    assert [v.kind for v in report.violations] == ["key-decided-twice", "debited-twice"]


def test_an_inquiry_that_is_repeated_is_asked_anew():
    other = "000000000009"
    first, second = asked_for("balance-inquiry"), {**asked_for("balance-inquiry"), "rrn": other}
    approved = {**HELD, "rrn": other, "answer": {**HELD["answer"], "rrn": other}}
    routed = ROUTED, {**ROUTED, "rrn": other}
    journal = journal_of((first, routed[0]), (HELD,), (second, routed[1]), (approved,))
    told = (changed(SALE, kind="balance"), changed(SALE, kind="repeat", rrn=other))
    assert run_audit(journal, (), told).is_clean


def test_a_debit_that_only_a_void_record_routed_is_found():
    stray = {"claim_id": "stale", "at": 1, "events": [REQUESTED, ROUTED]}
    journal = journal_of()
    journal.feed(RawRecord(0, 1, json.dumps(stray).encode()))
    report = run_audit(journal, (DEBIT,), ())
    assert {v.kind for v in report.violations} == {"debit-without-route", "debit-unaccounted-for"}
    assert report.void_records == 1


def test_more_given_back_than_taken_is_found_with_its_first_payment():
    refund = LedgerLine(
        op="credit", rrn=OTHER, amount_minor=501, outcome="approved", at=2000, original_rrn=RRN
    )
    found = run_audit(journal_of(*SOLD, (CASE,)), (DEBIT, refund), ()).violations
    assert "given-back-more-than-taken" in {violation.kind for violation in found}


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
