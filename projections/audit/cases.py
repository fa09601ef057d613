"""The cases: one row for each as it stands now, folded from its events."""

from typing import Final, get_args

import msgspec
from msgspec.structs import replace

from projections.position import Place
from switch.domain.cases.events import (
    CaseAssigned,
    CaseClosed,
    CaseEvent,
    CaseNoted,
    CaseResolutionProposed,
    CaseResolved,
)
from switch.domain.cases.state import INBOUND_PARKED, CaseState, parked_case_id
from switch.domain.payment.events import CaseOpened
from switch.eventlog.journal import InboundParked, JournalEvent

FOLDED: Final = frozenset({CaseOpened, InboundParked, *get_args(CaseEvent)})


class CaseRow(msgspec.Struct, frozen=True, gc=False):
    """
    A row of `cases`, by the names of its columns.

    Amount and currency are the opening's own; most cases are about a payment, which has them.
    `journal_offset` is that of its last opening, `detail` what that said. `reason` is that of the
    resolution, or of the one that is proposed.
    """

    case_id: str
    partition: int
    journal_offset: int
    kind: str
    state: str
    opened_at_ms: int
    updated_at_ms: int
    ended_at_ms: int = 0
    rrn: str = ""
    acquirer: str = ""
    merchant_id: str = ""
    terminal_id: str = ""
    amount_minor: int = 0
    currency: str = ""
    detail: str = ""
    owner: str = ""
    proposed_by: str = ""
    resolution: str = ""
    reason: str = ""
    resolved_by: str = ""
    confirmed_by: str = ""
    note_count: int = 0
    opening_count: int = 1


def case_id_of(event: JournalEvent, place: Place) -> str:
    """Name the case that an event is about; empty if it is about none."""
    if isinstance(event, InboundParked):
        return parked_case_id(place.partition, event.inbound_offset, event.mark)
    return event.case_id if isinstance(event, CaseOpened | CaseEvent) else ""


def apply(row: CaseRow | None, event: JournalEvent, place: Place, at_ms: int) -> CaseRow | None:
    """Return the row after `event`; None if it is about a case that was never opened."""
    if isinstance(event, CaseOpened | InboundParked):
        return _open(row, _read_opening(event, place, at_ms))
    if row is None:
        return None
    changed = replace(row, updated_at_ms=at_ms)
    match event:
        case CaseNoted():
            return replace(changed, note_count=row.note_count + 1)
        case CaseAssigned(owner=owner):
            return replace(changed, owner=owner)
        case CaseResolutionProposed(resolution=resolution, by=by, text=text):
            return replace(
                changed,
                state=CaseState.PROPOSED.value,
                proposed_by=by,
                resolution=resolution.value,
                reason=text,
            )
        case CaseResolved():
            return replace(
                changed,
                state=CaseState.RESOLVED.value,
                ended_at_ms=at_ms,
                proposed_by="",
                resolution=event.resolution.value,
                reason=event.text,
                resolved_by=event.by,
                confirmed_by=event.confirmed_by,
            )
        case CaseClosed(cause=cause):
            return replace(
                changed,
                state=CaseState.CLOSED.value,
                ended_at_ms=at_ms,
                proposed_by="",
                resolution="",
                reason=cause,
            )
        case _:
            return row


def _read_opening(event: CaseOpened | InboundParked, place: Place, at_ms: int) -> CaseRow:
    row = CaseRow(
        case_id=case_id_of(event, place),
        partition=place.partition,
        journal_offset=place.offset,
        kind=INBOUND_PARKED,
        state=CaseState.OPEN.value,
        opened_at_ms=at_ms,
        updated_at_ms=at_ms,
    )
    if isinstance(event, InboundParked):
        fault = _without_nul(event.fault)
        return replace(row, detail=f"{fault} (inbound offset {event.inbound_offset})")
    amount = event.amount
    return replace(
        row,
        kind=event.kind,
        rrn=event.rrn,
        acquirer=event.acquirer,
        merchant_id=event.merchant_id,
        terminal_id=event.terminal_id,
        amount_minor=amount.minor if amount else 0,
        currency=amount.currency if amount else "",
        detail=_without_nul(event.detail),
    )


def _without_nul(text: str) -> str:
    return text.replace("\0", "\ufffd")  # PostgreSQL has no text for NUL


def _open(row: CaseRow | None, opened: CaseRow) -> CaseRow:
    """Begin a case; one that is open stays as it is, one that had ended is taken up again."""
    if row is None:
        return opened
    count = row.opening_count + 1
    if not row.ended_at_ms:
        return replace(row, opening_count=count, updated_at_ms=opened.updated_at_ms)
    return replace(opened, opening_count=count, note_count=row.note_count)
