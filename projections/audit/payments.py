"""The index of payments: one row for each as it stands now, folded from its events."""

from typing import Final

import msgspec
from msgspec.structs import replace

from switch.domain.payment.events import (
    CaseOpened,
    OutcomeUnknown,
    PaymentApproved,
    PaymentDeclined,
    PaymentRequested,
    PaymentReversed,
    PaymentRouted,
    ReversalAccepted,
    ReversalAttempted,
)
from switch.domain.payment.payment import Phase
from switch.domain.payment.requests import Answer
from switch.domain.payment.state import CASES_THAT_STOP
from switch.domain.transactions import MoneyState
from switch.eventlog.journal import JournalEvent

MONEY_STATES: Final = {
    Phase.REQUESTED.value: MoneyState.NOT_DEBITED.value,
    Phase.ROUTED.value: MoneyState.UNKNOWN.value,
    Phase.APPROVED.value: MoneyState.DEBITED.value,
    Phase.DECLINED.value: MoneyState.NOT_DEBITED.value,
    Phase.REVERSING.value: MoneyState.RETURNING.value,
    Phase.REVERSED.value: MoneyState.RETURNED.value,
    Phase.REPEATING.value: MoneyState.UNKNOWN.value,
    Phase.CASE.value: MoneyState.UNKNOWN.value,
}
assert set(MONEY_STATES) == {phase.value for phase in Phase}, "a phase without a money state"


class PaymentRow(msgspec.Struct, frozen=True, gc=False):
    """A row of `payments`, in the order of its columns."""

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


FOLDED: Final = (
    PaymentRouted,
    PaymentApproved,
    PaymentDeclined,
    OutcomeUnknown,
    ReversalAccepted,
    ReversalAttempted,
    PaymentReversed,
    CaseOpened,
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
        money_state=MoneyState.NOT_DEBITED.value,
        response_code="",
        reason="",
        authorization_id="",
        settlement_date="",
        reversal_attempts=0,
        case_count=0,
    )


def apply(row: PaymentRow, event: JournalEvent, at_ms: int) -> PaymentRow:
    """Return the row after `event`; the phases are those of `switch.domain.payment.state`."""
    match event:
        case PaymentRouted(terms=terms):
            return _move(row, Phase.ROUTED, at_ms, issuer_id=terms.issuer_id, link=terms.link)
        case PaymentApproved(answer=answer, line=line):
            return _move(
                row,
                Phase.APPROVED,
                at_ms,
                amount_minor=line.gross_minor if line else row.amount_minor,
                settlement_date=line.settlement_date if line else "",
                **_told(answer),
            )
        case PaymentDeclined(answer=answer):
            return _move(row, Phase.DECLINED, at_ms, **_told(answer))
        case OutcomeUnknown(answer=answer):
            return _move(row, Phase.REVERSING, at_ms, **_told(answer))
        case ReversalAccepted(upstream=True) if row.state == Phase.APPROVED.value:
            return _move(row, Phase.REVERSING, at_ms)
        case ReversalAttempted(attempt=attempt):
            return replace(row, reversal_attempts=attempt, updated_at_ms=at_ms)
        case PaymentReversed():
            return _move(row, Phase.REVERSED, at_ms)
        case CaseOpened(kind=kind):
            opened = replace(row, case_count=row.case_count + 1, updated_at_ms=at_ms)
            return _move(opened, Phase.CASE, at_ms) if kind in CASES_THAT_STOP else opened
        case _:
            return row


def _move(row: PaymentRow, phase: Phase, at_ms: int, **changes: str | int) -> PaymentRow:
    state = phase.value
    money_state = MONEY_STATES[state]
    return replace(row, state=state, money_state=money_state, updated_at_ms=at_ms, **changes)


def _told(answer: Answer) -> dict[str, str | int]:
    return {
        "response_code": answer.response_code,
        "reason": answer.reason,
        "authorization_id": answer.authorization_id,
    }
