import typing

import pytest

from switch.domain.fees import FeePlan
from switch.domain.payment import events
from switch.domain.payment.events import (
    CaseOpened,
    IssuerAnswered,
    IssuerTimedOut,
    LateAnswerReceived,
    OutcomeUnknown,
    PaymentApproved,
    PaymentDeclined,
    PaymentReversed,
    ReversalAccepted,
    ReversalAnswered,
    ReversalAttempted,
    TombstoneSet,
)
from switch.domain.payment.payment import Phase, SettlementLine
from switch.domain.payment.requests import Answer
from switch.domain.payment.state import FOLDS, evolve
from switch.domain.transactions import MoneyState

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
