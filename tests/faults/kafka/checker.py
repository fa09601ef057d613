"""
The judge of these scenarios: raw topics, the issuer's ledger and the terminals' memory.

Its code is its own: no reader, fold or rule of the switch decides what the switch did. The numbers
are those of docs/faults.md.
"""

import json
from collections import Counter, defaultdict
from typing import NamedTuple

from tests.faults.kafka import business
from tests.faults.kafka.memory import MANAGEMENT, NOT_HANDED_OVER, TRANSACTIONS
from tests.faults.kafka.story import Chronicle, Journal
from tests.faults.kafka.violation import Violation

APPROVED = "00"
CONFLICT = "94"
UNKNOWN = "98"
BOOKED = {"approved", "late", "silent"}
ASKED = {"debit", "authorization", "void", "credit"}
IDLE = {"ignored", "already"}  # what the issuer did nothing about
CLOCK_SLACK_MS = 5


class Evidence(NamedTuple):
    """The witnesses of a run: records of every topic, lines of the ledger, exchanges."""

    records: list
    ledger: list
    exchanges: list
    amounts_are_unique: bool = True  # the load never draws an amount twice for one terminal

    def of(self, log):
        return [record for record in self.records if record.log == log]


def read_ledger(path):
    """Return the issuer's lines as JSON; a torn last one (it was killed) is left out."""
    lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
    return [json.loads(line) for line in lines[:-1]]


def judge(evidence):
    """Return everything that is wrong once all has settled."""
    case = _Case(evidence)
    found = []
    for look in _LOOKS:
        found.extend(look(case))
    return found


class _Case:
    """The witnesses, sorted."""

    def __init__(self, evidence):
        self.evidence = evidence
        self.journal = Journal(evidence.of("journal"))
        self.registry = Chronicle(evidence.of("registry"))
        self.inbound = {(r.partition, r.offset): r for r in evidence.of("inbound")}
        self.asked = {}  # rrn -> what the issuer decided of it, with its places in the ledger
        self.booked = {}
        self.reversals = {}
        self.moved = Counter()  # rrn -> money that the issuer took; negative: gave back
        self.held = Counter()  # rrn -> by how much it changed what is held on the card
        for index, line in enumerate(evidence.ledger):
            self._book(index, line)
        self.by_key = defaultdict(list)
        for exchange in evidence.exchanges:
            if exchange.kind not in MANAGEMENT:
                self.by_key[exchange.key].append(exchange)

    def _book(self, index, line):
        rrn = line.get("rrn", "")
        self.moved[rrn] += line.get("moved_minor", 0)
        self.held[rrn] += line.get("held_minor", 0)
        if line["op"] == "reversal":
            self.reversals.setdefault(rrn, []).append((index, line))
        elif line["op"] in ASKED and line["outcome"] not in IDLE:
            self.asked.setdefault(rrn, []).append((index, line))
            if line["outcome"] in BOOKED:
                self.booked.setdefault(rrn, []).append((index, line))


# -- 1: at most one debit per key ----------------------------------------------------------------


def _find_double_debits(case):
    keys = {rrn: story.key for rrn, story in case.journal.stories.items()}
    by_key = defaultdict(list)
    for rrn, lines in case.asked.items():
        by_key[keys.get(rrn) or case.journal.void_requests.get(rrn) or rrn].extend(lines)
    for key, lines in by_key.items():
        if len(lines) > 1:
            yield Violation(1, "debited-twice", key, _show_lines(lines))
    if not case.evidence.amounts_are_unique:
        return
    # a second look that needs no journal: every payment of the load has an amount of its own,
    # unless it is about another one
    by_amount = defaultdict(list)
    for lines in case.asked.values():
        for index, line in lines:
            if line["op"] != "debit" or line.get("original"):
                continue
            by_amount[line["terminal_id"], line["amount_minor"]].append((index, line))
    for (terminal_id, minor), lines in by_amount.items():
        if len({line["rrn"] for _, line in lines}) > 1:
            about = f"{minor} at terminal {terminal_id}"
            yield Violation(1, "one-payment-two-debits", about, _show_lines(lines))


