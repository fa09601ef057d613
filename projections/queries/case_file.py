"""
The case file of a payment: every step with its time, what decided it, and who was told what.

It answers one question above all: was the cardholder debited?
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from projections.audit.payments import PaymentRow
from projections.database import Connection, fetch_rows
from projections.queries.steps import Step, describe_steps
from switch.domain.money import CURRENCY_NAMES, format_minor
from switch.domain.transactions import MoneyState

FOUND_MAX: Final = 20

_PAYMENT_COLUMNS: Final = ", ".join(PaymentRow.__struct_fields__)
_STEP_COLUMNS: Final = (
    "partition, journal_offset, event_index, at_ms, tag, rrn, idempotency_key, claim_id, epoch, "
    "is_void, registry_position, inbound_id, detail::text AS detail"
)


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a look-up found: a payment, or requests under a key that never became one."""

    rrn: str = ""
    idempotency_key: str = ""
    at_ms: int = 0


class CaseFile(msgspec.Struct, frozen=True, kw_only=True):
    """
    All that the journal holds about one payment.

    `payment` is None where requests under the key never became a payment. `verdict` answers
    whether the cardholder was debited, in one line; `money_state` is its word for programs.
    """

    subject: Subject
    payment: PaymentRow | None
    money_state: str
    verdict: str
    steps: tuple[Step, ...]


class EventFound(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `audit.events` as a case file reads it."""

    partition: int
    journal_offset: int
    event_index: int
    at_ms: int
    tag: str
    rrn: str
    idempotency_key: str
    claim_id: str
    epoch: int
    is_void: bool
    registry_position: int
    inbound_id: str
    detail: str


async def find_by_reference(connection: Connection, reference: str) -> list[Subject]:
    """Look up an RRN or an idempotency key; a client's own Idempotency-Key will do."""
    found = await fetch_rows(
        connection,
        Subject,
        "SELECT rrn, idempotency_key, opened_at_ms AS at_ms FROM audit.payments WHERE rrn = $1",
        reference,
    )
    if found:
        return found
    found = await _find_by_key(connection, "idempotency_key = $1", reference)
    if found or not reference:
        return found
    return await _find_by_key(
        connection, "idempotency_key LIKE 'json|%' AND right(idempotency_key, $2) = $1", reference
    )


async def _find_by_key(connection: Connection, condition: str, reference: str) -> list[Subject]:
    suffix = f"|{reference}"
    arguments = (suffix, len(suffix)) if "$2" in condition else (reference,)
    return await fetch_rows(
        connection,
        Subject,
        "SELECT max(rrn) AS rrn, idempotency_key, max(at_ms) AS at_ms FROM audit.events "  # noqa: S608 - conditions of our own
        f"WHERE idempotency_key <> '' AND NOT is_void AND {condition} "
        f"GROUP BY idempotency_key ORDER BY max(at_ms) DESC LIMIT {FOUND_MAX}",
        *arguments,
    )


async def find_by_stan(connection: Connection, stan: str, terminal_id: str) -> list[Subject]:
    """Look up what a terminal asked under one trace number, newest first."""
    return await fetch_rows(
        connection,
        Subject,
        "SELECT max(rrn) AS rrn, idempotency_key, max(at_ms) AS at_ms FROM audit.events "  # noqa: S608 - a number of our own
        "WHERE stan <> '' AND stan = $1 AND terminal_id = $2 AND NOT is_void "
        f"GROUP BY idempotency_key ORDER BY max(at_ms) DESC LIMIT {FOUND_MAX}",
        stan,
        terminal_id,
    )


async def load_case_file(connection: Connection, subject: Subject) -> CaseFile:
    """Collect all that concerns a payment: by its RRN, its key, and the keys of its reversals."""
    payment: PaymentRow | None = None
    if subject.rrn:
        rows = await fetch_rows(
            connection,
            PaymentRow,
            f"SELECT {_PAYMENT_COLUMNS} FROM audit.payments WHERE rrn = $1",  # noqa: S608 - ours
            subject.rrn,
        )
        payment = rows[0] if rows else None
    keys = _family_of(payment.idempotency_key if payment else subject.idempotency_key)
    events = await fetch_rows(
        connection,
        EventFound,
        f"SELECT {_STEP_COLUMNS} FROM audit.events "  # noqa: S608 - columns of our own
        "WHERE (rrn <> '' AND rrn = $1) "
        "OR (idempotency_key <> '' AND idempotency_key = ANY($2::text[])) "
        "ORDER BY partition, journal_offset, event_index",
        subject.rrn,
        keys,
    )
    return make_case_file(subject, payment, events)


async def load_refusals(connection: Connection, stan: str, terminal_id: str) -> CaseFile | None:
    """Collect the refusals of a terminal's messages under one STAN that proved no identity."""
    events = await fetch_rows(
        connection,
        EventFound,
        f"SELECT {_STEP_COLUMNS} FROM audit.events "  # noqa: S608 - columns of our own
        "WHERE stan <> '' AND stan = $1 AND terminal_id = $2 AND tag = 'request-refused.v1' "
        "ORDER BY partition, journal_offset, event_index",
        stan,
        terminal_id,
    )
    return make_case_file(Subject(), None, events) if events else None


def _family_of(idempotency_key: str) -> list[str]:
    """Return a key and those under which the same terminal reverses (or pays) the same thing."""
    if not idempotency_key:
        return []
    stem, _, message_class = idempotency_key.rpartition("|")
    if idempotency_key.startswith("json|") or message_class not in {"payment", "reversal"}:
        return [idempotency_key]
    return [f"{stem}|payment", f"{stem}|reversal"]


def make_case_file(
    subject: Subject, payment: PaymentRow | None, events: Sequence[EventFound]
) -> CaseFile:
    """Put a case file together; pure."""
    steps = describe_steps(events)
    money_state = payment.money_state if payment else MoneyState.NOT_DEBITED.value
    return CaseFile(
        subject=subject,
        payment=payment,
        money_state=money_state,
        verdict=answer_question(payment),
        steps=steps,
    )


def answer_question(payment: PaymentRow | None) -> str:
    """Answer "was it debited?" in one line."""
    if payment is None:
        return "NO: this request never became a payment; nothing was sent to an issuer."
    amount = show_amount(payment.amount_minor, payment.currency)
    because = f" ({payment.response_code} {payment.reason})".replace(" )", ")")
    match MoneyState(payment.money_state):
        case MoneyState.DEBITED:
            return f"YES: {amount} was debited; the payment is approved{because}."
        case MoneyState.NOT_DEBITED:
            return f"NO: nothing was debited; the payment was declined{because}."
        case MoneyState.RETURNED:
            return f"NO LONGER: whatever was debited of {amount} has been returned."
        case MoneyState.RETURNING:
            tries = payment.reversal_attempts
            return (
                f"BEING RETURNED: {amount} is reversed until the issuer confirms it "
                f"({tries} {'attempt' if tries == 1 else 'attempts'} so far); do not charge again."
            )
        case MoneyState.UNKNOWN if payment.state == "case":
            return f"NOT KNOWN: a person must look; reconciliation decides about {amount}."
        case MoneyState.UNKNOWN:
            return f"NOT KNOWN YET: {amount} is with the issuer; its answer is waited for."


def show_amount(minor: int, currency: str) -> str:
    """Write an amount for people; `no amount` where a request named none."""
    if not currency:
        return "no amount"
    if currency not in CURRENCY_NAMES:
        return f"{minor} (minor units of {currency})"
    return f"{format_minor(minor, currency)} {CURRENCY_NAMES[currency]}"
