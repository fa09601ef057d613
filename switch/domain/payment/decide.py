"""
The decider of a new payment: pure, `decide(fact, ...) -> decisions`.

A fact (asked, answered, timed out) is both the command and the first event of the record; what is
returned here are the decisions that follow it in the same record. So a recorded fact, decided again
over the same state and registry, must give the recorded decisions.
"""

from typing import Final, Protocol

from msgspec.structs import replace

from switch.domain.money import Money
from switch.domain.payment.checks import (
    Facts,
    Memory,
    first_refusal,
    gather_facts,
    is_batch_forgotten,
)
from switch.domain.payment.duplicates import find_suspicion
from switch.domain.payment.events import (
    AdviceAccepted,
    CaseOpened,
    PaymentDeclined,
    PaymentEvent,
    PaymentRequested,
    PaymentRouted,
)
from switch.domain.payment.originals import adjusted_minor, check_original
from switch.domain.payment.outcomes import make_decline, make_line
from switch.domain.payment.requests import CASE_OPENED, Answer
from switch.domain.payment.routing import (
    Chosen,
    NoRoute,
    RoutingView,
    choose_route,
    make_terms,
    may_stand_in,
)
from switch.domain.payment.rules import (
    DecisionRules,
    format_transmission_time,
    settlement_day,
)
from switch.domain.reasons import Reason
from switch.domain.registry.entities import DuplicatePolicy, Merchant
from switch.domain.transactions import TransactionType

ACCEPTED: Final = "00"
_CAUSES: Final = {
    TransactionType.OFFLINE_ADVICE: "offline",
    TransactionType.ADJUSTMENT_ADVICE: "adjustment",
    TransactionType.COMPLETION_ADVICE: "completion-advice",
}
STAND_IN: Final = "stand-in"
TOO_MANY_OPEN: Final = "too many payments without an outcome"


class PaymentMemory(Memory, Protocol):
    """What the decider reads of the partition's own memory."""

    def next_upstream_stan(self) -> str:
        """Return the trace number that the next request gets; empty if too many are in use."""
        ...


def decide_payment(
    fact: PaymentRequested,
    memory: PaymentMemory,
    registry: RoutingView,
    rules: DecisionRules,
) -> tuple[PaymentEvent, ...]:
    """Decline a new payment, or route it, or take it as an advice: the order is docs/rules.md 7."""
    facts = gather_facts(
        fact.request,
        registry,
        memory,
        rules,
        at=fact.at,
        registry_confirmed=fact.registry_confirmed,
        recalled=fact.recalled,
    )
    if fact.request.transaction in _CAUSES:
        return _decide_advice(fact, facts, memory, registry)
    refusal = first_refusal(facts)
    if refusal is not None:
        return (_decline(fact, refusal.reason, refusal.detail),)
    return (_route(fact, facts, memory, registry),)


def _decline(fact: PaymentRequested, reason: Reason, detail: str = "") -> PaymentDeclined:
    answer = make_decline(reason, at=fact.at, rrn=fact.rrn, detail=detail)
    return PaymentDeclined(rrn=fact.rrn, answer=answer)


def _route(
    fact: PaymentRequested, facts: Facts, memory: PaymentMemory, registry: RoutingView
) -> PaymentRouted | PaymentDeclined | AdviceAccepted:
    """Ask the card's issuer; where it cannot be asked, stand in for it if that is configured."""
    request, original = fact.request, facts.original
    way = choose_route(request, registry, fact.links_up, original)
    stands_in = False
    if isinstance(way, NoRoute):
        if way.issuer is None or way.route is None or not may_stand_in(request, way.issuer):
            return _decline(fact, way.reason, way.detail)
        way, stands_in = Chosen(way.issuer, way.route), True
    if fact.pin_fault:
        return _decline(fact, Reason.PIN_UNUSABLE, fact.pin_fault)
    stan = memory.next_upstream_stan()
    if not stan:
        return _decline(fact, Reason.ISSUER_DOWN, TOO_MANY_OPEN)
    assert facts.merchant is not None, "the checks refuse an unknown merchant"
    warning = _find_warning(facts, facts.merchant) if facts.earlier is not None else ""
    if stands_in:
        taken = _accept_advice(fact, facts, way, stan, cause=STAND_IN, amount=request.amount)
        return replace(taken, answer=replace(taken.answer, detail=warning)) if warning else taken
    return PaymentRouted(
        rrn=fact.rrn,
        terms=make_terms(facts.merchant, way.issuer, way.route),
        upstream_stan=stan,
        transmission_time=format_transmission_time(fact.at),
        original_rrn=original.rrn if original else "",
        warning=warning,
    )


def _find_warning(facts: Facts, merchant: Merchant) -> str:
    """Name what a merchant wants to be warned of, and let through."""
    if merchant.duplicate_policy is not DuplicatePolicy.WARN:
        return ""
    first = find_suspicion(facts.request, merchant, facts.earlier, facts.at)
    return f"{Reason.SUSPECTED_DUPLICATE.value}: first {first.rrn}" if first else ""


# -- advices ---------------------------------------------------------------------------------------


