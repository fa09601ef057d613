"""
The case file of a payment: every step with its time, what decided it, and who was told what.

It answers one question above all: was the cardholder debited?
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from projections.audit.cases import CaseRow
from projections.audit.payments import PaymentRow
from projections.database import Connection, fetch_rows
from projections.queries.steps import Step, describe_steps
from projections.queries.verdict import Family, Verdict, judge
from switch.domain.transactions import TransactionType

FOUND_MAX: Final = 20

_PAYMENT_COLUMNS: Final = ", ".join(PaymentRow.__struct_fields__)
_CASE_COLUMNS: Final = ", ".join(CaseRow.__struct_fields__)
_FAMILY_DEPTH_MAX: Final = 3  # a hold, its completion, the void of that
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
    `changed_by` are the payments that change it, and those that change these.
    """

    subject: Subject
    payment: PaymentRow | None
    money_state: str
    verdict: str
    steps: tuple[Step, ...]
    changed_by: tuple[PaymentRow, ...] = ()
    cases: tuple[CaseRow, ...] = ()


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """
    A payment with all that says where its money is.

    Of an adjustment this is also its `sale`, with which it is given back, and all that changes it.
    """

    payment: PaymentRow
    changed_by: tuple[PaymentRow, ...] = ()
    cases: tuple[CaseRow, ...] = ()
    sale: PaymentRow | None = None
    sale_changed_by: tuple[PaymentRow, ...] = ()

    @property
    def family(self) -> Family:
        """Those that change a payment, by its RRN."""
        family: dict[str, list[PaymentRow]] = {}
        # the changes of an adjustment are among those of its sale
        for row in {one.rrn: one for one in (*self.changed_by, *self.sale_changed_by)}.values():
            family.setdefault(row.original_rrn, []).append(row)
        return family

    def judge(self) -> Verdict:
        """Say where the money of the payment is."""
        return judge(self.payment, self.family, self.cases, self.sale)

    def judge_change(self, row: PaymentRow) -> Verdict:
        """Say where the money of one of `changed_by` is."""
        return judge(row, self.family, sale=self.payment)


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
    found = await find_by_key(connection, reference)
    if found or not reference:
        return found
    suffix = f"|{reference}"
    condition = "idempotency_key LIKE 'json|%' AND right(idempotency_key, $2) = $1"
    return await _find(connection, condition, suffix, len(suffix))


async def find_by_key(connection: Connection, idempotency_key: str) -> list[Subject]:
    """Look up what was asked under one whole idempotency key, newest first."""
    return await _find(connection, "idempotency_key = $1", idempotency_key)


async def find_by_stan(connection: Connection, stan: str, terminal_id: str) -> list[Subject]:
    """Look up what a terminal asked under one trace number, newest first."""
    return await _find(
        connection, "stan <> '' AND stan = $1 AND terminal_id = $2", stan, terminal_id
    )


async def _find(connection: Connection, condition: str, *arguments: object) -> list[Subject]:
    """
    Find what is named under a condition: payments first, each by itself, newest first.

    One key may have opened two: the one that was carried out, and one that was refused when the
    first was forgotten. A sign-on has a reference number, too, but is none.
    """
    return await fetch_rows(
        connection,
        Subject,
        "WITH found AS (SELECT rrn, idempotency_key, max(at_ms) AS at_ms FROM audit.events "  # noqa: S608 - conditions of our own
        f"WHERE idempotency_key <> '' AND NOT is_void AND {condition} GROUP BY 1, 2) "
        "SELECT found.rrn, found.idempotency_key, found.at_ms "
        "FROM found LEFT JOIN audit.payments p ON found.rrn <> '' AND p.rrn = found.rrn "
        "WHERE found.rrn <> '' OR NOT EXISTS (SELECT FROM found AS named"
        " WHERE named.idempotency_key = found.idempotency_key AND named.rrn <> '') "
        f"ORDER BY p.rrn IS NULL, at_ms DESC, found.rrn DESC LIMIT {FOUND_MAX}",
        *arguments,
    )


