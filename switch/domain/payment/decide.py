"""
The decider of a new payment and of the issuer's word on it: pure, `decide(fact, ...) -> decisions`.

A fact (asked, answered, timed out) is both the command and the first event of the record; what is
returned here are the decisions that follow it in the same record. So a recorded fact, decided again
over the same state and registry, must give the recorded decisions.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from switch.domain.declines import IssuerOutcome, decline_of, issuer_code
from switch.domain.fees import compute_fee
from switch.domain.money import Money
from switch.domain.payment.checks import DayTotals, RegistryView, first_refusal, gather_facts
from switch.domain.payment.events import (
    IssuerAnswered,
    IssuerTimedOut,
    OutcomeUnknown,
    PaymentApproved,
    PaymentDeclined,
    PaymentEvent,
    PaymentRequested,
    PaymentRouted,
    RouteTerms,
    SettlementLine,
)
from switch.domain.payment.requests import Answer
from switch.domain.payment.rules import (
    DecisionRules,
    format_transmission_time,
    resolve_settlement_date,
)
from switch.domain.payment.state import Payment
from switch.domain.reasons import Reason
from switch.domain.registry.entities import Issuer, Merchant, Route

PARTIAL_APPROVAL: Final = "10"


class RoutingView(RegistryView, Protocol):
    """What the decider reads of the registry beyond the checks."""

    def find_issuer(self, pan_bin: str) -> Issuer | None:
        """Return the issuer with the longest matching BIN."""
        ...

    def routes_of(self, issuer_id: str) -> Sequence[Route]:
        """Return the issuer's active routes, best first."""
        ...


class PaymentMemory(Protocol):
    """What the decider reads of the partition's own memory."""

    def day_totals(self, merchant_id: str, at: int) -> DayTotals:
        """Return what the merchant has been given on the business day of `at`."""
        ...

    def next_upstream_stan(self) -> str:
        """Return the trace number that the next debit gets; empty if too many are in use."""
        ...


def make_decline(reason: Reason, *, at: int, rrn: str = "", detail: str = "") -> Answer:
    """Turn a reason of the catalogue into the answer that a terminal is told."""
    return Answer(
        response_code=decline_of(reason).response_code,
        at=at,
        rrn=rrn,
        reason=reason.value,
        detail=detail,
    )


def decide_payment(
    fact: PaymentRequested, memory: PaymentMemory, registry: RoutingView
) -> tuple[PaymentEvent, ...]:
    """Decline a new payment, or route it: the order is docs/rules.md 7."""
    refusal = first_refusal(
        gather_facts(
            fact.request,
            registry,
            memory.day_totals(fact.request.merchant_id, fact.request.received_at),
            at=fact.at,
            registry_confirmed=fact.registry_confirmed,
        )
    )
    if refusal is not None:
        return (_decline(fact, refusal.reason, refusal.detail),)
    return (_route(fact, memory, registry),)


def _decline(fact: PaymentRequested, reason: Reason, detail: str = "") -> PaymentDeclined:
    answer = make_decline(reason, at=fact.at, rrn=fact.rrn, detail=detail)
    return PaymentDeclined(rrn=fact.rrn, answer=answer)


def _route(
    fact: PaymentRequested, memory: PaymentMemory, registry: RoutingView
) -> PaymentRouted | PaymentDeclined:
    """Choose the first route whose link is up; nothing was sent yet, so any link will do."""
    card = fact.request.card
    issuer = registry.find_issuer(card.bin) if card else None
    if issuer is None:
        return _decline(fact, Reason.ISSUER_UNKNOWN, f"BIN {card.bin[:6]}" if card else "no card")
    routes = registry.routes_of(issuer.issuer_id)
    if not routes:
        return _decline(fact, Reason.NO_ROUTE, issuer.issuer_id)
    route = next((route for route in routes if route.link in fact.links_up), None)
    if route is None:
        return _decline(fact, Reason.ISSUER_DOWN, issuer.issuer_id)
    stan = memory.next_upstream_stan()
    if not stan:
        return _decline(fact, Reason.ISSUER_DOWN, "too many payments without an outcome")
    merchant = registry.find_merchant(fact.request.merchant_id)
    assert merchant is not None, "the checks refuse an unknown merchant"
    return PaymentRouted(
        rrn=fact.rrn,
        terms=_terms(merchant, issuer, route),
        upstream_stan=stan,
        transmission_time=format_transmission_time(fact.at),
    )


