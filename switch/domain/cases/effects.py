"""What resolving a case does to the payment that it is about."""

from typing import NamedTuple

from switch.domain.cases.events import Resolution
from switch.domain.cases.state import Case
from switch.domain.payment.events import (
    PaymentApproved,
    PaymentEvent,
    PaymentReversed,
    ReturnOrdered,
)
from switch.domain.payment.originals import give_back_line, is_refunded_with
from switch.domain.payment.payment import Payment, Phase, gives_back
from switch.domain.payment.requests import Answer
from switch.domain.payment.reversals import ACCEPTED, mirror_line
from switch.domain.payment.rules import DecisionRules, settlement_day
from switch.domain.transactions import Side, TransactionType


class Impossible(NamedTuple):
    """A resolution that this payment does not allow, and what to do instead."""

    why: str


Effect = tuple[PaymentEvent, ...]


def find_effect(  # noqa: PLR0917 - everything that an effect rests on
    resolution: Resolution,
    case: Case,
    payment: Payment | None,
    original: Payment | None,
    by: str,
    at: int,
    rules: DecisionRules,
) -> Effect | Impossible:
    """
    Say what follows for the payment: nothing, its end, or an order to give the money back.

    What is known without a person (approved, declined, reversed) is never rewritten by one.
    """
    if resolution is Resolution.NO_ACTION:
        return ()
    if resolution is Resolution.RETURN_MONEY:
        return _order_return(case, payment, original, by, at, rules)
    return _settle_by_hand(resolution, payment, original, at, rules)


def _settle_by_hand(
    resolution: Resolution,
    payment: Payment | None,
    original: Payment | None,
    at: int,
    rules: DecisionRules,
) -> Effect | Impossible:
    """
    Write down what a person found out about a payment whose outcome nobody knew.

    Of a debit, `returned` means that none stands any more; one that was approved before it became a
    case is so again by `stands`. Of a void or a refund, `returned` means that it has happened after
    all, and `stands` that it has not.
    """
    if payment is None or payment.phase not in {Phase.CASE, Phase.REVERSING, Phase.REPEATING}:
        return () if payment is None or not payment.is_forwarding else _STILL_TOLD
    is_back = resolution is Resolution.RETURNED
    if not gives_back(payment.transaction):
        if is_back:
            return (_reverse(payment, at, rules),)
        return _let_stand(payment) if payment.phase is Phase.CASE else _STILL_REVERSED
    if payment.phase is Phase.REVERSING:
        return _STILL_REVERSED
    if not is_back:
        return (_reverse(payment, at, rules),)
    if payment.line is not None:  # it was approved, then taken back in vain: its line stands
        assert payment.answer is not None
        return (PaymentApproved(rrn=payment.rrn, answer=payment.answer),)
    if original is None:
        return Impossible("its original is no longer remembered: settle it with no-action")
    day = settlement_day(at, rules).isoformat()
    answer = Answer(
        response_code=ACCEPTED,
        at=at,
        rrn=payment.rrn,
        settlement_date=day[5:7] + day[8:10],
    )
    line = give_back_line(payment, original, day)
    return (PaymentApproved(rrn=payment.rrn, answer=answer, line=line),)


def _let_stand(payment: Payment) -> Effect:
    """
    Approve an advice again that its issuer has refused, so that it no longer holds an original.

    What its terminal saw fail, or has taken back, never becomes a success: its case is closed only.
    """
    answer = payment.answer
    is_taken_back = payment.reverse_requested or payment.is_taken_for_reversed
    if answer is None or not answer.is_approval or is_taken_back or payment.terms is None:
        return ()
    return (PaymentApproved(rrn=payment.rrn, answer=answer),)


_STILL_TOLD = Impossible(
    "its issuer is still being told of it; return-money takes it back, no-action leaves it"
)
_STILL_REVERSED = Impossible(
    "its issuer is still being asked to reverse it, and that goes on; no-action closes the case"
)


def _reverse(payment: Payment, at: int, rules: DecisionRules) -> PaymentReversed:
    return PaymentReversed(rrn=payment.rrn, at=at, line=mirror_line(payment.line, at, rules))


def _order_return(  # noqa: PLR0917 - everything that an effect rests on
    case: Case,
    payment: Payment | None,
    original: Payment | None,
    by: str,
    at: int,
    rules: DecisionRules,
) -> Effect | Impossible:
    """Start to give a debit back that stands, or may stand; a hold is released."""
    if payment is None:
        return Impossible(
            "the payment is too old to be reversed: give it back by a refund, then resolve the"
            " case with returned"
        )
    is_hold = payment.transaction is TransactionType.PRE_AUTHORIZATION
    if payment.traits.side is not Side.DEBIT and not is_hold:
        return Impossible(f"a {payment.transaction.value} has taken no money")
    if payment.terms is None:
        return Impossible("no issuer was ever told of it: resolve it with returned")
    if payment.phase not in {Phase.APPROVED, Phase.CASE}:
        return Impossible(f"the payment is {payment.phase.value}: there is nothing to take back")
    if payment.touches:
        others = ", ".join(f"{t.transaction.value} {t.rrn}" for t in payment.touches)
        return Impossible(f"it was changed since ({others}): refund what is left")
    if original is not None and is_refunded_with(original, payment):
        return Impossible(f"it was refunded with {original.rrn}: refund what is left")
    if payment.advice_open and not payment.repeat_attempt_count:
        return (_reverse(payment, at, rules),)  # its issuer was never told of it
    return (ReturnOrdered(rrn=payment.rrn, case_id=case.case_id, by=by, at=at),)
