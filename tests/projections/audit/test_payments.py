from msgspec.structs import replace

from projections.audit.payments import PaymentRow, apply, open_row
from projections.queries.verdict import judge
from switch.domain.cases.events import CaseResolved, Resolution
from switch.domain.payment.events import (
    PaymentRequested,
    PaymentReversed,
    ReversalAccepted,
    ReversalAnswered,
    ReversalAttempted,
)
from switch.domain.payment.payment import Payment
from switch.domain.payment.requests import Answer
from switch.domain.payment.state import FOLDS, evolve, open_payment
from switch.domain.transactions import TransactionType
from switch.eventlog.journal_reader import JournalReader


def fold_both(log):
    """Fold a journal as the audit does and as the domain does."""
    rows: dict[str, PaymentRow] = {}
    payments: dict[str, Payment] = {}
    reader = JournalReader()
    for stored in log.partitions["journal", 0].records:
        record = reader.feed(*stored)
        for event in record.events if record else ():
            if isinstance(event, PaymentRequested):
                rows[event.rrn] = open_row(event, 0)
                payments[event.rrn] = open_payment(event)
            elif getattr(event, "rrn", "") in rows:
                at = getattr(event, "at", record.at)
                rows[event.rrn] = apply(rows[event.rrn], event, at)
                if type(event) in FOLDS:
                    payments[event.rrn] = evolve(payments[event.rrn], event)
    return rows, payments


def test_a_payment_stands_where_the_domains_own_fold_says(make_log):
    rows, payments = fold_both(make_log(3_000, partition_count=1))
    assert {row.state for row in rows.values()} >= {
        "approved", "declined", "reversing", "reversed", "repeating", "case", "routed",
    }  # fmt: skip
    for rrn, payment in payments.items():
        row = rows[rrn]
        assert row.state == payment.phase.value
        assert row.money_state == payment.money_state.value
        assert row.reversal_attempts == payment.reversal_attempt_count
        answer = payment.answer
        assert (row.response_code, row.reason) == (
            (answer.response_code, answer.reason) if answer else ("", "")
        )
        if payment.line:
            assert row.amount_minor == abs(payment.line.gross_minor)
            assert row.settlement_date == payment.line.settlement_date


def test_a_case_is_counted_and_every_change_moves_the_time(make_log):
    rows, _ = fold_both(make_log(2_500, partition_count=1))
    assert any(row.case_count == 1 for row in rows.values())
    assert all(row.updated_at_ms >= row.opened_at_ms for row in rows.values())
    assert any(row.updated_at_ms > row.opened_at_ms for row in rows.values())


def test_a_row_knows_what_it_changes_and_who_is_asked_next(make_log):
    rows, payments = fold_both(make_log(2_000, partition_count=1))
    for rrn, payment in payments.items():
        row = rows[rrn]
        assert row.original_rrn == payment.original_rrn
        assert row.advice_open == payment.advice_open
        assert row.repeat_attempts == payment.repeat_attempt_count
        if not payment.is_forwarding:
            assert row.next_try_at_ms == 0
    assert {row.returned_by for row in rows.values()} == {
        "", "taken-back", "outcome-unknown", "operator",
    }  # fmt: skip
    assert any(row.next_try_at_ms > row.attempted_at_ms for row in rows.values())
    assert any(row.resolution for row in rows.values())


def test_what_was_approved_is_shown_positive_whichever_way_it_goes(make_log):
    rows, _ = fold_both(make_log(2_000, partition_count=1))
    kinds = {row.kind for row in rows.values() if row.state == "approved"}
    assert kinds == {each.value for each in TransactionType} - {"instalment-sale", "unknown"}
    for row in rows.values():
        assert row.amount_minor > 0 or row.kind == TransactionType.BALANCE_INQUIRY.value


def test_a_payment_that_is_taken_back_while_it_runs_keeps_its_phase(make_log):
    rows, _ = fold_both(make_log(50, partition_count=1))
    row = next(row for row in rows.values() if row.kind == "sale")
    running = replace(row, state="routed", returned_by="")
    answer = Answer(response_code="00", at=7)
    accepted = ReversalAccepted(reversal_key="k", answer=answer, rrn=row.rrn, upstream=True)
    after = apply(running, accepted, 9)
    assert (after.state, after.returned_by, after.updated_at_ms) == ("routed", "taken-back", 9)


def test_what_a_person_says_of_a_payment_counts_where_nobody_knew(make_log):
    rows, _ = fold_both(make_log(50, partition_count=1))
    row = next(row for row in rows.values() if row.kind == "sale")
    found = CaseResolved(
        case_id="c", by="a", at=6, resolution=Resolution.RETURNED, text="t", command_id="1"
    )
    answer = Answer(response_code="00", at=7)
    accepted = ReversalAccepted(reversal_key="k", answer=answer, rrn=row.rrn, upstream=True)
    attempted = ReversalAttempted(rrn=row.rrn, attempt=1, at=8, transmission_time="1122071000")
    reversed_ = PaymentReversed(rrn=row.rrn, at=9)
    approved = replace(row, state="approved", reversal_attempts=0)
    for events in (
        (found, accepted, attempted, reversed_),
        (accepted, attempted, reversed_, found),
    ):
        after = approved
        for event in events:
            after = apply(after, event, 9)
        assert (after.state, after.resolution) == ("reversed", "")
        assert "confirmed the reversal (attempt 1)" in judge(after).line
    by_hand = approved
    for event in (accepted, attempted, found, reversed_):
        by_hand = apply(by_hand, event, 9)
    assert "a person found that it was" in judge(by_hand).line


def test_an_answer_that_is_to_be_confirmed_says_when_until_the_payment_moves_on(make_log):
    rows, _ = fold_both(make_log(50, partition_count=1))
    row = next(row for row in rows.values() if row.kind == "sale")
    asked = replace(row, state="reversing", attempted_at_ms=5, next_try_at_ms=6)
    last = ReversalAnswered(rrn=row.rrn, response_code="00", at=7)
    assert apply(asked, last, 7) == asked
    waits = apply(asked, replace(last, next_at=60), 7)
    assert (waits.answered_at_ms, waits.next_try_at_ms, waits.updated_at_ms) == (7, 60, 7)
    done = apply(waits, PaymentReversed(rrn=row.rrn, at=61), 61)
    assert (done.answered_at_ms, done.next_try_at_ms) == (0, 0)
