"""A batch that its terminal uploads, compared with the switch's own records."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from switch.domain.card import Card
from switch.domain.identifiers import make_idempotency_key
from switch.domain.money import CURRENCY_NAMES, Money, format_minor
from switch.domain.payment.events import CaseOpened
from switch.domain.payment.payment import Payment, Phase
from switch.domain.payment.requests import Answer
from switch.domain.payment.rules import DecisionRules
from switch.domain.terminal.batches import count_payment
from switch.domain.terminal.events import (
    BatchChangedLate,
    TerminalAsked,
    UploadCompared,
    UploadOverdue,
    UploadTaken,
)
from switch.domain.terminal.requests import TerminalRequest, UploadItem
from switch.domain.terminal.state import ClosedBatch

TERMINAL_ONLY: Final = "batch-terminal-only"  # goods given without money, or a lost reversal
HOST_ONLY: Final = "batch-host-only"  # perhaps debited and not served
AMOUNT_DIFFERS: Final = "batch-amount-differs"
CARD_DIFFERS: Final = "batch-card-differs"
UPLOAD_DIFFERS: Final = "batch-upload-differs"  # one transaction, uploaded twice, with two contents
UPLOAD_INCOMPLETE: Final = "batch-upload-incomplete"
UPLOAD_LATE: Final = "batch-upload-late"
LATE_APPROVAL: Final = "batch-late-approval"
MORE_DIFFERENCES: Final = "batch-more-differences"
_PHASE_WORDS: Final = {
    Phase.REQUESTED: "not decided",
    Phase.ROUTED: "not answered by its issuer yet",
    Phase.APPROVED: "approved, and counts in no batch",
    Phase.DECLINED: "declined",
    Phase.REVERSING: "being returned",
    Phase.REVERSED: "returned",
    Phase.REPEATING: "not confirmed by its issuer yet",
    Phase.CASE: "a case that a person must settle",
}
assert set(_PHASE_WORDS) == set(Phase), "a phase without words"
DIFFERENCES_COUNT_MAX: Final = 500  # of one batch, each a case; beyond that it is one incident

Till = tuple[str, str, str]


class UploadMemory(Protocol):
    """What a comparison reads of the partition's own memory."""

    def find_closed_batch(self, till: Till, batch: str) -> ClosedBatch | None:
        """Return a batch that its terminal has closed, while it is remembered."""
        ...

    def payments_of_closed(self, till: Till, batch: str) -> Sequence[Payment]:
        """Return the payments of a closed batch, in the order in which they were asked for."""
        ...

    def find_by_key(self, idempotency_key: str) -> Payment | None:
        """Return the payment that was asked for under this key."""
        ...


class Sorted(NamedTuple):
    """What an upload brings: what is new, and what came before with other content."""

    new: tuple[UploadItem, ...]
    differing: tuple[UploadItem, ...]


def sort_items(closed: ClosedBatch, items: Iterable[UploadItem]) -> Sorted:
    """Tell new transactions from those already held: equal ones are dropped."""
    held = {item.stan: item for item in closed.items}
    new: list[UploadItem] = []
    differing: list[UploadItem] = []
    for item in items:
        known = held.get(item.stan)
        if known is None:
            held[item.stan] = item
            new.append(item)
        elif not known.is_same(item):
            differing.append(item)
    return Sorted(tuple(new), tuple(differing))


def says_nothing_new(closed: ClosedBatch, request: TerminalRequest) -> bool:
    """Say whether an upload message only repeats what is on record; it is then answered 00."""
    if closed.is_uploaded:
        return True
    return bool(request.items) and not any(sort_items(closed, request.items))


def decide_upload(
    fact: TerminalAsked, answer: Answer, memory: UploadMemory, rules: DecisionRules
) -> tuple[UploadTaken | CaseOpened, ...] | str:
    """Put uploaded transactions on record; a text says why the batch takes none."""
    request = fact.request
    closed = memory.find_closed_batch(request.till, request.batch)
    if closed is None:
        return f"batch {request.batch} is not closed"
    new, differing = sort_items(closed, request.items)
    if len(closed.items) + len(new) > rules.batch_count_max:
        return f"batch {request.batch}: more than {rules.batch_count_max} transactions"
    taken = UploadTaken(
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
        batch=request.batch,
        answer=answer,
        items=new,
    )
    again = "uploaded a second time with another amount or card"
    cases = []
    for item in differing:
        told = _tell(item, request.currency, again)
        cases.append(_open(fact, UPLOAD_DIFFERS, item.stan, told))
    return (taken, *cases)


def decide_upload_end(
    fact: TerminalAsked,
    answer: Answer,
    memory: UploadMemory,
    rules: DecisionRules,  # noqa: ARG001 - the shape of a decider
) -> tuple[UploadCompared | CaseOpened, ...] | str:
    """Compare what was uploaded with our records; each difference is a case."""
    request = fact.request
    closed = memory.find_closed_batch(request.till, request.batch)
    if closed is None:
        return f"batch {request.batch} is not closed"
    cases = _find_differences(fact, closed, memory)
    difference_count, uploaded_count = len(cases), len(closed.items)
    if request.item_count != uploaded_count:
        told = f"the terminal counts {request.item_count} transactions, {uploaded_count} came"
        cases.insert(0, _open(fact, UPLOAD_INCOMPLETE, "", told))
    compared = UploadCompared(
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
        batch=request.batch,
        answer=answer,
        item_count=request.item_count,
        uploaded_count=uploaded_count,
        difference_count=difference_count,
    )
    return (compared, *_bound(fact, cases))


