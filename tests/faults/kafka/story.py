"""
The journal retold by somebody who does not trust it: raw JSON, a void rule in its own words.

Nothing here is shared with the switch, nor with the load tool's audit. It knows what a terminal can
do with a card, and its own business: sign-on, sign-off, the end of a batch.
"""

import json
from typing import NamedTuple

from tests.faults.kafka.memory import Totals

# cases that end the switch's own efforts, and what it knows of the payment with them
STOPPING_CASES = {
    "reversal-not-found",
    "reversal-poisoned",
    "repeat-poisoned",
    "advice-refused",
    "advice-unroutable",
}
CONTRADICTION = "late-answer-contradicts"
BATCH_CASES = "batch-"  # what a person has to look at about a batch; it says nothing of money
DEBITS = {
    "sale",
    "completion",
    "completion-advice",
    "offline-advice",
    "adjustment-advice",
}
CREDITS = {"sale-void", "completion-void", "refund"}


class Closing(NamedTuple):
    """A batch was closed: what the switch said that it holds, and what its payments come to."""

    decision: "Decision"
    till_batch: str
    rrn: str
    totals: Totals
    claimed: Totals
    is_balanced: bool
    counted: Totals


class Decision(NamedTuple):
    """One record of a claimed log, as JSON, with its place and the void rule's word on it."""

    partition: int
    offset: int
    content: dict
    is_void: bool

    @property
    def events(self):
        return self.content["events"]

    def __str__(self):
        return f"[{self.partition}]@{self.offset}"


class Claim(NamedTuple):
    """Somebody took a partition."""

    partition: int
    offset: int
    owner: str
    claim_id: str
    at: int


class Story:
    """Everything that valid records say about one payment."""

    def __init__(self, rrn):
        self.rrn = rrn
        self.key = ""
        self.transaction = "sale"
        self.original_rrn = ""  # of the payment that it changes
        self.merchant_id = ""
        self.terminal_id = ""
        self.stan = ""
        self.amount_minor = 0
        self.sent_minor = 0  # what the issuer is asked for: an adjustment asks for less
        self.inbound_offset = -1
        self.registry_position = 0
        self.requested = None  # the decisions in which it happened
        self.routed = None
        self.approval = None  # the answers
        self.refusal = None
        self.unknown = None
        self.awaited = None  # a refund without an answer: repeated until it has one
        self.advised = None  # approved without the issuer, who is told until it answers
        self.confirmed = None  # and has taken it
        self.returning = None
        self.reversed = None
        self.state = ""
        self.response_code = ""
        self.authorization_id = ""
        self.cases = {}  # open ones: id -> kind
        self.case_kinds = []  # all there ever were
        self.lines = []  # (partition, offset, event index, gross, fee)

    @property
    def till_batch(self):
        """Names the batch of its terminal that it counts in."""
        return self.key.rpartition("|")[0].rpartition("|")[0]

    @property
    def money_cases(self):
        """Which of its open cases are about money."""
        return [kind for kind in self.cases.values() if not kind.startswith(BATCH_CASES)]

    @property
    def is_doubtful(self):
        """Whether a person has to find out where the money is; other cases say where it is."""
        return self.state == "case" or CONTRADICTION in self.money_cases

    @property
    def approved_minor(self):
        """What was approved; of an adjustment what it adds."""
        given = (self.approval or {}).get("amount")
        return given["minor"] if given else self.sent_minor

    @property
    def is_open(self):
        """Whether something has still to happen between the switch and the issuer."""
        if self.state == "case":
            return False  # other cases leave the switch at work
        is_known = self.approval or self.refusal
        if self.routed and not (is_known or self.unknown):
            return True  # a refund that is repeated, too
        if self.advised and not (self.confirmed or self.returning or self.reversed):
            return True
        # declined while its terminal took it back: there is nothing to take back
        is_returning = self.returning and not self.refusal
        return bool(self.unknown or is_returning) and not self.reversed

    @property
    def stands(self):
        return bool(self.approval) and not (self.unknown or self.returning or self.reversed)


