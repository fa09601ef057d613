"""Invariants 2 and 4: no effect before its cause is durable, nothing sent late, twice, uncaused."""

from collections.abc import Iterator

import msgspec

from tests.simulation.checkers.trails import Journal
from tests.simulation.checkers.violation import Violation

ANSWERING = frozenset(
    {
        "payment-declined.v1",
        "request-refused.v1",
        "duplicate-conflicted.v1",
        "reversal-accepted.v1",
        "advice-accepted.v1",
        "payment-approved.v1",
        "outcome-unknown.v1",
        "outcome-awaited.v1",
        "terminal-signed-on.v1",
        "terminal-signed-off.v1",
        "script-notice-taken.v1",
        "batch-closed.v1",
        "batch-upload-taken.v1",
        "batch-upload-compared.v1",
    }
)
CLASSES = {
    "1": "payment",
    "2": "payment",
    "3": "upload",
    "4": "reversal",
    "5": "reconciliation",
    "6": "advice",
    "8": "management",
}
PAYMENT, REVERSAL = "payment", "reversal"
UPLOAD, RECONCILIATION = "upload", "reconciliation"
COMMAND = "command"
ECHO = "301"
IN_PROGRESS = 409  # a partner's first request still runs
FIRST_MTIS = frozenset({"0100", "0200", "0220"})
# a request may start within 1,750 ms of its receipt, by two clocks that may differ by 250 ms, and
# is then sent within its window of 500 ms
AGE_MAX_MS = 1_750 + 250 + 500
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

    __slots__ = (
        "amount_minor",
        "fields",
        "is_echo",
        "key",
        "message_class",
        "mti",
        "offset",
        "partition",
        "received_at",
        "ticket",
        "till",
    )

    def __init__(self, partition: int, offset: int, record: dict, ticket: int) -> None:
        self.ticket = ticket
        fields = record["fields"]
        self.partition, self.offset = partition, offset
        self.mti = record["mti"]
        self.fields = fields
        self.received_at = record["received_at"]
        self.amount_minor = int(fields.get("amount_transaction") or 0)
        self.is_echo = False
        if record["channel"] == "operator":
            self.message_class = COMMAND
            self.till = "operator"
            self.key = f"operator|{fields['by']}|{fields['command_id']}"
            return
        if record["channel"] == "json":
            self.message_class = REVERSAL if fields.get("operation") == "reverse" else PAYMENT
            self.till = f"json|{fields['client_id']}|{fields['merchant_id']}"
            self.key = f"{self.till}|{fields['idempotency_key']}"
            return
        batch = fields.get("batch_data", "")[2:8] or fields.get("local_date", "")
        self.message_class = CLASSES[self.mti[1]]
        self.till = (
            f"{record['acquirer']}|{fields.get('merchant_id', '')}|{fields.get('terminal_id', '')}"
        )
        self.key = f"{self.till}|{batch}|{fields.get('stan', '')}|{self.message_class}"
        self.is_echo = self.mti[1] == "8" and fields.get("batch_data", "")[8:11] == ECHO


def read_inbound(log, partition_count: int) -> dict[str, Asked]:
    """Index the inbound log by inbound id."""
    asked = {}
    for partition in range(partition_count):
        for offset, landed in enumerate(log.partition("inbound", partition).records):
            record = decode(landed.value)
            asked[record["inbound_id"]] = Asked(partition, offset, record, landed.ticket)
    return asked


class Causes:
    """What could make a handler answer a request, and from when on it was durable."""

    def __init__(self, journal: Journal, asked: dict[str, Asked]) -> None:
        self._journal = journal
        self._first: dict[str, int] = {}  # key, or batch -> ticket of the first answer
        for request in asked.values():
            ticket = self._own_ticket(request)
            if ticket:
                self._note(request.key, ticket)
                if request.message_class in {UPLOAD, RECONCILIATION}:
                    self._note(_batch_of(request), ticket)

    def _note(self, name: str, ticket: int) -> None:
        self._first[name] = min(ticket, self._first.get(name, ticket))

    def _own_ticket(self, request: Asked) -> int:
        """Find the first record that answers this very message; 0: there is none."""
        records = self._journal.decided.get((request.partition, request.offset), ())
        is_command = request.message_class == COMMAND  # whatever was decided about it
        return min(
            [
                landed
                for landed, record in records
                if is_command
                or not ANSWERING.isdisjoint([event["type"] for event in record["events"]])
            ],
            default=0,
        )

    def has_decided(self, key: str) -> bool:
        """Say if a request of this key was ever decided, refusals included."""
        return key in self._first or key in self._journal.rrns_of

    def find(self, request: Asked) -> int:
        """Say when the first answer to this request, or to one that it repeats, was durable."""
        journal, tickets = self._journal, [self._own_ticket(request)]
        if request.message_class == REVERSAL:
            tickets += [at for at, _ in journal.reversal_answers.get(request.key, ())]
        elif request.message_class == PAYMENT:
            rrns = journal.rrns_of.get(request.key, ())
            tickets += [journal.trails[rrn].outcome_ticket for rrn in rrns]
        else:
            tickets.append(self._first.get(request.key, 0))
            # a closed batch says the same totals, an uploaded one yes, under any trace number
            tickets.append(self._first.get(_batch_of(request), 0))
        return min([ticket for ticket in tickets if ticket], default=0)


def check_age(journal: Journal, sent, asked: dict[str, Asked], handed) -> Iterator[Violation]:
    """A debit leaves while whoever asked may still be there (docs/rules.md 3)."""
    ids = {(request.partition, request.offset): name for name, request in asked.items()}
    for seen in sent:
        trail = journal.trails.get(seen.rrn)
        if trail is None or trail.routed is None or seen.mti not in FIRST_MTIS:
            continue
        received = handed.get(ids.get((trail.partition, trail.inbound_offset), ""))
        if received is not None and seen.at_ms - received.at_ms > AGE_MAX_MS:
            shown = f"sent {seen.at_ms - received.at_ms} ms after it was received"
            yield Violation(14, "sent-too-late", shown, seen.rrn, trail.key)


def _batch_of(request: Asked) -> str:
    batch = request.fields.get("batch_data", "")[2:8]
    return f"{request.till}|{batch}|{request.message_class}"


def check_answers(causes: Causes, answers, asked: dict[str, Asked]) -> Iterator[Violation]:
    """Look at every answer at the moment at which a handler let it go."""
    for seen in answers:
        request = asked.get(seen.inbound_id)
        if request is None:
            yield Violation(4, "answer-without-request", seen.inbound_id)
            continue
        cause = causes.find(request)
        if seen.status == IN_PROGRESS or request.is_echo:
            continue  # these say nothing that must be on record
        if not 0 < cause < seen.ticket:
            shown = f"answer from {seen.handler} at {seen.at_ms} to {seen.inbound_id}"
            yield Violation(2, "answered-before-durable", shown, key=request.key)


def check_silence(journal: Journal, causes: Causes, asked: dict[str, Asked]) -> Iterator[Violation]:
    """Every request that was handed over is decided, or repeats one that is."""
    for inbound_id, request in asked.items():
        if (request.partition, request.offset) in journal.decided or request.is_echo:
            continue
        # the ninth copy of a request that waits for its original is silent, even if all are refused
        if not causes.find(request) and not causes.has_decided(request.key):
            yield Violation(8, "request-ended-as-silence", inbound_id, key=request.key)
