"""The index of payments: one row for each as it stands now, folded from its events."""

from typing import Final

import msgspec
from msgspec.structs import replace

from switch.domain.cases.events import CaseResolved
from switch.domain.payment.events import (
    AdviceAccepted,
    AdviceConfirmed,
    CaseOpened,
    OutcomeAwaited,
    OutcomeUnknown,
    PaymentApproved,
    PaymentDeclined,
    PaymentRequested,
    PaymentReversed,
    PaymentRouted,
    RepeatAttempted,
    ReturnOrdered,
    ReversalAccepted,
    ReversalAnswered,
    ReversalAttempted,
)
from switch.domain.payment.payment import Phase, money_state_of
from switch.domain.payment.requests import Answer
from switch.domain.payment.state import CASES_THAT_STOP
from switch.domain.transactions import TransactionType
from switch.eventlog.journal import JournalEvent

# why a payment goes back
BY_TERMINAL: Final = "taken-back"  # by who asked for it: an 0400, a partner's reverse
BY_SWITCH: Final = "outcome-unknown"
BY_OPERATOR: Final = "operator"


class PaymentRow(msgspec.Struct, frozen=True, gc=False):
    """
    A row of `payments`, by the names of its columns.

    `amount_minor` is what was approved, else what was asked for. `moved_at_ms` is when `state` was
    reached; `attempted_at_ms` when the issuer was last told of a reversal, an advice or a refund,
    and `next_try_at_ms` when it is told again if it stays silent (0: not told any more).
    `answered_at_ms` is when it answered a reversal that one more attempt must confirm.
    """

    rrn: str
    partition: int
    opened_at_ms: int
    updated_at_ms: int
    idempotency_key: str
    channel: str
    acquirer: str
    merchant_id: str
    terminal_id: str
    batch: str
    stan: str
    kind: str
    amount_minor: int
    currency: str
    masked_pan: str
    issuer_id: str
    link: str
    state: str
    money_state: str
    response_code: str
    reason: str
    authorization_id: str
    settlement_date: str
    reversal_attempts: int
    case_count: int
    original_rrn: str = ""
    moved_at_ms: int = 0
    repeat_attempts: int = 0
    attempted_at_ms: int = 0
    next_try_at_ms: int = 0
    advice_open: bool = False
    returned_by: str = ""
    resolution: str = ""
    answered_at_ms: int = 0


FOLDED: Final = (
    PaymentRouted,
    AdviceAccepted,
    PaymentApproved,
    PaymentDeclined,
    OutcomeUnknown,
    OutcomeAwaited,
    RepeatAttempted,
    AdviceConfirmed,
    ReturnOrdered,
    ReversalAccepted,
    ReversalAttempted,
    ReversalAnswered,
    PaymentReversed,
    CaseOpened,
    CaseResolved,
)


def open_row(event: PaymentRequested, partition: int) -> PaymentRow:
    """Begin the fold: the row of a payment that was only asked for."""
    request = event.request
    return PaymentRow(
        rrn=event.rrn,
        partition=partition,
        opened_at_ms=event.at,
        updated_at_ms=event.at,
        idempotency_key=request.idempotency_key,
        channel=request.channel,
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
        batch=request.batch,
        stan=request.stan,
        kind=request.transaction.value,
        amount_minor=request.amount.minor if request.amount else 0,
        currency=request.amount.currency if request.amount else "",
        masked_pan=request.card.masked_pan if request.card else "",
        issuer_id="",
        link="",
        state=Phase.REQUESTED.value,
        money_state=money_state_of(request.transaction, Phase.REQUESTED).value,
        response_code="",
        reason="",
        authorization_id="",
        settlement_date="",
        reversal_attempts=0,
        case_count=0,
        moved_at_ms=event.at,
    )