# -- 2: what a terminal was told is in the journal -----------------------------------------------


def _find_untrue_approvals(case):
    for exchange in case.evidence.exchanges:
        if exchange.kind in MANAGEMENT or exchange.code != APPROVED or exchange.kind == "reversal":
            continue
        if exchange.mac_valid is False:
            yield Violation(2, "wrong-mac", exchange.key, str(exchange))
        if exchange.kind == "conflict":
            yield Violation(5, "conflict-approved", exchange.key, str(exchange))
            continue
        story = case.journal.stories.get(exchange.rrn)
        if story is None or story.approval is None:
            shown = f"{exchange}; void: {exchange.rrn in case.journal.void_requests}"
            yield Violation(2, "approval-not-in-journal", exchange.key, shown)
            continue
        answer = story.approval
        told = (
            exchange.key,
            TRANSACTIONS[exchange.operation],
            exchange.amount_minor,
            exchange.code,
            exchange.authorization_id,
        )
        kept = (
            story.key,
            story.transaction,
            story.amount_minor,
            answer["response_code"],
            answer.get("authorization_id", ""),
        )
        if told != kept:
            yield Violation(2, "approval-of-other-content", exchange.key, f"{told} but {kept}")


# -- 3: every debit is approved, reversed after it, or a case ------------------------------------


def _find_lost_money(case):
    for rrn in {*case.asked, *case.journal.stories}:
        story = case.journal.stories.get(rrn)
        asked, reversals = case.asked.get(rrn, []), case.reversals.get(rrn, [])
        yield from _check_debit_first(case, rrn)
        if story is None:
            if case.moved[rrn] or case.held[rrn]:
                yield Violation(3, "debit-of-nobody", rrn, _show_lines(asked))
            continue
        if story.is_doubtful or story.is_open:
            continue  # a person sees it; what never ends is invariant 8
        expected = business.expect_effect(case.journal, story)
        found = case.moved[rrn], case.held[rrn]
        if found != expected:
            shown = _show_lines([*asked, *reversals])
            kind = "money-elsewhere" if any(found) else "approval-without-debit"
            yield Violation(3, kind, rrn, f"{story.state}, {expected} expected; {shown}")
        if reversals and not (story.unknown or story.returning):
            yield Violation(3, "reversal-without-intent", rrn, _show_lines(reversals))


def _check_debit_first(case, rrn):
    """No debit after its reversal: what the send window is for."""
    if rrn in case.booked and rrn in case.reversals:
        last_debit, first_reversal = case.booked[rrn][-1], case.reversals[rrn][0]
        if last_debit[0] > first_reversal[0]:
            shown = _show_lines([first_reversal, last_debit])
            yield Violation(3, "debit-after-its-reversal", rrn, shown)


def _find_wrong_beliefs(case):
    """Compare what a terminal believes in the end with where the money is."""
    rrns = case.journal.rrns_by_key()
    for key, exchanges in case.by_key.items():
        stories = [case.journal.stories[rrn] for rrn in rrns.get(key, ())]
        settled = [s for s in stories if not (s.money_cases or s.is_open)]
        standing = [s.rrn for s in settled if case.moved[s.rrn] or case.held[s.rrn]]
        reversals = [x for x in exchanges if x.kind == "reversal" and x.code == APPROVED]
        if standing and reversals:
            yield Violation(3, "reversed-but-debited", key, f"{reversals[0]}; {standing}")
        yield from _find_taken_back(settled, exchanges)
        answers = [x for x in exchanges if x.is_payment and x.code]
        if not answers or not standing or any(s.awaited for s in settled):
            continue
        if answers[-1].code not in {APPROVED, CONFLICT}:
            yield Violation(3, "declined-but-debited", key, f"{answers[-1]}; {standing}")


