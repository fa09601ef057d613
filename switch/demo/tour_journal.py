"""What the raw journal says about a payment: its records as they are stored, void ones marked."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from switch.domain.money import format_minor
from switch.eventlog.journal_reader import JournalReader
from switch.eventlog.port import StoredRecord

_CLAIM: Final = "partition-claimed.v1"
_LABELS: Final = {
    "cause": "",
    "attempt": "attempt",
    "response_code": "DE 39",
    "upstream_stan": "STAN",
    "kind": "",
}


class JournalLine(NamedTuple):
    """One event: where it is stored, its tag, and the little of it that fits beside a receipt."""

    partition: int
    offset: int
    is_void: bool
    tag: str
    words: str


class _RawRecord(msgspec.Struct):
    events: list[dict[str, Any]]


_decode = msgspec.json.Decoder(_RawRecord).decode


def list_lines(partition: int, records: Iterable[StoredRecord], rrn: str) -> list[JournalLine]:
    """
    List the events of the records that name this payment.

    Claims in between are listed as well: there the partition changed hands in mid-payment.
    """
    found: list[JournalLine] = []
    claims: list[JournalLine] = []
    for offset, is_void, events in _read(records):
        lines = [
            JournalLine(partition, offset, is_void, event["type"], describe(event))
            for event in events
        ]
        if any(event.get("rrn") == rrn for event in events):
            found += [*claims, *lines]
            claims = []
        elif found and lines and lines[0].tag == _CLAIM:
            claims += lines
    return found


def find_rrn(records: Iterable[StoredRecord], terminal_id: str, stan: str) -> str:
    """Find the payment that a terminal asked for under a trace number; empty if there is none."""
    for _, is_void, events in _read(records):
        for event in events:
            request = event.get("request", {})
            asked = (request.get("terminal_id"), request.get("stan"))
            is_opening = event["type"] == "payment-requested.v1" and not is_void
            if is_opening and asked == (terminal_id, stan):
                return str(event["rrn"])
    return ""


def has_event(lines: Iterable[JournalLine], tag: str) -> bool:
    """Say whether a valid event of this kind is among them."""
    return any(line.tag == tag and not line.is_void for line in lines)


def describe(event: dict[str, Any]) -> str:
    """Pick what tells one event from another: amount, codes, causes."""
    parts = []
    request, answer, terms = (event.get(name, {}) for name in ("request", "answer", "terms"))
    if amount := request.get("amount"):
        parts.append(format_minor(amount["minor"], amount["currency"]))
    if stan := request.get("stan"):
        parts.append(f"STAN {stan}")
    if link := terms.get("link"):
        parts.append(f"over {link}")
    parts += [
        f"{label} {value}".strip()
        for name, label in _LABELS.items()
        if (value := event.get(name)) not in {None, ""}
    ]
    if code := answer.get("response_code"):
        parts.append(f"answer {code} {answer.get('reason', '')}".strip())
    return ", ".join(parts)


def _read(
    records: Iterable[StoredRecord],
) -> Iterator[tuple[int, bool, list[dict[str, Any]]]]:
    reader = JournalReader()
    for offset, value in records:
        reader.feed(offset, value)
        yield offset, reader.last_was_void, _decode(value).events
