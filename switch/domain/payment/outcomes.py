"""What the issuer's word, or its silence, makes of a payment (docs/rules.md 4)."""

from typing import Final

from switch.domain.declines import IssuerOutcome, decline_of, issuer_code
from switch.domain.fees import compute_fee
from switch.domain.money import Money
from switch.domain.payment.cases import open_case
from switch.domain.payment.events import (
    AdviceConfirmed,
    IssuerAnswered,
    IssuerTimedOut,
    OutcomeAwaited,
    OutcomeUnknown,
    PaymentApproved,
    PaymentDeclined,
    PaymentEvent,
)
from switch.domain.payment.originals import give_back_line
from switch.domain.payment.payment import Payment, Phase, RouteTerms, SettlementLine
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.payment.rules import DecisionRules, resolve_settlement_date
from switch.domain.payment.state import TRY_LATER_CODES
from switch.domain.reasons import Reason
from switch.domain.transactions import Side, WhenUnknown

PARTIAL_APPROVAL: Final = "10"
DUPLICATE: Final = "94"
NEVER_SENT: Final = "window-missed"


def make_decline(reason: Reason, *, at: int, rrn: str = "", detail: str = "") -> Answer:
    """Turn a reason of the catalogue into the answer that a terminal is told."""
    return Answer(
        response_code=decline_of(reason).response_code,
        at=at,
        rrn=rrn,
        reason=reason.value,
        detail=detail,
    )


def make_line(
    request: PaymentRequest, terms: RouteTerms, amount: Money, settlement_date: str
) -> SettlementLine:
    """Write the settlement line of a debit."""
    return SettlementLine(
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
        batch=request.batch,
        settlement_date=settlement_date,
        currency=amount.currency,
        gross_minor=amount.minor,
        fee_minor=compute_fee(amount.minor, terms.fee_plan),
        agent_id=terms.agent_id,
        transaction=request.transaction,
    )


def decide_issuer_answer(
    payment: Payment, fact: IssuerAnswered, rules: DecisionRules, original: Payment | None = None
) -> tuple[PaymentEvent, ...]:
    """Judge the first answer to a request that is still waited for (docs/rules.md 4)."""
    if fact.fault:
        return (_unknown(payment, "untrusted-answer", fact.at, fact.fault),)
    outcome = issuer_code(fact.response_code).outcome
    if outcome is IssuerOutcome.UNKNOWN:
        return (_unknown(payment, "unknown-code", fact.at, f"issuer said {fact.response_code}"),)
    if outcome is IssuerOutcome.DECLINED:
        return (_decline_by_issuer(payment, fact),)
    if fact.response_code == PARTIAL_APPROVAL:
        return _decide_partial_approval(payment, fact, rules)
    asked = payment.amount
    if fact.amount is not None and asked is not None and fact.amount != asked:
        return (_unknown(payment, "other-amount", fact.at),)
    return (_approve(payment, fact, asked, rules, original),)


def decide_repeat_answer(
    payment: Payment, fact: IssuerAnswered, rules: DecisionRules, original: Payment | None = None
) -> tuple[PaymentEvent, ...]:
    """
    Judge the answer to an advice or to a repeated refund: it is final, or it says nothing.

    An issuer that asks for patience gets it, however often; nonsense becomes a case after a while.
    That a repeat is a duplicate is no word on the first; nor is a part of an amount that is not
    named.
    """
    outcome = issuer_code(fact.response_code).outcome if fact.response_code else None
    is_patience = fact.response_code in TRY_LATER_CODES and not fact.fault
    is_other = (
        fact.amount is not None and payment.amount is not None and fact.amount != payment.amount
    )
    is_part = fact.response_code == PARTIAL_APPROVAL and fact.amount is None
    is_void = outcome in {None, IssuerOutcome.UNKNOWN} or fact.response_code == DUPLICATE or is_part
    if fact.fault or is_void or is_other or is_patience:
        is_last = payment.bad_answer_count + 1 >= rules.reversal_answers_bad_count_max
        if is_patience or not is_last:
            return ()
        told = f"the issuer keeps answering nonsense (last answer {fact.response_code})"
        return (open_case(payment, "repeat-poisoned", fact.at, told),)
    if payment.phase is not Phase.REPEATING:
        if outcome is IssuerOutcome.APPROVED:
            return (AdviceConfirmed(rrn=payment.rrn, at=fact.at),)
        told = (
            f"the issuer refuses an advice that its terminal has acted upon: {fact.response_code}"
        )
        return (open_case(payment, "advice-refused", fact.at, told),)
    if outcome is IssuerOutcome.APPROVED:
        return (_approve(payment, fact, payment.amount, rules, original),)
    told = f"its terminal was told that it is accepted; the issuer says {fact.response_code}"
    return (
        _decline_by_issuer(payment, fact),
        open_case(payment, "refund-declined-late", fact.at, told),
    )


