import typing

import pytest
from msgspec.structs import replace

from switch.domain.fees import FeePlan
from switch.domain.money import Money
from switch.domain.payment import events
from switch.domain.payment.events import (
    AdviceAccepted,
    AdviceConfirmed,
    CaseOpened,
    IssuerAnswered,
    IssuerTimedOut,
    LateAnswerReceived,
    OutcomeAwaited,
    OutcomeUnknown,
    PaymentApproved,
    PaymentDeclined,
    PaymentReversed,
    RepeatAttempted,
    ReturnOrdered,
    ReversalAccepted,
    ReversalAnswered,
    ReversalAttempted,
    TombstoneSet,
)
from switch.domain.payment.payment import Phase, SettlementLine
from switch.domain.payment.requests import Answer
from switch.domain.payment.state import CASES_THAT_STOP, FOLDS, evolve
from switch.domain.transactions import MoneyState, TransactionType

RRN = "010000000007"
ANSWER = Answer(response_code="00", at=1, rrn=RRN)
LINE = SettlementLine(
    acquirer="demo",
    merchant_id="898110154110001",
    settlement_date="2026-11-22",
    currency="156",
    gross_minor=100,
    fee_minor=1,
)
APPROVED = PaymentApproved(rrn=RRN, answer=ANSWER, line=LINE)


@pytest.mark.parametrize(
    ("steps", "phase", "money"),
    [
        ([], Phase.ROUTED, MoneyState.UNKNOWN),
        ([APPROVED], Phase.APPROVED, MoneyState.DEBITED),
        ([PaymentDeclined(rrn=RRN, answer=ANSWER)], Phase.DECLINED, MoneyState.NOT_DEBITED),
        (
            [OutcomeUnknown(rrn=RRN, cause="timeout", answer=ANSWER)],
            Phase.REVERSING,
            MoneyState.RETURNING,
        ),
        (
            [
                APPROVED,
                ReversalAccepted(reversal_key="k", answer=ANSWER, rrn=RRN, upstream=True),
            ],
            Phase.REVERSING,
            MoneyState.RETURNING,
        ),
        (
            [
                OutcomeUnknown(rrn=RRN, cause="timeout", answer=ANSWER),
                PaymentReversed(rrn=RRN, at=2),
            ],
            Phase.REVERSED,
            MoneyState.RETURNED,
        ),
        (
            [CaseOpened(case_id="c", kind="reversal-poisoned", at=1, rrn=RRN)],
            Phase.CASE,
            MoneyState.UNKNOWN,
        ),
        (
            [APPROVED, CaseOpened(case_id="c", kind="reversal-mismatch", at=1, rrn=RRN)],
            Phase.APPROVED,
            MoneyState.DEBITED,
        ),
    ],
)
def test_a_payment_stands_where_its_events_left_it(routed, steps, phase, money):
    payment = routed
    for event in steps:
        payment = evolve(payment, event)
    assert payment.phase is phase
    assert payment.money_state is money


def test_a_running_payment_taken_back_still_waits_for_its_issuer(routed):
    taken_back = ReversalAccepted(reversal_key="k", answer=ANSWER, rrn=RRN, upstream=True)
    payment = evolve(routed, taken_back)
    assert payment.phase is Phase.ROUTED
    assert payment.reverse_requested


def test_what_the_issuer_said_is_remembered(routed):
    payment = evolve(routed, IssuerTimedOut(rrn=RRN, cause="timeout", at=1))
    assert not payment.debit_answered
    payment = evolve(payment, LateAnswerReceived(rrn=RRN, response_code="00", at=2))
    assert payment.debit_answered
    assert evolve(routed, IssuerAnswered(rrn=RRN, response_code="00", at=1)).debit_answered


def test_a_debit_answered_while_it_goes_back_wants_a_reversal_that_was_sent_after_that(routed):
    going_back = replace(routed, phase=Phase.REVERSING, reversal_attempt_count=2)
    late = LateAnswerReceived(rrn=RRN, response_code="00", at=2)
    assert evolve(going_back, late).confirm_after_attempt == 2
    again = replace(evolve(going_back, late), reversal_attempt_count=3)
    assert evolve(again, late).confirm_after_attempt == 2, "only the first answer says anything"
    before = replace(routed, phase=Phase.REVERSING)
    assert not evolve(before, late).confirm_after_attempt


def test_attempts_and_answers_of_reversals_are_counted(routed):
    payment = evolve(
        routed, ReversalAttempted(rrn=RRN, attempt=3, at=1, transmission_time="1122003015")
    )
    payment = evolve(payment, ReversalAnswered(rrn=RRN, response_code="25", at=2))
    assert payment.reversal_attempt_count == 3
    assert payment.reversal_codes == ("25",)