def _find_differences(
    fact: TerminalAsked, closed: ClosedBatch, memory: UploadMemory
) -> list[CaseOpened]:
    request = fact.request
    ours: dict[str, Payment] = {}
    for payment in memory.payments_of_closed(request.till, request.batch):
        if count_payment(payment) is not None:
            ours[payment.request.stan] = payment
    cases: list[CaseOpened] = []
    currency = request.currency or next(map(_currency_of, ours.values()), "")
    for item in closed.items:
        known = ours.pop(item.stan, None)
        if known is not None:
            cases += _compare(fact, item, known)
            continue
        other = memory.find_by_key(_payment_key(request, item.stan))
        if other is None:
            told = _tell(item, currency, "the terminal has it, the switch does not know it")
            amount = Money(item.amount_minor, currency)
            cases.append(_open(fact, TERMINAL_ONLY, item.stan, told, amount=amount))
        else:
            told = f"the terminal counts it, the switch does not: it is {_PHASE_WORDS[other.phase]}"
            told = _tell(item, _currency_of(other), told)
            cases.append(_open(fact, TERMINAL_ONLY, item.stan, told, payment=other))
    for payment in ours.values():
        told = f"STAN {payment.request.stan}: approved, and the terminal does not count it"
        cases.append(_open(fact, HOST_ONLY, payment.request.stan, told, payment=payment))
    return cases


def _compare(fact: TerminalAsked, item: UploadItem, payment: Payment) -> list[CaseOpened]:
    counted, card = count_payment(payment), payment.request.card
    currency = _currency_of(payment)
    assert counted is not None
    if counted.minor != item.amount_minor:
        ours = _show_amount(counted.minor, currency)
        told = _tell(item, currency, f"the switch has another amount ({ours})")
        return [_open(fact, AMOUNT_DIFFERS, item.stan, told, payment=payment)]
    if card is not None and not _is_card(item, card):
        told = _tell(item, currency, "the terminal has another card than the switch")
        return [_open(fact, CARD_DIFFERS, item.stan, told, payment=payment)]
    return []


def _is_card(item: UploadItem, card: Card) -> bool:
    """Compare tokens; those of two keys say nothing, then the masks must do."""
    if item.token_key_id == card.token_key_id:
        return item.token == card.token
    return item.masked_pan == card.masked_pan


def _bound(fact: TerminalAsked, cases: list[CaseOpened]) -> list[CaseOpened]:
    """Open so many cases one by one; what is more is one case about them all."""
    if len(cases) <= DIFFERENCES_COUNT_MAX:
        return cases
    told = f"{len(cases)} differences: this batch wants to be compared as a whole"
    return [*cases[:DIFFERENCES_COUNT_MAX], _open(fact, MORE_DIFFERENCES, "", told)]


def _tell(item: UploadItem, currency: str, told: str) -> str:
    amount = _show_amount(item.amount_minor, currency)
    return f"STAN {item.stan}, {amount} on card {item.masked_pan or 'unknown'}: {told}"


def _show_amount(minor: int, currency: str) -> str:
    """Write an amount for people; an upload need not say in what currency it is."""
    if currency not in CURRENCY_NAMES:
        return f"{minor} (minor units)"
    return f"{format_minor(minor, currency)} {CURRENCY_NAMES[currency]}"


def _currency_of(payment: Payment) -> str:
    amount = payment.request.amount
    return amount.currency if amount else ""


def _payment_key(request: TerminalRequest, stan: str) -> str:
    return make_idempotency_key(
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
        batch=request.batch,
        stan=stan,
        message_class="payment",
    )


def _open(
    fact: TerminalAsked,
    kind: str,
    stan: str,
    detail: str,
    *,
    payment: Payment | None = None,
    amount: Money | None = None,
) -> CaseOpened:
    request = fact.request
    operation = payment.transaction.value if payment else ""
    return CaseOpened(
        case_id=make_case_id(kind, request.till, request.batch, stan, operation),
        kind=kind,
        at=fact.at,
        rrn=payment.rrn if payment else "",
        detail=f"batch {request.batch}: {detail}",
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
        amount=amount,
    )


def make_case_id(kind: str, till: Till, batch: str, stan: str, operation: str) -> str:
    """Name a difference for ever: found again, it is the same case."""
    content = "|".join((*till, batch, stan, operation))
    return f"{kind}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


# -- what comes too late --------------------------------------------------------------------------


def decide_overdue(fact: UploadOverdue, closed: ClosedBatch | None) -> tuple[CaseOpened, ...]:
    """Let a person ask for an upload that does not come; once."""
    if closed is None or closed.is_uploaded or closed.is_overdue:
        return ()
    till = (fact.acquirer, fact.merchant_id, fact.terminal_id)
    told = (
        f"batch {fact.batch} closed unbalanced and its upload is not complete"
        f" ({len(closed.items)} transactions came)"
    )
    case = CaseOpened(
        case_id=make_case_id(UPLOAD_LATE, till, fact.batch, closed.stan, ""),
        kind=UPLOAD_LATE,
        at=fact.at,
        detail=told,
        acquirer=fact.acquirer,
        merchant_id=fact.merchant_id,
        terminal_id=fact.terminal_id,
    )
    return (case,)


def decide_late_change(fact: BatchChangedLate, payment: Payment | None) -> tuple[CaseOpened, ...]:
    """
    A payment that its terminal's totals did not count was approved after all: who has it?

    An advice that nobody can be told of debits nothing, and has its case.
    """
    if payment is None or payment.terms is None or count_payment(payment) is None:
        return ()
    case = CaseOpened(
        case_id=f"{LATE_APPROVAL}-{fact.rrn}",
        kind=LATE_APPROVAL,
        at=fact.at,
        rrn=fact.rrn,
        detail=f"approved after its batch {fact.batch} was closed without it",
        acquirer=fact.acquirer,
        merchant_id=fact.merchant_id,
        terminal_id=fact.terminal_id,
    )
    return (case,)