def _decide_partial_approval(
    payment: Payment, fact: IssuerAnswered, rules: DecisionRules
) -> tuple[PaymentEvent, ...]:
    """Take part of the amount only where the terminal said that it can (DE 60.6)."""
    asked, given = payment.amount, fact.amount
    if asked is None or given is None or given.currency != asked.currency:
        return (_unknown(payment, "other-amount", fact.at),)
    traits = payment.traits
    takes_money = traits.side is Side.DEBIT or traits.takes_limits  # for good, or as a hold
    if not takes_money or not 0 < given.minor <= asked.minor:
        return (_unknown(payment, "other-amount", fact.at),)
    if payment.request.partial_approval_accepted and not payment.reverse_requested:
        return (_approve(payment, fact, given, rules, None),)
    answer = make_decline(Reason.PARTIAL_APPROVAL_REFUSED, at=fact.at, rrn=payment.rrn)
    return (OutcomeUnknown(rrn=payment.rrn, cause="partial-approval", answer=answer),)


def _decline_by_issuer(payment: Payment, fact: IssuerAnswered) -> PaymentDeclined:
    answer = Answer(
        response_code=fact.response_code,
        at=fact.at,
        rrn=payment.rrn,
        reason=Reason.ISSUER_DECLINED.value,
    )
    return PaymentDeclined(rrn=payment.rrn, answer=answer)


def _unknown(
    payment: Payment, cause: str, at: int, detail: str = ""
) -> OutcomeUnknown | OutcomeAwaited | PaymentDeclined:
    """
    Say what happens to a request whose outcome nobody knows: reversed, repeated, or nothing.

    Its terminal is told 98, or that it took the payment back itself.
    """
    told = detail or cause
    when_unknown = payment.traits.when_unknown
    if when_unknown is WhenUnknown.END:
        answer = make_decline(Reason.INQUIRY_UNANSWERED, at=at, rrn=payment.rrn, detail=told)
        return PaymentDeclined(rrn=payment.rrn, answer=answer)
    if when_unknown is WhenUnknown.REPEAT:
        answer = make_decline(Reason.REFUND_UNKNOWN, at=at, rrn=payment.rrn, detail=told)
        return OutcomeAwaited(rrn=payment.rrn, cause=cause, answer=answer)
    reason = Reason.ALREADY_REVERSED if payment.reverse_requested else Reason.UPSTREAM_UNKNOWN
    answer = make_decline(reason, at=at, rrn=payment.rrn, detail=told)
    return OutcomeUnknown(rrn=payment.rrn, cause=cause, answer=answer)


def _approve(
    payment: Payment,
    fact: IssuerAnswered,
    amount: Money | None,
    rules: DecisionRules,
    original: Payment | None,
) -> PaymentApproved | OutcomeUnknown | OutcomeAwaited | PaymentDeclined:
    """Approve, unless the terminal has taken the payment back in the meantime."""
    if payment.reverse_requested:
        return _unknown(payment, "reversal-requested", fact.at)
    request, terms = payment.request, payment.terms
    assert terms is not None, "an answer to a payment that was never routed"
    settlement_date, warning = resolve_settlement_date(fact.settlement_date, fact.at, rules)
    answer = Answer(
        response_code=fact.response_code,
        at=fact.at,
        rrn=payment.rrn,
        authorization_id=fact.authorization_id,
        settlement_date=settlement_date[5:7] + settlement_date[8:10],
        detail=payment.warning,
        amount=None if amount == request.amount else amount,
        balance=fact.balance,
    )
    line: SettlementLine | None = None
    if payment.traits.side is Side.DEBIT:
        assert amount is not None
        line = make_line(request, terms, amount, settlement_date)
    elif original is not None:
        line = give_back_line(payment, original, settlement_date)
    return PaymentApproved(rrn=payment.rrn, answer=answer, line=line, warning=warning)


def decide_issuer_timeout(payment: Payment, fact: IssuerTimedOut) -> tuple[PaymentEvent, ...]:
    """Silence after a send leaves it unknown; what was certainly never sent is declined."""
    if fact.cause == NEVER_SENT:
        answer = make_decline(Reason.SEND_WINDOW_MISSED, at=fact.at, rrn=payment.rrn)
        return (PaymentDeclined(rrn=payment.rrn, answer=answer),)
    return (_unknown(payment, fact.cause, fact.at),)
