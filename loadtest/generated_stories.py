"""Longer stories for made journals: voids, refunds, advices, and cases that people settle."""

from collections.abc import Iterator
from typing import Final, Protocol

from msgspec.structs import replace

from switch.domain.cases.events import (
    CaseAssigned,
    CaseClosed,
    CaseNoted,
    CaseResolutionProposed,
    CaseResolved,
    Resolution,
)
from switch.domain.payment.events import (
    AdviceAccepted,
    AdviceConfirmed,
    CaseOpened,
    IssuerAnswered,
    IssuerTimedOut,
    OutcomeAwaited,
    PaymentApproved,
    PaymentRequested,
    PaymentReversed,
    PaymentRouted,
    RepeatAttempted,
    ReturnOrdered,
    ReversalAnswered,
    ReversalAttempted,
)
from switch.domain.payment.payment import RouteTerms, SettlementLine
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.transactions import TransactionType
from switch.eventlog.journal import JournalEvent

Record = tuple[JournalEvent, ...]
Steps = Iterator[Record]
FIRST: Final = "demo-operator-1"
SECOND: Final = "demo-operator-2"


class Teller(Protocol):
    """What a story needs of the journal that it is told into."""

    @property
    def at(self) -> int:
        """When the next record is written, epoch ms."""
        ...

    @property
    def terms(self) -> RouteTerms:
        """Where payments are routed to."""
        ...

    def next_rrn(self) -> str:
        """Give the RRN of a payment that the next record opens."""
        ...

    def route(self, rrn: str, request: PaymentRequest) -> Record:
        """Ask for a payment and route it."""
        ...

    def approve(self, rrn: str, request: PaymentRequest) -> Record:
        """Let the issuer approve it."""
        ...

    def lose(self, rrn: str) -> Record:
        """Let the issuer stay silent, and try to reverse it once."""
        ...

    def settle(self, request: PaymentRequest) -> SettlementLine:
        """Write the settlement line of a debit."""
        ...


