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
    """Everything that valid records say about one payment, or about what changes one."""

    __slots__ = (
        "advised",
        "amount_minor",
        "approved",
        "awaited",
        "cases",
        "confirmed",
        "declined",
        "key",
        "lines",
        "original_rrn",
        "requested",
        "returning",
        "reversed",
        "routed",
        "rrn",
        "sent_minor",
        "transaction",
        "unknown",
    )

    def __init__(self, rrn: str) -> None:
        self.rrn = rrn
        self.key = ""
        self.transaction = "sale"
        self.amount_minor = 0
        self.sent_minor = 0  # what the issuer is asked for; an adjustment asks for less
        self.original_rrn = ""
        self.requested: Place | None = None
        self.routed: Place | None = None  # the issuer may be told from here on
        self.approved: dict[str, Any] | None = None  # the stored answer
        self.declined: dict[str, Any] | None = None
        self.unknown: Place | None = None
        self.awaited: Place | None = None  # a refund without an answer: repeated
        self.advised: Place | None = None  # approved without the issuer, who is to be told
        self.confirmed: Place | None = None  # and has taken it
        self.returning: Place | None = None  # a reversal towards the issuer was decided
        self.reversed: Place | None = None
        self.cases: list[str] = []
        self.lines: list[dict[str, Any]] = []

    @property
    def is_outcome_missing(self) -> bool:
        """Whether the issuer may have been asked, and nothing says what became of it."""
        known = self.approved or self.declined or self.unknown or self.awaited
        return bool(self.routed) and not known

    @property
    def is_reversal_unfinished(self) -> bool:
        """Whether money is to be given back, and nothing says that it was."""
        is_returning = self.returning and not self.declined  # nothing was taken
        return bool(self.unknown or is_returning) and not (self.reversed or self.cases)

    @property
    def is_telling_unfinished(self) -> bool:
        """Whether a refund or an advice is still to be taken by the issuer."""
        if self.awaited and not (self.approved or self.declined):
            return not self.cases
        is_over = self.confirmed or self.returning or self.reversed or self.cases
        return bool(self.advised) and not is_over

    @property
    def is_unsettled(self) -> bool:
        """Whether something is still to happen between the switch and the issuer."""
        return self.is_outcome_missing or self.is_reversal_unfinished or self.is_telling_unfinished

    @property
    def stands(self) -> bool:
        """Whether it was approved and not taken back."""
        return bool(self.approved) and not self.reversed

    @property
    def approved_minor(self) -> int:
        """What was approved: less than was asked for after a partial approval."""
        given = (self.approved or {}).get("amount")
        return int(given["minor"]) if given else self.sent_minor


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
        """Count the payments that wait for an outcome, a reversal's end or the issuer's ear."""
        return sum(trail.is_unsettled for trail in self.trails.values())

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
                trail.transaction = request.get("transaction", "sale")
                trail.amount_minor = (request.get("amount") or {}).get("minor", 0)
                trail.sent_minor = trail.amount_minor
                self.rrns_of.setdefault(trail.key, []).append(trail.rrn)
            case "payment-routed.v1":
                trail.routed = place
                trail.original_rrn = event.get("original_rrn", "")
            case "outcome-unknown.v1":
                trail.unknown = place
            case "outcome-awaited.v1":
                trail.awaited = place
            case "advice-accepted.v1":
                _accept_advice(trail, event, place)
            case "case-opened.v1":
                trail.cases.append(event["kind"])
            case _:
                _apply_end(trail, event, place)


def _accept_advice(trail: Trail, event: dict[str, Any], place: Place) -> None:
    """Take an approval that the issuer was not asked for; without terms it is told to nobody."""
    trail.approved = event["answer"]
    trail.original_rrn = event.get("original_rrn", "")
    if event.get("terms"):
        trail.routed = trail.advised = place
    if sent := event.get("sent_amount"):
        trail.sent_minor = sent["minor"]
    if line := event.get("line"):
        trail.lines.append(line)


def _apply_end(trail: Trail, event: dict[str, Any], place: Place) -> None:
    match event["type"]:
        case "payment-approved.v1":
            trail.approved = event["answer"]
            if line := event.get("line"):  # a hold or an inquiry settles nothing
                trail.lines.append(line)
        case "payment-declined.v1":
            trail.declined = event["answer"]
        case "advice-confirmed.v1":
            trail.confirmed = place
        case "reversal-accepted.v1" if event.get("upstream"):
            trail.returning = place
        case "return-ordered.v1":
            trail.returning = place
        case "payment-reversed.v1":
            trail.reversed = place
            if event.get("line"):
                trail.lines.append(event["line"])