class Chronicle:
    """All partitions of one claimed log: who claimed, what was valid, what was void."""

    def __init__(self, records=()):
        self.decisions = []
        self.claims = []
        self.stale = []  # sentences about records that break the claim rules
        self._in_force = {}  # partition -> claim id
        self._used = {}  # (partition, claim id) -> offset of the claim
        self.feed(records)

    def feed(self, records):
        """Take what comes next in each partition; return the decisions."""
        known = len(self.decisions)
        for record in sorted(records, key=lambda r: (r.partition, r.offset)):
            self._take(record)
        return self.decisions[known:]

    def _take(self, record):
        content = json.loads(record.value)
        first = content["events"][0] if content["events"] else {}
        place = f"[{record.partition}]@{record.offset}"
        if first.get("type") == "partition-claimed.v1":
            claim = Claim(
                record.partition, record.offset, first["owner"], first["claim_id"], first["at"]
            )
            if claim.claim_id != content["claim_id"]:
                self.stale.append(f"{place} claims as {claim.claim_id}, written under another id")
            if (earlier := self._used.get((record.partition, claim.claim_id))) is not None:
                self.stale.append(f"{place} claims under the id that claimed at {earlier} already")
            self._used[record.partition, claim.claim_id] = record.offset
            self._in_force[record.partition] = claim.claim_id
            self.claims.append(claim)
        is_void = self._in_force.get(record.partition) != content["claim_id"]
        self.decisions.append(Decision(record.partition, record.offset, content, is_void))

    def valid(self):
        return [each for each in self.decisions if not each.is_void]

    def void(self):
        return [each for each in self.decisions if each.is_void]

    def void_count(self, partition):
        return sum(each.is_void for each in self.decisions if each.partition == partition)

    def watermarks(self):
        """How far each partition says that its inbound log was decided."""
        found = {}
        for each in self.valid():
            mark = each.content.get("watermark", 0)
            found[each.partition] = max(found.get(each.partition, 0), mark)
        return found


class Journal(Chronicle):
    """The journal with the story of each payment."""

    def __init__(self, records=()):
        self.stories = {}
        self.orphans = []  # (decision, event): about a payment that nobody asked for
        self.parked = []
        self.void_requests = {}  # rrn -> key: what only void records say
        self.by_batch = {}  # till and batch -> its payments
        self.closings = []
        self._closed = set()  # tills and batches
        self.managed = set()  # (event type, rrn): what terminals were granted about themselves
        self.uploads = set()  # (event type, till and batch)
        self.late = {}  # rrn -> decision that approved it after its batch was closed
        self.told_late = set()
        super().__init__(records)

    def feed(self, records):
        found = super().feed(records)
        for decision in found:
            for index, event in enumerate(decision.events):
                if event["type"] == "inbound-parked.v1" and not decision.is_void:
                    self.parked.append((decision, event))
                if event["type"] in _MANAGED and not decision.is_void:
                    self._manage(decision, event)
                if rrn := event.get("rrn", ""):
                    if not decision.is_void:
                        self._tell(rrn, decision, index, event)
                    elif event["type"] == "payment-requested.v1":
                        self.void_requests[rrn] = event["request"]["idempotency_key"]
        return found

    def rrns_by_key(self):
        found = {}
        for story in self.stories.values():
            found.setdefault(story.key, []).append(story.rrn)
        return found

    def open_count(self):
        return sum(story.is_open for story in self.stories.values())

    def _tell(self, rrn, decision, index, event):
        story = self.stories.get(rrn)
        if event["type"] == "payment-requested.v1":
            story = self.stories.setdefault(rrn, Story(rrn))
            _ask(story, decision, event)
            self.by_batch.setdefault(story.till_batch, []).append(story)
        elif story is None:
            # an 0400 whose payment is not known names its own record
            if event["type"] in _NEEDS_PAYMENT:
                self.orphans.append((decision, event))
        elif act := _ACTS.get(event["type"]):
            had_approval = story.approval
            act(story, decision, event)
            if story.approval and not had_approval and story.till_batch in self._closed:
                self.late[rrn] = decision
            if line := event.get("line"):
                place = decision.partition, decision.offset, index
                story.lines.append((*place, line["gross_minor"], line["fee_minor"]))

    # -- terminals themselves

    def _manage(self, decision, event):
        if event["type"] == "batch-changed-late.v1":
            self.told_late.add(event["rrn"])
            return
        rrn = event["answer"].get("rrn", "")
        self.managed.add((event["type"], rrn))
        if event["type"] in _UPLOADS:
            self.uploads.add((event["type"], _name_batch(event)))
        if event["type"] == "batch-closed.v1":
            till_batch = _name_batch(event)
            self._closed.add(till_batch)
            self.closings.append(
                Closing(
                    decision=decision,
                    till_batch=till_batch,
                    rrn=rrn,
                    totals=Totals(**event["totals"]),
                    claimed=Totals(**event["claimed"]),
                    is_balanced=event["is_balanced"],
                    counted=self._count(till_batch),
                )
            )

    def _count(self, till_batch):
        """Add up what stands in a batch now, each with the amount that its message named."""
        sums = {"debit": [0, 0], "credit": [0, 0]}
        for story in self.by_batch.get(till_batch, ()):
            if story.state != "approved" or story.transaction not in DEBITS | CREDITS:
                continue
            given = story.approval.get("amount")
            side = sums["debit" if story.transaction in DEBITS else "credit"]
            side[0] += given["minor"] if given else story.amount_minor
            side[1] += 1
        return Totals(*sums["debit"], *sums["credit"])