def _find_taken_back(settled, exchanges):
    """Nobody but its terminal, or a person, takes back what it was told to be approved."""
    approvals = [x for x in exchanges if x.is_payment and x.code == APPROVED]
    if approvals and not any(x.kind == "reversal" for x in exchanges):
        for story in settled:
            if story.approval and not story.stands and not story.case_kinds:
                shown = f"{story.state}; {approvals[0]}"
                yield Violation(3, "approval-taken-back", story.key, shown)


# -- 4: no event without its cause ---------------------------------------------------------------


def _find_missing_causes(case):
    journal = case.journal
    for sentence in (*journal.stale, *case.registry.stale):
        yield Violation(4, "claim-rule-broken", sentence)
    for decision, event in journal.orphans:
        yield Violation(4, "event-without-payment", event["rrn"], f"{event['type']} {decision}")
    for decision, event in journal.parked:
        yield Violation(4, "undecidable", str(decision), str(event))
    yield from _check_inbound(case)
    yield from _check_order(case)
    for rrn, lines in case.asked.items():
        story = journal.stories.get(rrn)
        index, line = lines[0]
        if story is None or story.routed is None:
            void = "its route is void" if rrn in journal.void_requests else "nobody asked for it"
            yield Violation(4, "debit-without-route", rrn, f"{void}; {_show_lines(lines)}")
        elif story.routed.content["at"] > line["at"] + CLOCK_SLACK_MS:
            yield Violation(4, "debit-before-route", rrn, f"line {index + 1}, {story.routed}")
        elif line["amount_minor"] != story.sent_minor:
            yield Violation(4, "debit-of-other-amount", rrn, _show_lines(lines))


def _check_inbound(case):
    """Each request is decided once, from the inbound record that it names."""
    decided = {}
    for story in case.journal.stories.values():
        place = story.requested.partition, story.inbound_offset
        if story.inbound_offset < 0 or place not in case.inbound:
            about = f"{story.requested}, inbound {place[1]}"
            yield Violation(4, "request-without-inbound", story.rrn, about)
            continue
        fields = json.loads(case.inbound[place].value)["fields"]
        said = fields.get("terminal_id", ""), fields.get("stan", "")
        if said != (story.terminal_id, story.stan):
            yield Violation(4, "request-of-other-inbound", story.rrn, f"{said} at {place}")
        if place in decided:
            yield Violation(4, "inbound-decided-twice", story.rrn, f"and {decided[place]}")
        decided[place] = story.rrn
        if int(story.rrn[:2]) != place[0] or int(story.rrn[2:]) > story.requested.offset:
            yield Violation(4, "rrn-of-another-place", story.rrn, str(story.requested))


def _check_order(case):
    """The payments of one terminal are decided in the order in which they came in."""
    last = {}
    for story in sorted(case.journal.stories.values(), key=lambda s: s.requested.offset):
        terminal = story.requested.partition, story.terminal_id
        if story.inbound_offset < last.get(terminal, -1):
            shown = f"inbound {story.inbound_offset} after {last[terminal]}"
            yield Violation(4, "decided-out-of-order", story.rrn, shown)
        last[terminal] = story.inbound_offset


# -- 5: one key, one answer ----------------------------------------------------------------------


def _find_other_answers(case):
    for key, rrns in case.journal.rrns_by_key().items():
        if len(rrns) > 1 and not _is_inquiry(case, rrns[0]):
            yield Violation(5, "key-decided-twice", key, f"as {rrns}")
    for key, exchanges in case.by_key.items():
        was_reversed = any(x.kind == "reversal" for x in exchanges)
        answers = {
            (x.code, x.rrn, x.authorization_id): x
            for x in exchanges
            if x.is_payment
            and x.rrn
            and not (was_reversed and x.code == CONFLICT)
            and not _is_patience(case, x)
            and not _is_inquiry(case, x.rrn)
        }
        if len(answers) > 1:
            yield Violation(5, "repeat-told-otherwise", key, str(list(answers.values())))


