"""
Random interleavings of one partition with terminals, an issuer, acks, crashes, zombies and time.

The checker shares no code with the machine: it knows what reached the issuer, what was told, and
the records that are durable. A failing seed is in the test's name; `STEP_COUNT` steps replay it.
"""

import random

import pytest
from msgspec.structs import replace

from switch.domain.clock import Now
from switch.domain.payment.events import (
    CaseOpened,
    OutcomeUnknown,
    PaymentApproved,
    PaymentDeclined,
    PaymentRequested,
    PaymentReversed,
    PaymentRouted,
    ReversalAccepted,
    TombstoneSet,
)
from switch.domain.registry.events import TerminalRegistered
from switch.domain.upstream import UpstreamAnswer
from switch.handlers.actions import SendReply, SendUpstream
from switch.handlers.book import PartitionBook
from switch.handlers.replay import replay_record

SEED_COUNT = 60
STEP_COUNT = 400
CALM_STEPS_MAX = 2_000
ISSUER_DELAY_MS = 5_500  # below LaneSettings.issuer_delay_max_ms of the world: what it relies on
LINK = "issuer-1"
ACQUIRER, MERCHANT = "demo", "898110154110001"
MAK = bytes.fromhex("1C1C1C1C1C1C1C1C")
MISCHIEF = ("silent", "garbage", "amount", "late", "twice", "silent")  # beside 8 good answers
TERMINALS = ("00000001", "00000002", "00000003")


def name_key(received):
    """Spell the idempotency key out as docs/rules.md 1 does."""
    fields = received.fields
    terminal = f"{ACQUIRER}|{MERCHANT}|{fields['terminal_id']}|{fields['batch_data'][2:8]}"
    kind = "reversal" if received.mti[1] == "4" else "payment"
    return f"{terminal}|{fields['stan']}|{kind}"


class Ledger:
    """The issuer's own book: every debit and reversal that reached it, in order."""

    def __init__(self):
        self.debits = {}  # rrn -> how often
        self.standing = {}  # rrn -> how many debits are not reversed

    def debit(self, rrn):
        for book in (self.debits, self.standing):
            book[rrn] = book.get(rrn, 0) + 1

    def reverse(self, rrn):
        """Take back what stands; say 25 where no debit was ever seen."""
        self.standing[rrn] = 0
        return "00" if rrn in self.debits else "25"


