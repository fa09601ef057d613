"""The journal as an auditor reads it: raw JSON, with a void rule of its own."""

import msgspec

FORGOTTEN = "reversal-forgotten"
CLAIMED = "partition-claimed.v1"
decode = msgspec.json.decode


class Trail:
    """What the valid records say of one RRN; events with the ticket of their landing."""

    __slots__ = (
        "accepted",
        "approved",
        "attempts",
        "awaited",
        "cases",
        "confirmed",
        "declined",
        "inbound_offset",
        "key",
        "key_opened",
        "lines",
        "offset",
        "partition",
        "registry_position",
        "request",
        "requested_ms",
        "returned",
        "reversed",
        "routed",
        "rrn",
        "taken_back",
        "ticket",
        "unknown",
    )

    def __init__(self, rrn: str) -> None:
        self.rrn = rrn
        self.key = ""
        self.partition = self.offset = self.inbound_offset = -1
        self.ticket = 0
        self.requested_ms = 0  # when its record was appended, true time
        self.registry_position = 0
        self.request: dict = {}
        self.routed: tuple[int, dict] | None = None
        self.accepted: tuple[int, dict] | None = None  # an advice
        self.approved: tuple[int, dict] | None = None
        self.declined: tuple[int, dict] | None = None
        self.unknown: tuple[int, dict] | None = None
        self.awaited: tuple[int, dict] | None = None
        self.confirmed: tuple[int, dict] | None = None
        self.taken_back: tuple[int, dict] | None = None  # by an 0400, or by an operator
        self.reversed: tuple[int, dict] | None = None
        self.cases: dict[str, dict] = {}
        self.attempts = 0
        self.lines: list[dict] = []

    @property
    def amount_minor(self) -> int:
        amount = self.request.get("amount")
        return amount["minor"] if amount else 0

    @property
    def kind(self) -> str:
        return self.request.get("transaction", "")

    @property
    def outcome_ticket(self) -> int:
        """When something about its outcome was first durable; 0: never."""
        ends = (self.approved, self.accepted, self.declined, self.unknown, self.awaited)
        return min([end[0] for end in ends if end], default=0)