def _is_inquiry(case, rrn):
    """Whether this asks what an account holds: a repeat of that is asked anew."""
    story = case.journal.stories.get(rrn)
    return story is not None and story.transaction == "balance-inquiry"


def _is_patience(case, exchange):
    """Whether this says no more than that a refund is repeated until it is answered."""
    story = case.journal.stories.get(exchange.rrn)
    return exchange.code == UNKNOWN and story is not None and bool(story.awaited)


# -- 6: nobody inactive starts a debit -----------------------------------------------------------


def _find_inactive(case):
    states = defaultdict(list)  # merchant -> (registry offset, status)
    for decision in case.registry.valid():
        for event in decision.events:
            if event["type"] in {"merchant-registered.v1", "merchant-changed.v1"}:
                merchant = event["merchant"]
                states[merchant["merchant_id"]].append((decision.offset, merchant["status"]))
    for story in case.journal.stories.values():
        if story.routed is None:
            continue
        known = [s for at, s in states[story.merchant_id] if at < story.registry_position]
        if not known or known[-1] != "activated":
            shown = f"{known[-1:]} at registry position {story.registry_position}"
            yield Violation(6, "debit-for-inactive-merchant", story.rrn, shown)


# -- 8: everything has an end; and what was handed over is not called "not sent" -----------------


def _find_unfinished(case):
    for story in case.journal.stories.values():
        if story.is_open:
            shown = f"{story.state} since {story.unknown or story.returning or story.routed}"
            yield Violation(8, "unfinished", story.rrn, shown)


def _find_false_not_sent(case):
    """Count: what came into the log of a key is no more than what was not refused before it."""
    arrived = Counter()
    for record in case.inbound.values():
        content = json.loads(record.value)
        if content["mti"][1] in "12":
            fields = content["fields"]
            arrived[fields.get("terminal_id", ""), fields.get("stan", "")] += 1
    sent, refused = Counter(), Counter()
    for exchange in case.evidence.exchanges:
        if exchange.kind != "reversal" and exchange.kind not in MANAGEMENT:
            about = exchange.terminal_id, exchange.stan
            sent[about] += 1
            refused[about] += exchange.reason in NOT_HANDED_OVER
    for about, count in arrived.items():
        if count > sent[about] - refused[about] and refused[about]:
            shown = f"sent {sent[about]}, not sent {refused[about]}, in the log {count}"
            yield Violation(8, "not-sent-but-handed-over", str(about), shown)


# -- 12: the queues drain ------------------------------------------------------------------------


def find_backlog(ends, marks):
    """Return what of the inbound log no partition says to have decided, as sentences."""
    return [
        f"partition {partition}: decided up to {marks.get(partition, 0)} of {end}"
        for partition, end in sorted(ends.items())
        if marks.get(partition, 0) < end
    ]


def _find_backlog(case):
    ends = Counter()
    for partition, offset in case.inbound:
        ends[partition] = max(ends[partition], offset + 1)
    for sentence in find_backlog(ends, case.journal.watermarks()):
        yield Violation(12, "not-drained", sentence)


def _show_lines(lines):
    return "; ".join(
        f"ledger line {index + 1}: {line['op']} {line['amount_minor']} {line['outcome']}"
        f" stan {line.get('stan')} rrn {line.get('rrn')} at {line['at']}"
        for index, line in lines
    )


_LOOKS = (
    _find_double_debits,
    _find_untrue_approvals,
    _find_lost_money,
    _find_wrong_beliefs,
    _find_missing_causes,
    _find_other_answers,
    _find_inactive,
    _find_unfinished,
    _find_false_not_sent,
    _find_backlog,
    *business.LOOKS,
)