class Checker:
    """What must hold at every moment, from durable records, debits and answers alone."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.asked = {}  # key -> PaymentRequested
        self.keys = {}  # rrn -> key
        self.routed = set()
        self.approved = {}  # rrn -> answer
        self.reversed = set()
        self.failed = set()  # rrn: declined, or unknown and to be returned
        self.tombstones = {}  # key -> until
        self.cases = {}  # rrn -> kinds
        self.taken_back = set()  # keys of payments of which an 0400 was accepted
        self.reversal_answers = set()  # key of an 0400, code that it was answered with
        self.sent_debits = set()
        self.told = {}  # key -> the bytes of the answer that is repeated
        self.reached = set()

    def on_record(self, record):
        for event in record.events:
            self.reached.add(type(event).__name__)
            if isinstance(event, PaymentRequested):
                self._open(event)
            elif isinstance(event, PaymentRouted):
                self.routed.add(event.rrn)
            elif isinstance(event, OutcomeUnknown | PaymentDeclined):
                self.failed.add(event.rrn)
            elif isinstance(event, TombstoneSet):
                self.tombstones[event.idempotency_key] = event.until
            elif isinstance(event, CaseOpened):
                self.cases.setdefault(event.rrn, set()).add(event.kind)
            elif isinstance(event, ReversalAccepted):
                self._take_back(event)
            else:
                self._end(event)

    def _open(self, event):
        key = event.request.idempotency_key
        assert key not in self.asked, "a key was opened twice"
        assert event.rrn not in self.keys, "an RRN was given twice"
        assert self.tombstones.get(key, 0) <= event.at, "opened under a tombstone"
        self.asked[key], self.keys[event.rrn] = event, key

    def _take_back(self, event):
        code = event.answer.response_code
        self.reversal_answers.add((event.reversal_key, code))
        if code == "00":
            self.taken_back.add(event.reversal_key.replace("|reversal", "|payment"))

    def _end(self, event):
        if isinstance(event, PaymentApproved):
            assert event.rrn not in self.approved
            assert self.keys[event.rrn] not in self.taken_back, "approved after it was taken back"
            self.approved[event.rrn] = event.answer
        elif isinstance(event, PaymentReversed):
            assert event.rrn not in self.reversed, "reversed twice"
            assert (event.line is not None) == (event.rrn in self.approved)
            self.reversed.add(event.rrn)

    def on_debit(self, rrn):
        """Check a debit at the moment at which it leaves."""
        assert rrn in self.routed, "a debit was sent before its route was durable"
        assert rrn not in self.sent_debits, "a debit was sent twice"
        assert rrn not in self.failed, "a debit was sent after its outcome was settled"
        self.sent_debits.add(rrn)

    def on_reply(self, received, message, wire, *, is_old_owner):
        code = str(message.fields["response_code"])
        key = name_key(received)
        kind = key.rpartition("|")[2]
        self.reached.add(f"{kind} {code}")
        if kind == "reversal":
            assert (key, code) in self.reversal_answers, "told before the reversal was durable"
            return
        if code == "94":
            return
        first = self.asked.get(key)
        assert first is not None, "an answer to a payment that is not durable"
        same = received.fields["amount_transaction"] == f"{first.request.amount.minor:012d}"
        assert same, f"other content under a used key was answered {code}"
        assert self.told.setdefault(key, wire) == wire, "a repeat was told something else"
        if code == "00":
            assert first.rrn in self.approved, "an approval was told that is not durable"
            # an old owner may say it late: on its connection the 0400 has ended that wait
            assert is_old_owner or key not in self.taken_back, "approved after its 0400"

    def is_decided(self, received):
        key = name_key(received)
        if received.mti[1] == "4":
            return any(answered == key for answered, _code in self.reversal_answers)
        return key in self.asked or key in self.tombstones

    def at_rest(self):
        """Check what every debit must have become once nothing moves any more."""
        debited = [self.keys[r] for r, count in self.ledger.debits.items() for _ in range(count)]
        assert len(debited) == len(set(debited)), "a key was debited twice"
        for rrn in self.ledger.debits:
            stands = self.ledger.standing[rrn]
            if rrn in self.approved and self.keys[rrn] not in self.taken_back:
                assert stands, "an approved payment was returned"
            else:
                # 25 is no excuse: this issuer's delay is below what a confirmation waits for
                is_case = self.cases.get(rrn, set()) - {"reversal-not-found"}
                assert not stands or is_case, "a debit ended neither kept nor returned"
        for rrn in self.approved:
            assert rrn in self.ledger.debits, "approved without a debit"
        for rrn in self.reversed:
            assert not self.ledger.standing.get(rrn, 0), "called reversed, but the debit stands"


class Storm:
    """Takes random steps; every fault that design.md 3 names can happen between any two."""

    def __init__(self, world, make_message, seed):
        self.world = world
        self.make_message = make_message
        self.random = random.Random(seed)
        self.ledger = Ledger()
        self.checker = Checker(self.ledger)
        self.is_link_up = True
        self.to_issuer = []  # requests on the connection that stands, first in first out
        self.to_switch = []  # (due boot ms, UpstreamAnswer)
        self.adrift = []  # (due boot ms, request): written to a connection that is gone
        self.zombies = []  # (partition, records of it that landed before the claim)
        self.stans = dict.fromkeys(TERMINALS, 0)
        self.sales = []  # (terminal, stan, amount)
        self.is_calm = False
        self.is_old_owner = False  # a zombie talks
        self.seen_sent_count = 0
        log = (self.wake_zombie, self.read_inbound, self.acknowledge)
        self._moves_in_calm = (*log, self.pass_time, self.reach_issuer)
        self._hook_in()

    def _hook_in(self):
        world = self.world
        for terminal_id in TERMINALS[1:]:
            terminal = replace(
                world.registry.find_terminal(ACQUIRER, TERMINALS[0]),
                terminal_id=terminal_id,
                mak=world.keys.seal_key(MAK, f"mak:{ACQUIRER}:{terminal_id}"),
            )
            event = TerminalRegistered(terminal=terminal)
            world.registry.apply(world.registry.position, event)
        open_reply = world._open_reply

        def check_reply(action):
            open_reply(action)
            inbound_id = action.reply.inbound_id
            received = world.inbound[int(inbound_id.removeprefix("gw-"))]
            message, wire = world.replies[inbound_id][-1], world.raw_replies[inbound_id][-1]
            self.checker.on_reply(received, message, wire, is_old_owner=self.is_old_owner)

        world._open_reply = check_reply
        world.deliver = lambda received, **_: received.inbound_id  # it is in the inbound log

    def run(self, step_count):
        for _ in range(step_count):
            self.step()
        self.calm_down()
        self.check_end()

    def step(self):
        weights = {
            self.sell: 14,
            self.repeat: 8,
            self.conflict: 4,
            self.take_back: 6,
            self.take_back_first: 1,
            self.read_inbound: 30,
            self.acknowledge: 30,
            self.reach_issuer: 25,
            self.pass_time: 25,
            self.change_link: 2,
            self.crash: 2,
            self.wake_zombie: 2,
            self.jump_clock: 0.2,
        }
        [take] = self.random.choices(list(weights), list(weights.values()))
        take()
        self.settle()

    def settle(self):
        """Carry out what the machine asked for, as its shell would."""
        world = self.world
        world.pump()
        while self.seen_sent_count < len(world.sent):
            action = world.sent[self.seen_sent_count]
            self.seen_sent_count += 1
            if not self._write(action, self.to_issuer, self.is_link_up):
                if action.send_before_boot_ms:
                    world.partition.on_not_sent(action.request.match.rrn, world.now)
                world.pump()

    def _write(self, action, connection, is_up):
        late = action.send_before_boot_ms and self.world.now.boot_ms > action.send_before_boot_ms
        if late or not is_up:
            return False
        if action.request.match.message_class == "payment":
            self.checker.on_debit(action.request.match.rrn)
        connection.append(action.request)
        return True

    def sell(self):
        if self.is_calm:
            return
        terminal = self.random.choice(TERMINALS)
        self.stans[terminal] += 1
        sale = (terminal, f"{self.stans[terminal]:06d}", f"{self.random.randint(1, 999):012d}")
        self.sales.append(sale)
        self._send("0200", *sale)

    def _send(self, mti, terminal, stan, amount):
        message = self.make_message(mti, terminal_id=terminal, stan=stan, amount_transaction=amount)
        self.world.send(message)

    def _some_sale(self):
        recent = self.sales[-6:] if self.random.random() < 0.8 else self.sales
        return self.random.choice(recent) if recent and not self.is_calm else None

    def repeat(self):
        if sale := self._some_sale():
            self._send(self.random.choice(("0200", "0201")), *sale)

    def conflict(self):
        if sale := self._some_sale():
            self._send("0200", sale[0], sale[1], "000000001000")

    def take_back(self):
        if sale := self._some_sale():
            amount = "000000001001" if self.random.random() < 0.1 else sale[2]
            self._send(self.random.choice(("0400", "0401")), sale[0], sale[1], amount)

    def take_back_first(self):
        """Let an 0400 overtake its payment."""
        if not self.is_calm:
            terminal = self.random.choice(TERMINALS)
            self.stans[terminal] += 1
            sale = (terminal, f"{self.stans[terminal]:06d}", "000000000500")
            self._send("0400", *sale)
            self._send("0200", *sale)

    def read_inbound(self):
        world = self.world
        for _ in range(self.random.randint(1, 4)):
            offset = world.partition.next_inbound_offset
            if offset < len(world.inbound):
                world.partition.on_inbound(offset, world.inbound[offset], world.now)

    def acknowledge(self):
        for _ in range(self.random.randint(1, 6)):
            if self.world.unacknowledged:
                self._land(self.world.unacknowledged.pop(0))
                self.world.partition.on_appended(self.world.now)
                self.settle()

    def _land(self, record):
        self.world.journal.append(record)
        self.checker.on_record(record)

    def crash(self):
        """Hand the partition to a successor; the old owner may live on and not know of it."""
        if self.is_calm:
            return
        world = self.world
        landed_count = self.random.randint(0, len(world.unacknowledged))
        for record in world.unacknowledged[:landed_count]:
            self._land(record)
        self.zombies.append((world.partition, landed_count))
        if self.random.random() < 0.7:
            self._lose_connection()  # of the old process; the successor has its own
        world.restart()
        self.is_link_up = True
        self.checker.reached.add("take-over")

    def wake_zombie(self):
        """Let an old owner hear of acks that came before the claim, and act on them."""
        if not self.zombies:
            return
        partition, landed_count = self.zombies.pop(0)
        for _ in range(landed_count):
            partition.on_appended(self.world.now)
            for action in partition.take_actions():
                if isinstance(action, SendUpstream):
                    sent = []
                    if self._write(action, sent, is_up=True):
                        self.adrift += [(self._soon(), request) for request in sent]
                        self.checker.reached.add("zombie sends")
                elif isinstance(action, SendReply):
                    self.is_old_owner = True
                    self.world._open_reply(action)
                    self.is_old_owner = False

    def _soon(self):
        return self.world.now.boot_ms + self.random.randint(0, ISSUER_DELAY_MS)

    def _lose_connection(self):
        for request in self.to_issuer:
            if self.random.random() < 0.8:
                self.adrift.append((self._soon(), request))
        self.to_issuer.clear()
        self.to_switch.clear()

    def change_link(self):
        world, was_up = self.world, self.is_link_up
        self.is_link_up = not was_up
        if was_up:
            self._lose_connection()
            world.partition.on_links((), frozenset({LINK}), world.now)
        else:
            world.partition.on_links((LINK,), frozenset(), world.now)

    def reach_issuer(self):
        boot_ms = self.world.now.boot_ms
        for due, request in [entry for entry in self.adrift if entry[0] <= boot_ms]:
            self.adrift.remove((due, request))
            self._serve(request)  # its answer goes to a connection that is gone
        for _ in range(self.random.randint(1, 4)):
            if self.to_issuer:
                self._answer(*self._serve(self.to_issuer.pop(0)))
        for entry in [entry for entry in self.to_switch if entry[0] <= boot_ms]:
            self.to_switch.remove(entry)
            self.world.partition.on_issuer_message(entry[1], self.world.now)

    def _serve(self, request):
        rrn = request.match.rrn
        if request.match.message_class == "reversal":
            return request, self.ledger.reverse(rrn)
        if self.random.random() < 0.12:
            return request, "51"
        self.ledger.debit(rrn)
        return request, "00"

    def _answer(self, request, code):
        choices = ["good"] * 8 if self.is_calm else ["good"] * 8 + list(MISCHIEF)
        mischief = self.random.choice(choices)
        if mischief == "silent":
            return
        time = request.fields["transmission_time"]
        fields, fault, delay_ms = {"response_code": code, "transmission_time": time}, "", 0
        if mischief == "garbage":
            fault = "DE 39 response_code: not readable"
        elif mischief == "amount" and request.match.message_class == "payment":
            fields |= {"amount_transaction": "000000000007", "currency": "156"}
        elif mischief == "late":
            delay_ms = self.random.randint(2_500, 9_000)
        answer = UpstreamAnswer(link=LINK, match=request.match, mti="", fields=fields, fault=fault)
        due = self.world.now.boot_ms + delay_ms
        self.to_switch.append((due, answer))
        if mischief in {"twice", "late"}:
            self.to_switch.append((due + self.random.randint(0, 9_000), answer))

    def pass_time(self):
        world = self.world
        long_ms = 4_000 if self.random.random() < 0.1 else 300
        passed = self.random.randint(1, long_ms)
        world.now = Now(world.now.wall_ms + passed, world.now.boot_ms + passed)
        world.partition.on_registry_confirmed(world.now.boot_ms)
        world.partition.on_time(world.now)

    def jump_clock(self):
        hours = self.random.choice((-1, 1))
        now = self.world.now
        self.world.now = Now(now.wall_ms + hours * 3_600_000, now.boot_ms)

    def is_at_rest(self):
        world = self.world
        moving = (world.unacknowledged, self.to_issuer, self.to_switch, self.adrift, self.zombies)
        is_read = world.partition.next_inbound_offset == len(world.inbound)
        return is_read and not any(moving) and not world.partition.open_count

    def calm_down(self):
        """All faults are over: everything must come to its end within a bound."""
        self.is_calm = True
        if not self.is_link_up:
            self.change_link()
        for _ in range(CALM_STEPS_MAX):
            if self.is_at_rest():
                return
            for take in self._moves_in_calm:
                take()
                self.settle()
        pytest.fail("it did not come to rest")

    def check_end(self):
        checker, world = self.checker, self.world
        checker.at_rest()
        for received in world.inbound:
            assert checker.is_decided(received), "a request ended as silence"
        book = PartitionBook(1, 4, world.partition._settings.rules)
        for record in world.journal:
            step = replay_record(record, book, world.registry, world.partition._settings.rules)
            assert step.is_same, step
            book.apply(record)
        assert vars(book) == vars(world.book)
        world.restart()
        while world.partition.next_inbound_offset < len(world.inbound):
            self.read_inbound()
        world.pump()
        kinds = {type(event) for record in world.unacknowledged for event in record.events}
        assert PaymentRequested not in kinds, "a payment was decided twice"


def run(world, make_message, seed, step_count=STEP_COUNT):
    storm = Storm(world, make_message, seed)
    storm.run(step_count)
    return storm


@pytest.mark.parametrize("seed", range(SEED_COUNT))
def test_no_interleaving_breaks_what_must_always_hold(world, make_message, seed):
    storm = run(world, make_message, seed)
    assert storm.ledger.debits


def test_the_storm_reaches_what_it_is_meant_to_reach(world, make_message):
    reached = run(world, make_message, seed=1, step_count=4_000).checker.reached
    assert {
        "payment 00",
        "payment 51",
        "payment 94",
        "payment 96",
        "payment 98",
        "reversal 00",
        "reversal 25",
        "CaseOpened",
        "LateAnswerReceived",
        "PaymentReversed",
        "TombstoneSet",
        "take-over",
        "zombie sends",
    } <= reached