async def load_standing(connection: Connection, rrn: str) -> Standing | None:
    """Collect what says where the money of a payment is; None if there is no such payment."""
    found = await _load_family(connection, rrn)
    if not found:
        return None
    payment, sale_found = found[0], list[PaymentRow]()
    if payment.kind == TransactionType.ADJUSTMENT_ADVICE.value and payment.original_rrn:
        sale_found = await _load_family(connection, payment.original_rrn)
    cases = await fetch_rows(
        connection,
        CaseRow,
        f"SELECT {_CASE_COLUMNS} FROM audit.cases WHERE rrn = $1 AND rrn <> '' "  # noqa: S608 - ours
        "ORDER BY opened_at_ms, case_id",
        rrn,
    )
    return Standing(
        payment=payment,
        changed_by=tuple(found[1:]),
        cases=tuple(cases),
        sale=sale_found[0] if sale_found else None,
        sale_changed_by=tuple(sale_found[1:]),
    )


async def _load_family(connection: Connection, rrn: str) -> list[PaymentRow]:
    """Return a payment, those that change it, and those that change these."""
    return await fetch_rows(
        connection,
        PaymentRow,
        f"WITH RECURSIVE family AS ("  # noqa: S608 - columns of our own
        f"SELECT {_PAYMENT_COLUMNS}, 0 AS depth FROM audit.payments WHERE rrn = $1 "
        "UNION ALL SELECT "
        f"{', '.join(f'p.{name}' for name in PaymentRow.__struct_fields__)}, family.depth + 1 "
        "FROM audit.payments p JOIN family ON p.original_rrn = family.rrn "
        f"WHERE p.original_rrn <> '' AND family.depth < {_FAMILY_DEPTH_MAX}) "
        f"SELECT {_PAYMENT_COLUMNS} FROM family ORDER BY depth, opened_at_ms, rrn",
        rrn,
    )


async def load_case_file(connection: Connection, subject: Subject) -> CaseFile:
    """Collect all that concerns a payment: by its RRN, its key, and the keys of its reversals."""
    standing = await load_standing(connection, subject.rrn) if subject.rrn else None
    payment = standing.payment if standing else None
    key = payment.idempotency_key if payment else subject.idempotency_key
    return make_case_file(subject, standing, await load_events(connection, subject.rrn, key))


# each arm has an index of its own; with a subquery in place of the array, every event is read
EVENTS_OF_PAYMENT: Final = (
    f"SELECT {_STEP_COLUMNS} FROM audit.events "  # noqa: S608 - columns of our own
    "WHERE (rrn <> '' AND rrn = $1) "
    "OR (idempotency_key <> '' AND idempotency_key = ANY($2::text[])) "
    # what a refused reversal was answered names its key only
    "OR (tag = 'reversal-accepted.v1' AND idempotency_key <> '' AND idempotency_key = ANY(ARRAY("
    "SELECT idempotency_key FROM audit.events "
    "WHERE rrn <> '' AND rrn = $1 AND tag = 'reversal-requested.v1'))) "
    "ORDER BY partition, journal_offset, event_index"
)


async def load_events(connection: Connection, rrn: str, idempotency_key: str) -> list[EventFound]:
    """Find what names a payment by its RRN, its key, or the keys of its reversals."""
    keys = _family_of(idempotency_key)
    return await fetch_rows(connection, EventFound, EVENTS_OF_PAYMENT, rrn, keys)


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
    subject: Subject, standing: Standing | None, events: Sequence[EventFound]
) -> CaseFile:
    """Put a case file together; pure."""
    payment = standing.payment if standing else None
    cases = standing.cases if standing else ()
    verdict = standing.judge() if standing else judge(None)
    return CaseFile(
        subject=subject,
        payment=payment,
        money_state=verdict.money_state,
        verdict=verdict.line,
        steps=describe_steps(events),
        changed_by=standing.changed_by if standing else (),
        cases=cases,
    )
