"""Invariants 2 and 4: no effect before its cause is durable, nothing sent late, twice, uncaused."""

from collections.abc import Iterator

import msgspec

from tests.simulation.checkers.trails import Journal
from tests.simulation.checkers.violation import Violation

ANSWERING = (
    "payment-declined.v1",
    "request-refused.v1",
    "duplicate-conflicted.v1",
    "reversal-accepted.v1",
    "advice-accepted.v1",
    "payment-approved.v1",
    "outcome-unknown.v1",
    "outcome-awaited.v1",
)
decode = msgspec.json.decode


def check_sending(journal: Journal, sent) -> Iterator[Violation]:
    """Look at every message at the moment at which it left for an issuer."""
    first: dict[tuple[str, str], object] = {}
    for seen in sent:
        trail = journal.trails.get(seen.rrn)
        is_reversal = seen.mti[1] == "4"
        shown = f"{seen.mti} from {seen.handler} at {seen.at_ms}"
        if trail is None:
            yield Violation(4, "sent-without-payment", shown, seen.rrn)
            continue
        if is_reversal:
            intents = [end[0] for end in (trail.unknown, trail.taken_back) if end]
            if not intents or min(intents) > seen.ticket:
                yield Violation(4, "reversal-before-intent", shown, seen.rrn, trail.key)
            continue
        cause = trail.routed or trail.accepted
        if cause is None or cause[0] > seen.ticket:
            yield Violation(4, "debit-before-route", shown, seen.rrn, trail.key)
            continue
        if seen.mti[2] != "0":
            continue  # an advice is repeated until it is answered
        if (seen.rrn, seen.mti) in first:
            yield Violation(1, "debit-sent-twice", shown, seen.rrn, trail.key)
        first[seen.rrn, seen.mti] = seen
        ends = [end[0] for end in (trail.declined, trail.unknown, trail.reversed) if end]
        if ends and min(ends) < seen.ticket:
            yield Violation(4, "debit-after-outcome", shown, seen.rrn, trail.key)


class Asked:
    """One inbound record: what was asked, and where it lies."""

    __slots__ = ("amount_minor", "fields", "key", "mti", "offset", "partition", "received_at")

    def __init__(self, partition: int, offset: int, record: dict) -> None:
        fields = record["fields"]
        self.partition, self.offset = partition, offset
        self.mti = record["mti"]
        self.fields = fields
        self.received_at = record["received_at"]
        self.amount_minor = int(fields.get("amount_transaction") or 0)
        batch = fields.get("batch_data", "")[2:8] or fields.get("local_date", "")
        message_class = "reversal" if self.mti[1] == "4" else "payment"
        self.key = (
            f"{record['acquirer']}|{fields.get('merchant_id', '')}|{fields.get('terminal_id', '')}"
            f"|{batch}|{fields.get('stan', '')}|{message_class}"
        )


def read_inbound(log, partition_count: int) -> dict[str, Asked]:
    """Index the inbound log by inbound id."""
    asked = {}
    for partition in range(partition_count):
        for offset, landed in enumerate(log.partition("inbound", partition).records):
            record = decode(landed.value)
            asked[record["inbound_id"]] = Asked(partition, offset, record)
    return asked


def check_answers(journal: Journal, answers, asked: dict[str, Asked]) -> Iterator[Violation]:
    """Look at every answer at the moment at which a handler let it go."""
    for seen in answers:
        request = asked.get(seen.inbound_id)
        if request is None:
            yield Violation(4, "answer-without-request", seen.inbound_id)
            continue
        if not _is_caused(journal, request, seen.ticket):
            shown = f"answer from {seen.handler} at {seen.at_ms} to {seen.inbound_id}"
            yield Violation(2, "answered-before-durable", shown, key=request.key)


def _is_caused(journal: Journal, request: Asked, ticket: int) -> bool:
    for landed, record in journal.decided.get((request.partition, request.offset), ()):
        if landed < ticket and any(e["type"] in ANSWERING for e in record["events"]):
            return True
    if request.mti[1] == "4":
        return any(at < ticket for at, _ in journal.reversal_answers.get(request.key, ()))
    for rrn in journal.rrns_of.get(request.key, ()):
        outcome = journal.trails[rrn].outcome_ticket
        if outcome and outcome < ticket:
            return True
    return False


def check_silence(journal: Journal, asked: dict[str, Asked]) -> Iterator[Violation]:
    """Every request that was handed over is decided, or repeats one that is."""
    for inbound_id, request in asked.items():
        if (request.partition, request.offset) in journal.decided:
            continue
        if request.mti[1] == "4":
            is_known = request.key in journal.reversal_answers
        else:
            is_known = request.key in journal.rrns_of
        if not is_known:
            yield Violation(8, "request-ended-as-silence", inbound_id, key=request.key)