def apply(row: PaymentRow, event: JournalEvent, at_ms: int) -> PaymentRow:  # noqa: C901 - one case a kind
    """Return the row after `event`; the phases are those of `switch.domain.payment.state`."""
    match event:
        case PaymentRouted(terms=terms, original_rrn=original_rrn):
            routed = replace(row, original_rrn=original_rrn)
            return _move(routed, Phase.ROUTED, at_ms, issuer_id=terms.issuer_id, link=terms.link)
        case AdviceAccepted():
            return _accept_advice(row, event, at_ms)
        case PaymentApproved(answer=answer, line=line):
            amount = answer.amount
            return _move(
                row,
                Phase.APPROVED,
                at_ms,
                amount_minor=amount.minor if amount else row.amount_minor,
                settlement_date=line.settlement_date if line else row.settlement_date,
                **_told(answer),
            )
        case PaymentDeclined(answer=answer):
            return _move(row, Phase.DECLINED, at_ms, **_told(answer))
        case OutcomeUnknown(answer=answer):
            return _move(row, Phase.REVERSING, at_ms, returned_by=BY_SWITCH, **_told(answer))
        case OutcomeAwaited(answer=answer):
            return _move(row, Phase.REPEATING, at_ms, **_told(answer))
        case ReversalAccepted(upstream=True):
            taken_back = replace(row, returned_by=BY_TERMINAL, advice_open=False)
            if row.state != Phase.APPROVED.value:
                return replace(taken_back, updated_at_ms=at_ms)
            return _move(taken_back, Phase.REVERSING, at_ms)
        case ReturnOrdered():
            return _move(row, Phase.REVERSING, at_ms, returned_by=BY_OPERATOR, advice_open=False)
        case PaymentReversed():
            return _move(row, Phase.REVERSED, at_ms, advice_open=False)
        case _:
            return _note(row, event, at_ms)


def _note(row: PaymentRow, event: JournalEvent, at_ms: int) -> PaymentRow:
    """Take what leaves a payment in its phase, or stops it as a case."""
    match event:
        case ReversalAttempted(attempt=attempt, next_at=next_at):
            return replace(
                row,
                reversal_attempts=attempt,
                attempted_at_ms=at_ms,
                next_try_at_ms=next_at,
                updated_at_ms=at_ms,
            )
        case ReversalAnswered(next_at=next_at) if next_at:
            return replace(row, answered_at_ms=at_ms, next_try_at_ms=next_at, updated_at_ms=at_ms)
        case RepeatAttempted(attempt=attempt, next_at=next_at):
            return replace(
                row,
                repeat_attempts=attempt,
                attempted_at_ms=at_ms,
                next_try_at_ms=next_at,
                updated_at_ms=at_ms,
            )
        case AdviceConfirmed():
            return replace(row, advice_open=False, next_try_at_ms=0, updated_at_ms=at_ms)
        case CaseOpened(kind=kind):
            opened = replace(row, case_count=row.case_count + 1, updated_at_ms=at_ms)
            if kind not in CASES_THAT_STOP:
                return opened
            return _move(opened, Phase.CASE, at_ms, advice_open=False, resolution="")
        case CaseResolved(resolution=resolution) if row.state in _LEFT_TO_PEOPLE:
            return replace(row, resolution=resolution.value, updated_at_ms=at_ms)
        case _:
            return row


# elsewhere the issuer's word stands, and what a person says of it is the case's only
_LEFT_TO_PEOPLE: Final = frozenset({Phase.CASE.value, Phase.REVERSING.value, Phase.REPEATING.value})


def _accept_advice(row: PaymentRow, event: AdviceAccepted, at_ms: int) -> PaymentRow:
    terms, line, amount = event.terms, event.line, event.sent_amount
    return _move(
        row,
        Phase.APPROVED,
        at_ms,
        issuer_id=terms.issuer_id if terms else "",
        link=terms.link if terms else "",
        original_rrn=event.original_rrn,
        amount_minor=amount.minor if amount else row.amount_minor,
        settlement_date=line.settlement_date if line else "",
        advice_open=terms is not None,
        **_told(event.answer),
    )


def _move(row: PaymentRow, phase: Phase, at_ms: int, **changes: str | int | bool) -> PaymentRow:
    """Reach a phase; what was planned towards the issuer before is over."""
    return replace(
        row,
        state=phase.value,
        money_state=money_state_of(TransactionType(row.kind), phase).value,
        moved_at_ms=at_ms,
        updated_at_ms=at_ms,
        next_try_at_ms=0,
        answered_at_ms=0,
        **changes,
    )


def _told(answer: Answer) -> dict[str, str | int]:
    return {
        "response_code": answer.response_code,
        "reason": answer.reason,
        "authorization_id": answer.authorization_id,
    }
