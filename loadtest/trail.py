"""
The journal as an auditor reads it: raw JSON and a void rule of its own.

Nothing here is shared with the switch: what the switch believes about its journal is what the audit
is there to question. Field names are those of the stored JSON.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

_decode = msgspec.json.Decoder().decode


class RawRecord(NamedTuple):
    """One record of the journal as it lies in the log."""

    partition: int
    offset: int
    value: bytes


class Place(NamedTuple):
    """Where and when (epoch milliseconds) a decision was recorded."""

    partition: int
    offset: int
    at: int

    def __str__(self) -> str:
        return f"journal[{self.partition}]@{self.offset}"


class Trail:
    """Everything that valid records say about one payment."""

    __slots__ = (
        "amount_minor",
        "approved",
        "cases",
        "declined",
        "key",
        "lines",
        "requested",
        "returning",
        "reversed",
        "routed",
        "rrn",
        "unknown",
    )

    def __init__(self, rrn: str) -> None:
        self.rrn = rrn
        self.key = ""
        self.amount_minor = 0
        self.requested: Place | None = None
        self.routed: Place | None = None
        self.approved: dict[str, Any] | None = None  # the stored answer
        self.declined: dict[str, Any] | None = None
        self.unknown: Place | None = None
        self.returning: Place | None = None  # a reversal towards the issuer was decided
        self.reversed: Place | None = None
        self.cases: list[str] = []
        self.lines: list[dict[str, Any]] = []

    @property
    def is_outcome_missing(self) -> bool:
        """Whether a debit was allowed, and nothing says what became of it."""
        return bool(self.routed) and not (self.approved or self.declined or self.unknown)

    @property
    def is_reversal_unfinished(self) -> bool:
        """Whether money is to be given back, and nothing says that it was."""
        return bool(self.unknown or self.returning) and not (self.reversed or self.cases)


class Journal:
    """All trails, by RRN and by idempotency key, and how many records were void."""

    def __init__(self) -> None:
        self.trails: dict[str, Trail] = {}
        self.rrns_of: dict[str, list[str]] = {}
        self.record_count = 0
        self.event_count = 0
        self.void_count = 0
        self._claims: dict[int, str] = {}

    def feed(self, record: RawRecord) -> None:
        """
        Take the next record of a partition; records of one partition come in their order.

        Raises:
            msgspec.DecodeError: the value is not JSON.
            KeyError: a record or event lacks what every one of its kind has.
        """
        self.record_count += 1
        value = _decode(record.value)
        events = value["events"]
        for event in events:
            if event["type"] == "partition-claimed.v1":
                self._claims[record.partition] = event["claim_id"]
        if value["claim_id"] != self._claims.get(record.partition):
            self.void_count += 1
            return
        place = Place(record.partition, record.offset, value["at"])
        for event in events:
            self.event_count += 1
            if rrn := event.get("rrn"):
                self._apply(self._trail(rrn), event, place)

    def feed_all(self, records: Iterable[RawRecord]) -> "Journal":
        """Take many records; returns itself."""
        for record in records:
            self.feed(record)
        return self

    def count_unsettled(self) -> int:
        """Count the payments that still wait for an outcome or for their reversal's end."""
        return sum(
            trail.is_outcome_missing or trail.is_reversal_unfinished
            for trail in self.trails.values()
        )

    def _trail(self, rrn: str) -> Trail:
        trail = self.trails.get(rrn)
        if trail is None:
            trail = self.trails[rrn] = Trail(rrn)
        return trail

    def _apply(self, trail: Trail, event: dict[str, Any], place: Place) -> None:
        # facts that change nothing the audit looks at have no row
        match event["type"]:
            case "payment-requested.v1":
                request = event["request"]
                trail.requested = place
                trail.key = request["idempotency_key"]
                trail.amount_minor = (request.get("amount") or {}).get("minor", 0)
                self.rrns_of.setdefault(trail.key, []).append(trail.rrn)
            case "payment-routed.v1":
                trail.routed = place
            case "outcome-unknown.v1":
                trail.unknown = place
            case "case-opened.v1":
                trail.cases.append(event["kind"])
            case "reversal-accepted.v1" if event.get("upstream"):
                trail.returning = place
            case _:
                _apply_end(trail, event, place)


def _apply_end(trail: Trail, event: dict[str, Any], place: Place) -> None:
    match event["type"]:
        case "payment-approved.v1":
            trail.approved = event["answer"]
            trail.lines.append(event["line"])
        case "payment-declined.v1":
            trail.declined = event["answer"]
        case "payment-reversed.v1":
            trail.reversed = place
            if event.get("line"):
                trail.lines.append(event["line"])