def _terms(merchant: Merchant, issuer: Issuer, route: Route) -> RouteTerms:
    assert merchant.fee_plan is not None, "the checks refuse an incomplete merchant"
    return RouteTerms(
        issuer_id=issuer.issuer_id,
        link=route.link,
        merchant_type=merchant.mcc,
        fee_plan=merchant.fee_plan,
        agent_id=merchant.agent_id,
    )


def decide_issuer_answer(
    payment: Payment, fact: IssuerAnswered, rules: DecisionRules
) -> tuple[PaymentEvent, ...]:
    """Judge the first answer to a debit that is still waited for (docs/rules.md 4)."""
    if fact.fault:
        return (_unknown(payment, "untrusted-answer", fact.at, fact.fault),)
    outcome = issuer_code(fact.response_code).outcome
    if outcome is IssuerOutcome.UNKNOWN:
        return (_unknown(payment, "unknown-code", fact.at, f"issuer said {fact.response_code}"),)
    if outcome is IssuerOutcome.DECLINED:
        return (_decline_by_issuer(payment, fact),)
    if fact.response_code == PARTIAL_APPROVAL:
        return _decide_partial_approval(payment, fact, rules)
    if fact.amount is not None and fact.amount != payment.request.amount:
        return (_unknown(payment, "other-amount", fact.at),)
    return (_approve(payment, fact, payment.request.amount, rules),)


def _decide_partial_approval(
    payment: Payment, fact: IssuerAnswered, rules: DecisionRules
) -> tuple[PaymentEvent, ...]:
    """Take part of the amount only where the terminal said that it can (DE 60.6)."""
    asked, given = payment.request.amount, fact.amount
    assert asked is not None, "a payment without an amount was routed"
    if given is None or given.currency != asked.currency or not 0 < given.minor <= asked.minor:
        return (_unknown(payment, "other-amount", fact.at),)
    if payment.request.partial_approval_accepted and not payment.reverse_requested:
        return (_approve(payment, fact, given, rules),)
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


def _unknown(payment: Payment, cause: str, at: int, detail: str = "") -> OutcomeUnknown:
    """Intend the reversal; the terminal is told 98, or that it took the payment back itself."""
    reason = Reason.ALREADY_REVERSED if payment.reverse_requested else Reason.UPSTREAM_UNKNOWN
    answer = make_decline(reason, at=at, rrn=payment.rrn, detail=detail or cause)
    return OutcomeUnknown(rrn=payment.rrn, cause=cause, answer=answer)


def _approve(
    payment: Payment, fact: IssuerAnswered, amount: Money | None, rules: DecisionRules
) -> PaymentApproved | OutcomeUnknown:
    """Approve, unless the terminal has taken the payment back in the meantime."""
    if payment.reverse_requested:
        return _unknown(payment, "reversal-requested", fact.at)
    request, terms = payment.request, payment.terms
    assert amount is not None
    assert terms is not None, "an answer to a payment that was never routed"
    settlement_date, warning = resolve_settlement_date(fact.settlement_date, fact.at, rules)
    answer = Answer(
        response_code=fact.response_code,
        at=fact.at,
        rrn=payment.rrn,
        authorization_id=fact.authorization_id,
        settlement_date=settlement_date[5:7] + settlement_date[8:10],
        amount=None if amount == request.amount else amount,
    )
    line = SettlementLine(
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
        batch=request.batch,
        settlement_date=settlement_date,
        currency=amount.currency,
        gross_minor=amount.minor,
        fee_minor=compute_fee(amount.minor, terms.fee_plan),
        agent_id=terms.agent_id,
    )
    return PaymentApproved(rrn=payment.rrn, answer=answer, line=line, warning=warning)


NEVER_SENT: Final = "window-missed"


def decide_issuer_timeout(payment: Payment, fact: IssuerTimedOut) -> tuple[PaymentEvent, ...]:
    """Silence after a send means reversal; a debit that was certainly never sent is declined."""
    if fact.cause == NEVER_SENT:
        answer = make_decline(Reason.SEND_WINDOW_MISSED, at=fact.at, rrn=payment.rrn)
        return (PaymentDeclined(rrn=payment.rrn, answer=answer),)
    return (_unknown(payment, fact.cause, fact.at),)