def tell_void(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Approve a sale and void it."""
    yield teller.route(rrn, request)
    yield teller.approve(rrn, request)
    void, asked = follow(teller, rrn, request, TransactionType.SALE_VOID)
    yield asked
    answered = IssuerAnswered(rrn=void, response_code="00", at=teller.at)
    line = negative(teller.settle(request), TransactionType.SALE_VOID)
    yield (answered, approved(teller, void, line))


def tell_refund(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Approve a sale; its refund is repeated until the issuer answers."""
    yield teller.route(rrn, request)
    yield teller.approve(rrn, request)
    refund, asked = follow(teller, rrn, request, TransactionType.REFUND)
    yield asked
    answer = Answer(response_code="98", at=teller.at, rrn=refund, reason="refund-unknown")
    yield (
        IssuerTimedOut(rrn=refund, cause="timeout", at=teller.at),
        OutcomeAwaited(rrn=refund, cause="timeout", answer=answer),
    )
    for attempt in (1, 2):
        at = teller.at
        yield (RepeatAttempted(rrn=refund, attempt=attempt, at=at, next_at=at + 2_000),)
    answered = IssuerAnswered(rrn=refund, response_code="00", at=teller.at)
    line = negative(teller.settle(request), TransactionType.REFUND)
    yield (answered, approved(teller, refund, line))


def tell_advice(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Accept an advice and tell the issuer of it."""
    asked = replace(request, transaction=TransactionType.OFFLINE_ADVICE, mti="0220")
    yield (
        PaymentRequested(rrn=rrn, request=asked, at=teller.at),
        AdviceAccepted(
            rrn=rrn,
            cause="offline",
            answer=Answer(response_code="00", at=teller.at, rrn=rrn, authorization_id=rrn[-6:]),
            terms=teller.terms,
            upstream_stan=request.stan,
            transmission_time="1122153000",
            line=replace(teller.settle(request), transaction=TransactionType.OFFLINE_ADVICE),
        ),
    )
    at = teller.at
    yield (RepeatAttempted(rrn=rrn, attempt=1, at=at, next_at=at + 2_000),)
    answered = IssuerAnswered(rrn=rrn, response_code="00", at=teller.at)
    yield (answered, AdviceConfirmed(rrn=rrn, at=teller.at))


def tell_claim(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Approve a sale that was not served; two persons give the money back."""
    yield teller.route(rrn, request)
    yield teller.approve(rrn, request)
    case_id = f"not-served-{rrn}"
    opened = CaseOpened(
        case_id=case_id,
        kind="not-served",
        at=teller.at,
        rrn=rrn,
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
    )
    yield (opened, _note(teller, case_id, rrn, "open"))
    yield (
        CaseAssigned(
            case_id=case_id, by=FIRST, at=teller.at, owner=SECOND, command_id="assign", rrn=rrn
        ),
    )
    yield (_note(teller, case_id, rrn, "note"),)
    resolution, text = Resolution.RETURN_MONEY, "the slip shows no sale"
    yield (
        CaseResolutionProposed(
            case_id=case_id,
            by=FIRST,
            at=teller.at,
            resolution=resolution,
            text=text,
            command_id="propose",
            rrn=rrn,
        ),
    )
    resolved = CaseResolved(
        case_id=case_id,
        by=FIRST,
        at=teller.at,
        resolution=resolution,
        text=text,
        command_id="confirm",
        confirmed_by=SECOND,
        confirmed_text="agreed",
        rrn=rrn,
    )
    yield (resolved, ReturnOrdered(rrn=rrn, case_id=case_id, by=FIRST, at=teller.at))
    yield (_attempt(teller, rrn, 1),)
    answered = ReversalAnswered(rrn=rrn, response_code="00", at=teller.at)
    line = negative(teller.settle(request), request.transaction)
    yield (answered, PaymentReversed(rrn=rrn, at=teller.at, line=line))


def tell_outage(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Open a case of an outcome that stays unknown; it closes when the issuer answers."""
    yield teller.route(rrn, request)
    yield teller.lose(rrn)
    case_id = f"outcome-open-{rrn}"
    yield (CaseOpened(case_id=case_id, kind="outcome-open", at=teller.at, rrn=rrn),)
    yield (_attempt(teller, rrn, 2),)
    answered = ReversalAnswered(rrn=rrn, response_code="00", at=teller.at)
    yield (answered, PaymentReversed(rrn=rrn, at=teller.at))
    yield (CaseClosed(case_id=case_id, at=teller.at, cause="settled", rrn=rrn),)


def tell_finding(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Let a person find that a debit which the issuer denies does not stand."""
    yield teller.route(rrn, request)
    yield teller.lose(rrn)
    case_id = f"reversal-not-found-{rrn}"
    yield (
        ReversalAnswered(rrn=rrn, response_code="25", at=teller.at),
        CaseOpened(case_id=case_id, kind="reversal-not-found", at=teller.at, rrn=rrn),
    )
    resolved = CaseResolved(
        case_id=case_id,
        by=FIRST,
        at=teller.at,
        resolution=Resolution.RETURNED,
        text="not in the issuer's file",
        command_id="resolve",
        rrn=rrn,
    )
    yield (resolved, PaymentReversed(rrn=rrn, at=teller.at))


STORIES: Final = (tell_void, tell_refund, tell_advice, tell_claim, tell_outage, tell_finding)


def follow(
    teller: Teller,
    rrn: str,
    request: PaymentRequest,
    transaction: TransactionType,
    number: int = 0,
) -> tuple[str, Record]:
    """Ask for something that changes a payment; return its RRN and the record."""
    key = f"{request.idempotency_key}|{transaction.value}{number or ''}"
    changed = replace(request, transaction=transaction, idempotency_key=key)
    other = teller.next_rrn()
    asked, routed = teller.route(other, changed)
    assert isinstance(routed, PaymentRouted)
    return other, (asked, replace(routed, original_rrn=rrn))


def approved(teller: Teller, rrn: str, line: SettlementLine | None) -> PaymentApproved:
    """Let the issuer's answer approve it; a hold settles nothing."""
    answer = Answer(response_code="00", at=teller.at, rrn=rrn, authorization_id="A1B2C4")
    return PaymentApproved(rrn=rrn, answer=answer, line=line)


def negative(line: SettlementLine, transaction: TransactionType) -> SettlementLine:
    """Take a line back by another transaction."""
    return replace(
        line,
        gross_minor=-line.gross_minor,
        fee_minor=-line.fee_minor,
        transaction=transaction,
    )


def _note(teller: Teller, case_id: str, rrn: str, command_id: str) -> CaseNoted:
    return CaseNoted(
        case_id=case_id,
        by=FIRST,
        at=teller.at,
        text="the customer called",
        command_id=command_id,
        rrn=rrn,
    )


def _attempt(teller: Teller, rrn: str, attempt: int) -> ReversalAttempted:
    at = teller.at
    return ReversalAttempted(
        rrn=rrn, attempt=attempt, at=at, transmission_time="1122153010", next_at=at + 2_000
    )
