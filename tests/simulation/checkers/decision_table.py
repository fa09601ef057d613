"""Which rows of the decision table a run came by (docs/simulation.md): for coverage only."""

from collections.abc import Iterator

from tests.simulation.checkers.trails import Journal, Trail

ROWS = (
    "request, new key",
    "repeat of a completed request",
    "repeat of a request in progress",
    "other content under a used key",
    "request under a tombstone",
    "repeat of what its terminal has reversed",
    "reversal of an approved payment",
    "reversal of a payment in progress",
    "reversal of a declined payment",
    "reversal of an unknown payment",
    "reversal of nothing known",
    "reversal of what is reversed",
    "reversal that does not fit its original",
    "reversal of a payment of another clearing day",
    "reversal of an approved void",
    "reversal of what something else was done to",
    "advice, new key",
    "repeat of an advice",
    "refund, new key",
    "repeat of a refund",
    "late approval of an unknown payment",
    "late decline of an unknown payment",
    "totals of a batch that is closed",
    "payment in a batch that is not open",
    "upload of what is held",
    "upload of what is held, with other content",
)
CONFLICTS = {
    "duplicate-conflict": "other content under a used key",
    "late-after-reversal": "request under a tombstone",
    "already-reversed": "repeat of what its terminal has reversed",
}
VOIDS = frozenset({"sale-void", "completion-void", "pre-authorization-void"})
ADVICES = frozenset({"completion-advice", "offline-advice", "adjustment-advice"})


def list_rows(journal: Journal, asked: dict) -> set[str]:
    """Name the rows that were met."""
    rows = set(_list_requests(journal, asked))
    for records in journal.valid.values():
        rows.update(_list_decisions(journal, records))
    return rows


def _list_requests(journal: Journal, asked: dict) -> Iterator[str]:
    """Tell new requests from repeats, and repeats by how far their first had come."""
    for request in asked.values():
        records = journal.decided.get((request.partition, request.offset), ())
        if request.message_class == "upload" and not records:
            yield "upload of what is held"
        if request.message_class == "reconciliation" and not records:
            yield "totals of a batch that is closed"
        if request.message_class != "payment":
            continue
        rrns = journal.rrns_of.get(request.key, ())
        trail = journal.trails[rrns[0]] if rrns else None
        if trail is None:
            continue
        is_first = trail.inbound_offset == request.offset
        kind = {"refund": "refund"}.get(trail.kind, "request")
        kind = "advice" if trail.kind in ADVICES else kind
        if is_first:
            yield f"{kind}, new key"
        elif not records:
            if kind != "request":
                yield f"repeat of {'an' if kind == 'advice' else 'a'} {kind}"
            elif trail.outcome_ticket and request.ticket > trail.outcome_ticket:
                yield "repeat of a completed request"
            else:
                yield "repeat of a request in progress"


def _list_decisions(journal: Journal, records: list[dict]) -> Iterator[str]:
    seen: dict[str, set[str]] = {}  # RRN -> tags so far
    for record in records:
        events = record["events"]
        tags = {event["type"] for event in events}
        for event in events:
            tag, rrn = event["type"], event.get("rrn", "")
            name = _NAMERS.get(tag)
            if name is not None:
                yield from name(event, journal.trails.get(rrn), seen.get(rrn, set()), tags)
            if rrn:
                seen.setdefault(rrn, set()).add(tag)


def _name_conflict(event: dict, *_) -> Iterator[str]:
    reason = event["answer"]["reason"]
    if reason in CONFLICTS:
        yield CONFLICTS[reason]


def _name_late_answer(event: dict, _trail, seen: set[str], _tags) -> Iterator[str]:
    if "outcome-unknown.v1" in seen:
        is_approval = event["response_code"] == "00"
        yield f"late {'approval' if is_approval else 'decline'} of an unknown payment"


def _name_declined(event: dict, *_) -> Iterator[str]:
    if event["answer"].get("reason") == "batch-mismatch":
        yield "payment in a batch that is not open"


def _name_case(event: dict, *_) -> Iterator[str]:
    if event["kind"] == "batch-upload-differs":
        yield "upload of what is held, with other content"


def _name_reversal(
    _event: dict, trail: Trail | None, seen: set[str], tags: set[str]
) -> Iterator[str]:
    """Name the state in which an 0400 met its original."""
    if trail is None:
        fits = "case-opened.v1" not in tags
        yield "reversal of nothing known" if fits else "reversal that does not fit its original"
    elif "case-opened.v1" in tags:
        yield "reversal of what something else was done to"
    elif "reversal-accepted.v1" in seen or "payment-reversed.v1" in seen:
        yield "reversal of what is reversed"
    elif "outcome-unknown.v1" in seen:
        yield "reversal of an unknown payment"
    elif "payment-declined.v1" in seen:
        yield "reversal of a declined payment"
    elif "payment-approved.v1" in seen or "advice-accepted.v1" in seen:
        yield "reversal of an approved payment"
        if trail.kind in VOIDS:
            yield "reversal of an approved void"
    else:
        yield "reversal of a payment in progress"


def _name_reversed(_event: dict, trail: Trail | None, *_) -> Iterator[str]:
    days = {line["settlement_date"] for line in trail.lines} if trail else set()
    if len(days) > 1:
        yield "reversal of a payment of another clearing day"


_NAMERS = {
    "duplicate-conflicted.v1": _name_conflict,
    "reversal-accepted.v1": _name_reversal,
    "payment-reversed.v1": _name_reversed,
    "late-answer-received.v1": _name_late_answer,
    "payment-declined.v1": _name_declined,
    "case-opened.v1": _name_case,
}