def _decide_advice(
    fact: PaymentRequested, facts: Facts, memory: PaymentMemory, registry: RoutingView
) -> tuple[PaymentEvent, ...]:
    """
    Take what a terminal reports: it has happened.

    Only a completion advice can be refused: it is under the rules of a completion. Whatever is
    wrong with another advice, it is accepted; what cannot be told to any issuer becomes a case.
    """
    request, original = fact.request, facts.original
    transaction = request.transaction
    amount, doubt = request.amount, ""
    if transaction is not TransactionType.OFFLINE_ADVICE:
        objection = check_original(request, original, fact.at, facts.rules)
        if objection is not None and transaction is TransactionType.COMPLETION_ADVICE:
            return (_decline(fact, objection.reason, objection.detail),)
        doubt = f"{objection.reason.value}: {objection.detail}" if objection else ""
    if transaction is TransactionType.ADJUSTMENT_ADVICE:
        amount = _find_extra(facts)
    doubt = doubt or _find_doubt(facts, amount)
    way = choose_route(request, registry, fact.links_up, original)
    if isinstance(way, NoRoute):
        if way.issuer is not None and way.route is not None:
            way = Chosen(way.issuer, way.route)  # its line is down: it is told when it is up again
        else:
            doubt = doubt or f"{way.reason.value}: {way.detail}"
    stan = "" if doubt else memory.next_upstream_stan()
    if isinstance(way, NoRoute) or doubt or not stan:
        return _accept_doubtful(fact, facts, doubt or TOO_MANY_OPEN)
    cause = _CAUSES[transaction]
    return (_accept_advice(fact, facts, way, stan, cause=cause, amount=amount),)


def _find_extra(facts: Facts) -> Money | None:
    """
    Take DE 4 of an adjustment as the new total: only what it adds is debited.

    Were it taken as an addition, a terminal that means the total would debit twice
    (docs/adr/0015-what-an-adjustment-debits.md).
    """
    original, amount = facts.original, facts.request.amount
    if original is None or amount is None:
        return None
    extra = amount.minor - original.approved_minor - adjusted_minor(original)
    return Money(extra, amount.currency) if extra > 0 else None


def _find_doubt(facts: Facts, amount: Money | None) -> str:
    """Say why nobody can be asked for the money of an advice; empty if somebody can."""
    merchant = facts.merchant
    if merchant is None:
        return Reason.MERCHANT_NOT_FOUND.value
    if missing := merchant.missing_fields():
        return f"{Reason.MERCHANT_CONFIG_INCOMPLETE.value}: {','.join(missing)}"
    if amount is None or amount.minor <= 0:
        return "it adds nothing to what was debited"
    if is_batch_forgotten(facts):
        return f"{Reason.BATCH_MISMATCH.value}: it may have been debited before, so long ago it was"
    return ""


def _accept_advice(
    fact: PaymentRequested,
    facts: Facts,
    way: Chosen,
    stan: str,
    *,
    cause: str,
    amount: Money | None,
) -> AdviceAccepted:
    """Approve without the issuer; it is told until it answers."""
    assert facts.merchant is not None
    assert amount is not None
    request = fact.request
    terms = make_terms(facts.merchant, way.issuer, way.route)
    day = settlement_day(fact.at, facts.rules).isoformat()
    return AdviceAccepted(
        rrn=fact.rrn,
        cause=cause,
        answer=_make_acceptance(fact, facts.rules),
        terms=terms,
        upstream_stan=stan,
        transmission_time=format_transmission_time(fact.at),
        line=make_line(request, terms, amount, day),
        original_rrn=facts.original.rrn if facts.original else "",
        sent_amount=None if amount == request.amount else amount,
    )


def _make_acceptance(fact: PaymentRequested, rules: DecisionRules) -> Answer:
    """Approve with the authorization that the terminal quotes, else one of our own."""
    quoted = fact.request.original
    day = settlement_day(fact.at, rules)
    return Answer(
        response_code=ACCEPTED,
        at=fact.at,
        rrn=fact.rrn,
        authorization_id=(quoted.authorization_id if quoted else "") or fact.rrn[-6:],
        settlement_date=f"{day.month:02d}{day.day:02d}",
    )


def _accept_doubtful(fact: PaymentRequested, facts: Facts, doubt: str) -> tuple[PaymentEvent, ...]:
    """
    Accept what nobody can be told of; a person must find out whose money it is.

    A completion advice holds what it says it has completed; an adjustment that debits nothing
    changes nothing of its original.
    """
    request, original = fact.request, facts.original
    is_completion = request.transaction is TransactionType.COMPLETION_ADVICE
    accepted = AdviceAccepted(
        rrn=fact.rrn,
        cause=_CAUSES[request.transaction],
        answer=replace(_make_acceptance(fact, facts.rules), detail=f"{CASE_OPENED}: {doubt}"),
        original_rrn=original.rrn if original and is_completion else "",
    )
    case = CaseOpened(
        case_id=f"advice-unroutable-{fact.rrn}",
        kind="advice-unroutable",
        at=fact.at,
        rrn=fact.rrn,
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
        detail=f"{doubt} (original {original.rrn})" if original else doubt,
    )
    return (accepted, case)
