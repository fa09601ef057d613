"""The case file's rows: one for each event, whatever it is, without card secrets."""

import re
from typing import Final, NamedTuple, get_args

import msgspec

from projections.position import Place
from switch.domain.card import Card
from switch.domain.payment.events import (
    DuplicateConflicted,
    Event,
    PaymentRequested,
    RequestRefused,
    ReversalAccepted,
    ReversalRequested,
    TombstoneSet,
)
from switch.domain.payment.requests import PaymentRequest
from switch.domain.registry.entities import SealedWorkingKeys
from switch.domain.terminal.events import TerminalAsked
from switch.domain.terminal.requests import TerminalRequest
from switch.eventlog.journal import JournalEvent, JournalRecord

TAGS: Final[dict[type[Event], str]] = {
    kind: str(kind.__struct_config__.tag) for kind in get_args(JournalEvent)
}
_encode_bytes: Final = msgspec.json.Encoder().encode
# PostgreSQL has no text for NUL, and looks into the JSON of a case: one such note stopped it all
_NUL: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_NOTHING: Final = ("", "", "")
# looked up rather than matched for each event: a rebuild reads millions
_ASKING: Final = frozenset({PaymentRequested, ReversalRequested, TerminalAsked})
_REFERRING: Final = _ASKING | {ReversalAccepted, DuplicateConflicted, TombstoneSet, RequestRefused}


class EventRow(NamedTuple):
    """A row of `events`, in the order of its columns."""

    partition: int
    journal_offset: int
    event_index: int
    at_ms: int
    tag: str
    rrn: str
    idempotency_key: str
    terminal_id: str
    stan: str
    claim_id: str
    epoch: int
    is_void: bool
    registry_position: int
    watermark: int
    inbound_offset: int
    inbound_id: str
    traceparent: str
    detail: str


class ShownCard(msgspec.Struct, frozen=True, kw_only=True):
    """What the audit shows of a card: enough to compare and to talk about it, no more."""

    masked_pan: str
    token: str
    bin: str


def apply(record: JournalRecord, place: Place) -> list[EventRow]:
    """Return one row for each event of a record, valid or void."""
    rows = []
    for index, event in enumerate(record.events):
        kind = type(event)
        tag = TAGS[kind]
        idempotency_key, terminal_id, stan = (
            find_references(event) if kind in _REFERRING else _NOTHING
        )
        rows.append(
            EventRow(
                place.partition,
                place.offset,
                index,
                getattr(event, "at", record.at),
                tag,
                getattr(event, "rrn", ""),
                idempotency_key,
                terminal_id,
                stan,
                record.claim_id,
                place.epoch,
                place.is_void,
                record.registry_position,
                record.watermark,
                record.inbound_offset,
                record.inbound_id,
                record.traceparent,
                encode_detail(event) if kind in _ASKING else _encode(event),
            )
        )
    return rows


def find_references(event: JournalEvent) -> tuple[str, str, str]:
    """Return the idempotency key, terminal and STAN that an event names (empty: none)."""
    match event:
        case (
            PaymentRequested(request=request)
            | ReversalRequested(request=request)
            | TerminalAsked(request=request)
        ):
            return request.idempotency_key, request.terminal_id, request.stan
        case ReversalAccepted(reversal_key=key):
            return key, "", ""
        case DuplicateConflicted(idempotency_key=key):
            return key, "", ""
        case TombstoneSet(idempotency_key=key, terminal_id=terminal_id, stan=stan):
            return key, terminal_id, stan
        case RequestRefused(terminal_id=terminal_id, stan=stan):
            return "", terminal_id, stan
        case _:
            return _NOTHING


def encode_detail(event: JournalEvent) -> str:
    """Write an event as JSON; a request is shown without its card's secrets, keys by their KCV."""
    match event:
        case (
            PaymentRequested(request=request)
            | ReversalRequested(request=request)
            | TerminalAsked(request=request)
        ):
            shown = msgspec.structs.asdict(event)
            shown["request"] = _show_request(request)
            shown["type"] = TAGS[type(event)]
            if isinstance(event, TerminalAsked) and event.offered is not None:
                shown["offered"] = _show_keys(event.offered)
            if isinstance(event, PaymentRequested) and event.recalled is not None:
                shown["recalled"] = event.recalled.rrn  # its own rows tell the rest
            return _encode(shown)
        case _:
            return _encode(event)


def _encode(shown: object) -> str:
    text = _encode_bytes(shown).decode()
    return _NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text


def _show_keys(keys: SealedWorkingKeys) -> dict[str, str]:
    """Name working keys by their check values: enough to compare them with a terminal's."""
    named = {"pik": keys.pik, "mak": keys.mak, "tdk": keys.tdk}
    shown = {name: key.kcv for name, key in named.items() if key is not None}
    return {"scheme": keys.scheme, **shown}


def _show_request(request: PaymentRequest | TerminalRequest) -> dict[str, object]:
    shown: dict[str, object] = {
        name: value for name, value in msgspec.structs.asdict(request).items() if value
    }
    if request.card is not None:
        shown["card"] = _show_card(request.card)
    return shown


def _show_card(card: Card) -> ShownCard:
    return ShownCard(masked_pan=card.masked_pan, token=card.token, bin=card.bin)
