"""Stories of made journals about holds, refunds in parts, and advices that nobody wants."""

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from loadtest.generated_stories import Record, Steps, Teller, approved, follow, negative
from switch.domain.fees import compute_fee
from switch.domain.money import Money
from switch.domain.payment.events import (
    AdviceAccepted,
    AdviceConfirmed,
    CaseOpened,
    IssuerAnswered,
    IssuerTimedOut,
    OutcomeAwaited,
    PaymentApproved,
    PaymentDeclined,
    PaymentRequested,
    RepeatAttempted,
)
from switch.domain.payment.payment import SettlementLine
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.transactions import TransactionType

_T: Final = TransactionType
_PARTS: Final = 4  # a refund story gives back one of them, then the rest


def tell_refund_in_parts(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Approve a sale and refund a part of it, then the rest: the fee goes back exactly."""
    amount = request.amount
    assert amount is not None
    whole = Money(amount.minor + _PARTS, amount.currency)
    sale = replace(request, amount=whole)
    yield teller.route(rrn, sale)
    yield teller.approve(rrn, sale)
    part = whole.minor // _PARTS
    left = whole.minor
    for number, minor in enumerate((part, whole.minor - part)):
        asking = replace(sale, amount=Money(minor, whole.currency))
        refund, asked = follow(teller, rrn, asking, _T.REFUND, number)
        yield asked
        plan = teller.terms.fee_plan
        fee = compute_fee(left, plan) - compute_fee(left - minor, plan)
        left -= minor
        line = negative(replace(teller.settle(asking), fee_minor=fee), _T.REFUND)
        yield _answer_with(teller, refund, line)


def tell_refund_refused_late(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Let the issuer refuse a refund of which it has said nothing at first."""
    yield teller.route(rrn, request)
    yield teller.approve(rrn, request)
    refund, asked = follow(teller, rrn, request, _T.REFUND)
    yield asked
    answer = Answer(response_code="98", at=teller.at, rrn=refund, reason="refund-unknown")
    yield (
        IssuerTimedOut(rrn=refund, cause="timeout", at=teller.at),
        OutcomeAwaited(rrn=refund, cause="timeout", answer=answer),
    )
    yield (_repeat(teller, refund, 1),)
    answer = Answer(response_code="61", at=teller.at, rrn=refund, reason="issuer-declined")
    yield (
        IssuerAnswered(rrn=refund, response_code="61", at=teller.at),
        PaymentDeclined(rrn=refund, answer=answer),
        _case(teller, refund, "refund-declined-late", request),
    )


def tell_hold(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Hold an amount, complete it, take the completion back, and release the hold."""
    hold = _as_hold(request)
    yield from _hold(teller, rrn, hold)
    completion, asked = follow(teller, rrn, hold, _T.COMPLETION)
    yield asked
    line = replace(teller.settle(hold), transaction=_T.COMPLETION)
    yield _answer_with(teller, completion, line)
    void, asked = follow(teller, completion, hold, _T.COMPLETION_VOID)
    yield asked
    yield _answer_with(teller, void, negative(teller.settle(hold), _T.COMPLETION_VOID))
    release, asked = follow(teller, rrn, hold, _T.PRE_AUTHORIZATION_VOID)
    yield asked
    yield _answer_with(teller, release, None)


def tell_completion_advice(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Hold an amount; its terminal reports the completion, and the issuer takes it."""
    hold = _as_hold(request)
    yield from _hold(teller, rrn, hold)
    advice, asked = _report(teller, rrn, hold, _T.COMPLETION_ADVICE, cause="completion-advice")
    yield asked
    yield (_repeat(teller, advice, 1),)
    yield (_answered(teller, advice), AdviceConfirmed(rrn=advice, at=teller.at))


def tell_adjustment(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Approve a sale; a tip makes it more."""
    yield teller.route(rrn, request)
    yield teller.approve(rrn, request)
    assert request.amount is not None
    total = Money(request.amount.minor + 100, request.amount.currency)
    asking = replace(request, amount=total)
    extra = Money(100, request.amount.currency)
    advice, asked = _report(
        teller, rrn, asking, _T.ADJUSTMENT_ADVICE, cause="adjustment", sent_amount=extra
    )
    yield asked
    yield (_repeat(teller, advice, 1),)
    yield (_answered(teller, advice), AdviceConfirmed(rrn=advice, at=teller.at))


def tell_refused_advice(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Let the issuer refuse a sale that was made without the line."""
    yield _accept(teller, rrn, request, _T.OFFLINE_ADVICE, "offline")
    yield (_repeat(teller, rrn, 1),)
    yield (
        IssuerAnswered(rrn=rrn, response_code="51", at=teller.at),
        _case(teller, rrn, "advice-refused", request),
    )


def tell_unroutable_advice(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Accept a report of which no issuer can be told."""
    advice = replace(request, transaction=_T.OFFLINE_ADVICE, mti="0220")
    yield (
        PaymentRequested(rrn=rrn, request=advice, at=teller.at),
        AdviceAccepted(rrn=rrn, cause="offline", answer=_acceptance(teller, rrn)),
        _case(teller, rrn, "advice-unroutable", request),
    )


def tell_stand_in(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Approve a sale for an issuer that is away; it is told when it is back."""
    yield _accept(teller, rrn, request, _T.SALE, "stand-in")
    for attempt in (1, 2, 3):
        yield (_repeat(teller, rrn, attempt),)
    yield (_answered(teller, rrn), AdviceConfirmed(rrn=rrn, at=teller.at))


def tell_inquiry(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Ask what an account holds."""
    yield teller.route(rrn, _as_inquiry(request))
    balance = "0002156C000000998666"
    answer = Answer(response_code="00", at=teller.at, rrn=rrn, balance=balance)
    answered = replace(_answered(teller, rrn), balance=balance)
    yield (answered, PaymentApproved(rrn=rrn, answer=answer))


def tell_unanswered_inquiry(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Ask what an account holds, and hear nothing: that is the end of it."""
    yield teller.route(rrn, _as_inquiry(request))
    answer = Answer(response_code="98", at=teller.at, rrn=rrn, reason="inquiry-unanswered")
    yield (
        IssuerTimedOut(rrn=rrn, cause="timeout", at=teller.at),
        PaymentDeclined(rrn=rrn, answer=answer),
    )


CHANGES: Final = (
    tell_refund_in_parts,
    tell_refund_refused_late,
    tell_hold,
    tell_completion_advice,
    tell_adjustment,
    tell_refused_advice,
    tell_unroutable_advice,
    tell_stand_in,
    tell_inquiry,
    tell_unanswered_inquiry,
)


def _as_hold(request: PaymentRequest) -> PaymentRequest:
    return replace(
        request,
        transaction=_T.PRE_AUTHORIZATION,
        mti="0100",
        processing_code="030000",
        pos_condition_code="06",
    )


def _as_inquiry(request: PaymentRequest) -> PaymentRequest:
    transaction = _T.BALANCE_INQUIRY
    return replace(request, transaction=transaction, processing_code="310000", amount=None)


def _hold(teller: Teller, rrn: str, hold: PaymentRequest) -> Iterator[Record]:
    yield teller.route(rrn, hold)
    yield _answer_with(teller, rrn, None)


def _report(
    teller: Teller,
    rrn: str,
    request: PaymentRequest,
    transaction: TransactionType,
    *,
    cause: str,
    sent_amount: Money | None = None,
) -> tuple[str, Record]:
    """Report something that changes a payment; return its RRN and the record."""
    advice, (asked, _) = follow(teller, rrn, replace(request, mti="0220"), transaction)
    assert isinstance(asked, PaymentRequested)
    settled = asked.request if sent_amount is None else replace(asked.request, amount=sent_amount)
    accepted = AdviceAccepted(
        rrn=advice,
        cause=cause,
        answer=_acceptance(teller, advice),
        terms=teller.terms,
        upstream_stan=request.stan,
        transmission_time="1122153020",
        line=replace(teller.settle(settled), transaction=transaction),
        original_rrn=rrn,
        sent_amount=sent_amount,
    )
    return advice, (asked, accepted)


def _accept(
    teller: Teller, rrn: str, request: PaymentRequest, transaction: TransactionType, cause: str
) -> Record:
    """Take a payment without its issuer, who is to be told."""
    taken = replace(request, transaction=transaction)
    return (
        PaymentRequested(rrn=rrn, request=taken, at=teller.at),
        AdviceAccepted(
            rrn=rrn,
            cause=cause,
            answer=_acceptance(teller, rrn),
            terms=teller.terms,
            upstream_stan=request.stan,
            transmission_time="1122153020",
            line=replace(teller.settle(request), transaction=transaction),
        ),
    )


def _acceptance(teller: Teller, rrn: str) -> Answer:
    return Answer(response_code="00", at=teller.at, rrn=rrn, authorization_id=rrn[-6:])


def _answered(teller: Teller, rrn: str) -> IssuerAnswered:
    return IssuerAnswered(rrn=rrn, response_code="00", at=teller.at)


def _answer_with(teller: Teller, rrn: str, line: SettlementLine | None) -> Record:
    return (_answered(teller, rrn), approved(teller, rrn, line))


def _repeat(teller: Teller, rrn: str, attempt: int) -> RepeatAttempted:
    at = teller.at
    return RepeatAttempted(rrn=rrn, attempt=attempt, at=at, next_at=at + 2_000)


def _case(teller: Teller, rrn: str, kind: str, request: PaymentRequest) -> CaseOpened:
    return CaseOpened(
        case_id=f"{kind}-{rrn}",
        kind=kind,
        at=teller.at,
        rrn=rrn,
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
    )
