"""Writes audit rows: events appended, payments folded over the rows that are there."""

from typing import Final

from msgspec.structs import astuple

from projections.audit.case_tables import CaseFolds
from projections.audit.cases import FOLDED as CASE_EVENTS
from projections.audit.events import EventRow
from projections.audit.events import apply as apply_record
from projections.audit.payments import FOLDED, PaymentRow, open_row
from projections.audit.payments import apply as apply_event
from projections.database import Connection, fetch_rows, transpose
from projections.position import Place
from switch.domain.payment.events import PaymentRequested
from switch.eventlog.journal import JournalEvent, JournalRecord

_FOLDED: Final = frozenset({PaymentRequested, *FOLDED})
_COLUMNS: Final = PaymentRow.__struct_fields__
_FIND: Final = f"SELECT {', '.join(_COLUMNS)} FROM payments WHERE rrn = ANY($1::text[])"  # noqa: S608 - ours
# what an event may change; the rest stays as the request said
_CHANGING: Final = (
    ("updated_at_ms", "bigint"),
    ("amount_minor", "bigint"),
    ("issuer_id", "text"),
    ("link", "text"),
    ("state", "text"),
    ("money_state", "text"),
    ("response_code", "text"),
    ("reason", "text"),
    ("authorization_id", "text"),
    ("settlement_date", "text"),
    ("reversal_attempts", "integer"),
    ("case_count", "integer"),
    ("original_rrn", "text"),
    ("moved_at_ms", "bigint"),
    ("repeat_attempts", "integer"),
    ("attempted_at_ms", "bigint"),
    ("next_try_at_ms", "bigint"),
    ("advice_open", "boolean"),
    ("returned_by", "text"),
    ("resolution", "text"),
    ("answered_at_ms", "bigint"),
)
_CHANGE: Final = (
    f"UPDATE payments SET {', '.join(f'{name} = changed.{name}' for name, _ in _CHANGING)} "  # noqa: S608 - names of our own
    f"FROM unnest($1::text[], "
    f"{', '.join(f'${number}::{kind}[]' for number, (_, kind) in enumerate(_CHANGING, 2))}) "
    f"AS changed (rrn, {', '.join(name for name, _ in _CHANGING)}) "
    "WHERE payments.rrn = changed.rrn"
)


class AuditBatch:
    """The audit rows of a run of records, written together."""

    def __init__(self) -> None:
        self.events: list[EventRow] = []
        self._folds: dict[str, list[tuple[JournalEvent, int, int]]] = {}
        self._cases = CaseFolds()

    def add(self, record: JournalRecord, place: Place) -> None:
        """Take one record; a void one leaves event rows only."""
        rows = apply_record(record, place)
        self.events.extend(rows)
        if place.is_void:
            return
        for event, row in zip(record.events, rows, strict=True):
            if row.rrn and type(event) in _FOLDED:
                step = (event, row.at_ms, place.partition)
                self._folds.setdefault(row.rrn, []).append(step)
            if type(event) in CASE_EVENTS:
                self._cases.add(event, place, row.at_ms)

    async def write(self, connection: Connection) -> None:
        """Write everything inside the caller's db transaction."""
        if self.events:
            await connection.copy_records_to_table(
                "events", records=self.events, columns=EventRow._fields
            )
        await self._cases.write(connection)
        if not self._folds:
            return
        rrns = sorted(self._folds)
        found = await fetch_rows(connection, PaymentRow, _FIND, rrns)
        known = {row.rrn: row for row in found}
        opened, changed = self._fold(rrns, known)
        if opened:
            await connection.copy_records_to_table(
                "payments", records=[astuple(row) for row in opened], columns=_COLUMNS
            )
        if changed:
            rows = [(row.rrn, *(getattr(row, name) for name, _ in _CHANGING)) for row in changed]
            await connection.execute(_CHANGE, *transpose(rows, len(_CHANGING) + 1))

    def _fold(
        self, rrns: list[str], known: dict[str, PaymentRow]
    ) -> tuple[list[PaymentRow], list[PaymentRow]]:
        """Return the new rows and the changed ones."""
        opened: list[PaymentRow] = []
        changed: list[PaymentRow] = []
        for rrn in rrns:
            row = known.get(rrn)
            for event, at_ms, partition in self._folds[rrn]:
                if row is None:
                    if isinstance(event, PaymentRequested):
                        row = open_row(event, partition)
                else:
                    row = apply_event(row, event, at_ms)
            if row is not None:
                (changed if rrn in known else opened).append(row)
        return opened, changed