class Journal:
    """All partitions' valid records, indexed; what is wrong in itself is in `faults`."""

    def __init__(self) -> None:
        self.trails: dict[str, Trail] = {}
        self.rrns_of: dict[str, list[str]] = {}  # key -> RRNs opened under it
        self.tombstones: dict[str, list[tuple[int, int, int]]] = {}  # key -> ticket, at, until
        self.reversal_answers: dict[str, list[tuple[int, dict]]] = {}
        self.conflicts: dict[str, list[tuple[int, dict]]] = {}
        self.decided: dict[tuple[int, int], list[tuple[int, dict]]] = {}  # inbound place -> records
        self.tags: dict[str, int] = {}
        self.reasons: dict[str, int] = {}
        self.case_kinds: dict[str, int] = {}
        self.faults: list[str] = []
        self._commands: set[tuple[str, str]] = set()
        self.valid: dict[int, list[dict]] = {}  # partition -> its valid records, in order
        self.record_count = self.void_count = self.claim_count = 0

    def read(self, partition: int, landed_records) -> None:
        """Read one partition from its first record to its last."""
        claim_id = None
        watermark = 0
        valid = self.valid[partition] = []
        for offset, landed in enumerate(landed_records):
            if landed is None:
                continue
            record = decode(landed.value)
            events = record["events"]
            self.record_count += 1
            if events and events[0]["type"] == CLAIMED:
                claim_id = record["claim_id"]
                self.claim_count += 1
                continue
            if record["claim_id"] != claim_id:
                self.void_count += 1
                continue
            if record["watermark"] < watermark:
                self.faults.append(f"watermark of {partition}/{offset} fell back")
            watermark = record["watermark"]
            valid.append(record)
            self._take(partition, offset, record, landed)

    def _take(self, partition: int, offset: int, record: dict, landed) -> None:
        ticket = landed.ticket
        inbound_offset = record.get("inbound_offset", -1)
        if inbound_offset >= 0:
            self.decided.setdefault((partition, inbound_offset), []).append((ticket, record))
        self._link_forgotten(record["events"])
        for event in record["events"]:
            tag = event["type"]
            self._count(tag, event)
            take = _TAKERS.get(tag)
            if take is not None:
                take(self, event, ticket)
            elif tag == "payment-requested.v1":
                self._open(partition, offset, record, event, landed)
            elif tag in _PLACES:
                self._place(tag, event, ticket)

    def _link_forgotten(self, events: list[dict]) -> None:
        """A case about an 0400 that found nothing names no RRN; its tombstones name the payment."""
        for case in events:
            if case.get("kind") == FORGOTTEN:
                keys = [e["idempotency_key"] for e in events if e["type"] == "tombstone-set.v1"]
                for rrn in (rrn for key in keys for rrn in self.rrns_of.get(key, ())):
                    self.trails[rrn].cases[FORGOTTEN] = case

    def _count(self, tag: str, event: dict) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        if "answer" in event and (reason := event["answer"].get("reason")):
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
        if "command_id" in event:
            self._note_command(event)

    def _place(self, tag: str, event: dict, ticket: int) -> None:
        """Note what became of a payment."""
        trail, place = self.trails.get(event["rrn"]), _PLACES[tag]
        if trail is None:
            self.faults.append(f"{tag} of {event['rrn']} before it was requested")
            return
        if getattr(trail, place) is not None and place in _ONCE:
            self.faults.append(f"{tag} of {event['rrn']} a second time")
        setattr(trail, place, (ticket, event))
        if event.get("line"):
            trail.lines.append(event["line"])

    def _open(self, partition: int, offset: int, record: dict, event: dict, landed) -> None:
        rrn, request = event["rrn"], event["request"]
        if rrn in self.trails:
            self.faults.append(f"RRN {rrn} was given twice")
        trail = self.trails[rrn] = Trail(rrn)
        trail.key = key = request["idempotency_key"]
        trail.request = request
        trail.partition, trail.offset, trail.ticket = partition, offset, landed.ticket
        trail.requested_ms = landed.appended_ms
        trail.inbound_offset = record.get("inbound_offset", -1)
        trail.registry_position = record["registry_position"]
        self.rrns_of.setdefault(key, []).append(rrn)
        for ticket, _, until in self.tombstones.get(key, ()):
            if ticket < landed.ticket and until > event["at"]:
                self.faults.append(f"{key} was opened under its tombstone as {rrn}")

    def _set_tombstone(self, event: dict, ticket: int) -> None:
        entry = (ticket, 0, event["until"])
        self.tombstones.setdefault(event["idempotency_key"], []).append(entry)

    def _accept_reversal(self, event: dict, ticket: int) -> None:
        self.reversal_answers.setdefault(event["reversal_key"], []).append((ticket, event))
        rrn = event.get("rrn", "")
        if event.get("upstream") and rrn in self.trails:
            self.trails[rrn].taken_back = (ticket, event)

    def _open_case(self, event: dict, ticket: int) -> None:
        kind = event["kind"]
        self.case_kinds[kind] = self.case_kinds.get(kind, 0) + 1
        trail = self.trails.get(event.get("rrn", ""))
        if trail is not None:
            trail.cases[kind] = event
        del ticket

    def _note_conflict(self, event: dict, ticket: int) -> None:
        self.conflicts.setdefault(event["idempotency_key"], []).append((ticket, event))

    def _note_command(self, event: dict) -> None:
        by = event.get("confirmed_by") or event["by"]
        command = (by, event["command_id"])
        if command in self._commands:
            self.faults.append(f"command {command} was carried out twice")
        self._commands.add(command)

    def _note_attempt(self, event: dict, ticket: int) -> None:
        del ticket
        if event["rrn"] in self.trails:
            self.trails[event["rrn"]].attempts += 1


_TAKERS = {
    "tombstone-set.v1": Journal._set_tombstone,
    "reversal-accepted.v1": Journal._accept_reversal,
    "case-opened.v1": Journal._open_case,
    "duplicate-conflicted.v1": Journal._note_conflict,
    "reversal-attempted.v1": Journal._note_attempt,
}
_PLACES = {
    "payment-routed.v1": "routed",
    "advice-accepted.v1": "accepted",
    "payment-approved.v1": "approved",
    "payment-declined.v1": "declined",
    "outcome-unknown.v1": "unknown",
    "outcome-awaited.v1": "awaited",
    "advice-confirmed.v1": "confirmed",
    "payment-reversed.v1": "reversed",
    "return-ordered.v1": "taken_back",
}
_ONCE = frozenset({"routed", "accepted", "approved", "declined", "unknown", "reversed"})


def is_approved(log, rrn: str) -> bool:
    """Say whether the journal holds a valid approval of this payment by now."""
    index = int(rrn[:2])
    needles = (rrn.encode(), CLAIMED.encode())
    concerned = [
        landed
        for landed in log.partition("journal", index).records
        if landed is not None and any(needle in landed.value for needle in needles)
    ]
    journal = Journal()
    journal.read(index, concerned)
    return rrn in journal.trails and journal.trails[rrn].approved is not None


def read_journal(log, partition_count: int) -> Journal:
    journal = Journal()
    for index in range(partition_count):
        journal.read(index, log.partition("journal", index).records)
    return journal