def test_an_event_of_no_payment_is_a_bug(routed):
    event = TombstoneSet(idempotency_key="k", terminal_id="t", stan="s", until=1)
    with pytest.raises(KeyError):
        evolve(routed, event)


def test_every_kind_of_event_is_folded_or_known_not_to_be():
    kinds = set(typing.get_args(events.PaymentEvent))
    elsewhere = {
        events.PaymentRequested,
        events.ReversalRequested,
        events.TombstoneSet,
        events.DuplicateConflicted,
        events.RequestRefused,
    }
    assert kinds == set(FOLDS) | elsewhere


def test_the_fee_plan_of_the_route_is_kept(routed):
    assert routed.terms.fee_plan == FeePlan(rate_ppm=6_000)


REQUEST_KINDS = [kind for kind in TransactionType if kind is not TransactionType.UNKNOWN]


def test_an_advice_is_approved_at_once_and_open_until_it_is_confirmed(routed):
    requested = replace(routed, phase=Phase.REQUESTED, terms=None, upstream_stan="")
    accepted = AdviceAccepted(
        rrn=RRN,
        cause="adjustment",
        answer=ANSWER,
        terms=routed.terms,
        upstream_stan="000005",
        transmission_time="1114221320",
        line=LINE,
        original_rrn="010000000001",
        sent_amount=Money(20, "156"),
    )
    payment = evolve(requested, accepted)
    assert (payment.phase, payment.is_open, payment.original_rrn) == (
        Phase.APPROVED,
        True,
        "010000000001",
    )
    assert payment.amount == Money(20, "156")
    payment = evolve(payment, RepeatAttempted(rrn=RRN, attempt=1, at=2))
    assert payment.repeat_attempt_count == 1
    payment = evolve(payment, AdviceConfirmed(rrn=RRN, at=3))
    assert not payment.is_open


def test_an_advice_that_nobody_can_be_told_is_not_open(routed):
    accepted = AdviceAccepted(rrn=RRN, cause="offline", answer=ANSWER)
    assert not evolve(replace(routed, phase=Phase.REQUESTED), accepted).is_open


@pytest.mark.parametrize("kind", sorted(CASES_THAT_STOP))
def test_a_case_that_stops_a_payment_leaves_nothing_open(routed, kind):
    for payment in (
        replace(routed, phase=Phase.REVERSING),
        replace(routed, phase=Phase.REPEATING),
        replace(routed, phase=Phase.APPROVED, advice_open=True),
    ):
        after = evolve(payment, CaseOpened(case_id="c", kind=kind, at=1, rrn=RRN))
        assert (after.phase, after.is_open) == (Phase.CASE, False)


def test_a_refund_without_an_answer_is_repeated(routed):
    payment = evolve(routed, OutcomeAwaited(rrn=RRN, cause="timeout", answer=ANSWER))
    assert (payment.phase, payment.is_forwarding) == (Phase.REPEATING, True)
    approved = evolve(payment, APPROVED)
    assert (approved.phase, approved.is_forwarding) == (Phase.APPROVED, False)


@pytest.mark.parametrize(("code", "count"), [("96", 0), ("09", 0), ("06", 1), ("", 1), ("94", 1)])
def test_answers_to_repeats_that_say_nothing_are_counted_but_not_patience(routed, code, count):
    repeating = replace(routed, phase=Phase.REPEATING)
    payment = evolve(repeating, IssuerAnswered(rrn=RRN, response_code=code, at=1))
    assert payment.bad_answer_count == count


def test_an_ordered_return_starts_a_reversal(routed):
    approved = evolve(routed, APPROVED)
    payment = evolve(approved, ReturnOrdered(rrn=RRN, case_id="c", by="o", at=2))
    assert (payment.phase, payment.reverse_requested) == (Phase.REVERSING, True)


@pytest.mark.parametrize(("code", "is_taken"), [("00", True), ("25", False)])
def test_a_reversal_that_sends_nothing_is_remembered_if_it_was_accepted(routed, code, is_taken):
    approved = evolve(routed, APPROVED)
    answer = Answer(response_code=code, at=2)
    payment = evolve(approved, ReversalAccepted(reversal_key="k", answer=answer, rrn=RRN))
    assert (payment.phase, payment.is_taken_for_reversed) == (Phase.APPROVED, is_taken)
    assert not payment.reverse_requested


@pytest.mark.parametrize("kind", REQUEST_KINDS)
def test_every_kind_has_a_money_state_after_every_step(routed, kind):
    payment = replace(routed, request=replace(routed.request, transaction=kind))
    for event in (
        OutcomeUnknown(rrn=RRN, cause="timeout", answer=ANSWER),
        PaymentReversed(rrn=RRN, at=2),
    ):
        payment = evolve(payment, event)
        assert isinstance(payment.money_state, MoneyState)