def _name_batch(event):
    return "|".join(event[name] for name in ("acquirer", "merchant_id", "terminal_id", "batch"))


def _ask(story, decision, event):
    request = event["request"]
    story.key = request["idempotency_key"]
    story.merchant_id = request["merchant_id"]
    story.terminal_id = request.get("terminal_id", "")
    story.stan = request.get("stan", "")
    story.transaction = request["transaction"]
    story.amount_minor = (request.get("amount") or {}).get("minor", 0)
    story.sent_minor = story.amount_minor
    story.inbound_offset = decision.content.get("inbound_offset", -1)
    story.registry_position = decision.content["registry_position"]
    story.requested = decision
    story.state = "requested"


def _route(story, decision, event):
    story.routed = decision
    story.original_rrn = event.get("original_rrn", "")
    story.state = "routed"


def _accept(story, decision, event):
    """An advice: nobody is asked, but somebody is to be told, unless there are no terms."""
    story.approval = _answer(story, event)
    story.original_rrn = event.get("original_rrn", "")
    if event.get("terms"):
        story.routed = story.advised = decision
    if sent := event.get("sent_amount"):
        story.sent_minor = sent["minor"]
    story.state = "approved"


def _confirm(story, decision, _event):
    story.confirmed = decision


def _await(story, decision, event):
    _answer(story, event)
    story.awaited = decision
    story.state = "repeating"


def _answer(story, event):
    answer = event["answer"]
    story.response_code = answer["response_code"]
    story.authorization_id = answer.get("authorization_id", "")
    return answer


def _approve(story, _decision, event):
    story.approval = _answer(story, event)
    story.state = "approved"


def _refuse(story, _decision, event):
    story.refusal = _answer(story, event)
    story.state = "declined"


def _lose(story, decision, event):
    _answer(story, event)
    story.unknown = decision
    story.state = "reversing"


def _take_back(story, decision, event):
    if event.get("upstream"):
        story.returning = decision
        if story.state == "approved":
            story.state = "reversing"


def _return(story, decision, _event):
    story.returning = decision
    story.state = "reversing"


def _reverse(story, decision, _event):
    story.reversed = decision
    story.state = "reversed"


def _open_case(story, _decision, event):
    story.cases[event["case_id"]] = event["kind"]
    story.case_kinds.append(event["kind"])
    if event["kind"] in STOPPING_CASES:
        story.state = "case"


def _close_case(story, _decision, event):
    story.cases.pop(event["case_id"], None)


_ACTS = {
    "payment-routed.v1": _route,
    "advice-accepted.v1": _accept,
    "advice-confirmed.v1": _confirm,
    "outcome-awaited.v1": _await,
    "payment-approved.v1": _approve,
    "payment-declined.v1": _refuse,
    "outcome-unknown.v1": _lose,
    "reversal-accepted.v1": _take_back,
    "return-ordered.v1": _return,
    "payment-reversed.v1": _reverse,
    "case-opened.v1": _open_case,
    "case-closed.v1": _close_case,
}
_NEEDS_PAYMENT = {
    "payment-routed.v1",
    "payment-approved.v1",
    "payment-declined.v1",
    "outcome-unknown.v1",
    "reversal-attempted.v1",
    "reversal-answered.v1",
    "payment-reversed.v1",
    "issuer-answered.v1",
    "issuer-timed-out.v1",
    "advice-accepted.v1",
    "advice-confirmed.v1",
    "outcome-awaited.v1",
    "repeat-attempted.v1",
}
_UPLOADS = {"batch-upload-taken.v1", "batch-upload-compared.v1"}
_MANAGED = {
    "terminal-signed-on.v1",
    "terminal-signed-off.v1",
    "batch-closed.v1",
    *_UPLOADS,
    "batch-changed-late.v1",
}
