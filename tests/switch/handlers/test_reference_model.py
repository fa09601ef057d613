"""
One terminal and one issuer against a reference model: whatever happens, both say the same.

The model knows nothing of journals, lanes or time: a payment is running, yes, no, in doubt, back or
a case, and every answer and the money in the end follow from that.
"""

from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

VOIDS = {"void", "pre-auth void", "completion void"}
TAKES = {"sale": 1, "completion": 1, "offline": 1, "pre-auth": 0, "pre-auth void": 0}
OPEN = {"running", "doubt", "case"}  # what holds its original


# -- the model -------------------------------------------------------------------------------------


@dataclass
class Item:
    kind: str
    amount: int
    of: "Item | None" = None
    state: str = "running"
    is_booked: bool = False  # at the issuer
    is_owed: bool = False  # an advice that its issuer has not taken yet
    is_taken_back: bool = False
    is_given_up: bool = False  # its 0400 was answered, though nothing could be done
    code: str = ""  # what a repeat is told


class Model:
    def __init__(self):
        self.items = []

    def touching(self, of):
        """List what holds or has changed a payment; a voided completion has let go of its hold."""
        found = [one for one in self.items if one.of is of and one.state in {"yes", *OPEN}]
        return [one for one in found if not self.is_done(one, VOIDS)]

    def is_done(self, of, kinds):
        mine = [one for one in self.items if one.of is of and one.state in {"yes", *OPEN}]
        return any(one.kind in kinds and one.state == "yes" for one in mine) and all(
            one.state == "yes" for one in mine
        )

    def is_held(self, of):
        return any(one.state in OPEN or self.is_held(one) for one in self.touching(of))

    def refusal(self, kind, amount, of):
        """Say what the switch itself answers; empty if the issuer is asked."""
        if of is None:
            return ""
        touching = self.touching(of)
        if of.state != "yes" or of.is_owed:
            return "25"
        if kind == "refund":
            if any(one.kind != "refund" for one in touching):
                return "25"
            return "61" if amount > of.amount - sum(one.amount for one in touching) else ""
        if touching:
            return "25"
        if kind in VOIDS:
            return "" if amount == of.amount else "64"
        return "61" if amount * 100 > of.amount * 115 else ""

    def answered(self, item, code):
        """Take the issuer's word on a running payment."""
        item.state = "no" if code != "00" else "doubt" if item.is_taken_back else "yes"
        item.code = "98" if item.state == "doubt" else code

    def take_back(self, item):
        if item.is_taken_back or item.is_given_up:
            return  # a repeat of the 0400 gets its first answer
        hold = item.of.of if item.kind == "completion void" else None
        is_used_again = hold is not None and self.touching(hold)
        is_changed = item.state == "yes" and (self.touching(item) or is_used_again)
        if item.kind == "refund" or is_changed:
            item.is_given_up = True
        elif item.state in {"running", "yes"}:
            item.is_taken_back = True
            item.state = "doubt" if item.state == "yes" else "running"

    def replay(self, item):
        """Say what an explicit repeat is told; empty for silence."""
        if item.is_taken_back or (item.is_given_up and item.state == "yes"):
            return "94"
        is_stale = item.state == "yes" and item is not self.items[-1]
        return "94" if is_stale and item.kind not in {"refund", "offline"} else item.code

    def give_up_waiting(self):
        for item in self.items:
            if item.state == "running":
                item.state, item.code = "doubt", "98"

    def settle(self):
        """Let everything come to rest: doubts are reversed, refunds repeated until booked."""
        self.give_up_waiting()
        for item in self.items:
            item.is_owed = False
            if item.state == "doubt" and item.kind == "refund":
                item.state, item.code, item.is_booked = "yes", "00", True
            elif item.state == "doubt":
                is_back = item.is_booked or item.kind == "offline"
                item.state = "back" if is_back else "case"

    def money(self):
        return sum(TAKES.get(i.kind, -1) * i.amount for i in self.items if i.state == "yes")


# -- the machine, the issuer and the terminal ------------------------------------------------------

PHASES = {
    "running": {"routed"},
    "yes": {"approved"},
    "no": {"declined"},
    "doubt": {"reversing", "repeating", "reversed"},  # what was never told is reversed at once
    "back": {"reversed"},
    "case": {"case"},
}
ORIGINALS = {
    "void": {"sale"},
    "refund": {"sale", "completion", "offline"},
    "pre-auth void": {"pre-auth"},
    "completion": {"pre-auth"},
    "completion void": {"completion"},
}


FATES = st.sampled_from(["yes", "yes", "yes", "no", "mute", "lost", "slow"])
PERCENTS = st.sampled_from([100, 100, 30, 60, 101, 115, 116])
WHICH = st.integers(0, 5)


class Duel(RuleBasedStateMachine):
    make_world = None  # set by the test: a world and a till that have seen nothing

    def __init__(self):
        super().__init__()
        self.world, self.till = type(self).make_world()
        self.model = Model()
        self.asked = {}  # id of an item -> what the terminal sent
        self.waits = set()  # ids of items whose terminal still waits
        self.booked = {}  # rrn -> signed amount: the issuer's ledger
        self.seen_count = 0

    def items(self, kinds=None, states=None):
        return [
            one
            for one in self.model.items
            if (kinds is None or one.kind in kinds) and (states is None or one.state in states)
        ]

    def rrn(self, item):
        return self.asked[id(item)].rrn

    # -- the issuer --------------------------------------------------------------------------------

    def book(self, item):
        item.is_booked = True
        self.booked[self.rrn(item)] = TAKES.get(item.kind, -1) * item.amount

    def receive_advices(self):
        """Book what is told or repeated; it is answered when all comes to rest."""
        by_rrn = {self.rrn(item): item for item in self.model.items}
        for action in self.world.sent[self.seen_count :]:
            if action.request.mti in {"0220", "0221"} and action.request.match.rrn in by_rrn:
                item = by_rrn[action.request.match.rrn]
                if item.kind == "offline" or action.request.mti == "0221":
                    self.book(item)
        self.seen_count = len(self.world.sent)

    def answer_all(self):
        """Answer every reversal and every repeat that is on its way, truthfully."""
        open_rrns = set(self.world.book.open_rrns)
        for rrn in sorted(open_rrns):
            mine = [one.request for one in self.world.sent if one.request.match.rrn == rrn]
            last = mine[-1].match.message_class if mine else ""
            if last == "reversal":
                code = "00" if rrn in self.booked else "25"
                self.booked[rrn] = 0 if code == "00" else self.booked.get(rrn, 0)
                if code == "25":
                    del self.booked[rrn]
                self.world.answer_of_issuer(rrn, code, kind="reversal")
            elif mine and mine[-1].mti in {"0220", "0221"}:
                self.world.answer_of_issuer(rrn, "00")

    # -- what can happen ---------------------------------------------------------------------------

    @rule(kind=st.sampled_from(["sale", "pre-auth", "offline"]), fate=FATES)
    def begin(self, kind, fate):
        self.ask(kind, fate, 100, 0)

    @rule(kind=st.sampled_from(["completion", "completion void"]), fate=FATES, which=WHICH)
    def complete(self, kind, fate, which):
        self.ask(kind, fate, 100, which)

    @rule(kind=st.sampled_from(list(ORIGINALS)), fate=FATES, percent=PERCENTS, which=WHICH)
    def change(self, kind, fate, percent, which):
        self.ask(kind, fate, percent, which)

    @rule(fate=FATES, percent=PERCENTS, which=WHICH)
    def give_back(self, fate, percent, which):
        self.ask("refund" if percent < 100 else "void", fate, percent, which)

    def ask(self, kind, fate, percent, which):
        of = None
        if kind in ORIGINALS:
            candidates = self.items(ORIGINALS[kind])
            if not candidates:
                return
            if which < 5:  # mostly one that can be changed
                candidates = self.items(ORIGINALS[kind], {"yes"}) or candidates
            of = candidates[-1 - which % len(candidates)]
        amount = of.amount * percent // 100 if of else 1_000 + len(self.model.items)
        refusal = self.model.refusal(kind, amount, of)
        item = Item(kind, amount, of)
        asked = self.till.ask(kind, amount, of=self.asked[id(of)] if of else None)
        self.asked[id(item)] = asked
        self.model.items.append(item)
        if refusal or kind == "offline":
            item.state, item.code = ("no", refusal) if refusal else ("yes", "00")
            assert self.till.told(asked) == item.code, self.till.why(asked)
            item.is_owed = not refusal
            if item.is_owed and fate == "yes":
                self.take_advice(item)
            return
        assert self.till.told(asked) == "", self.till.why(asked)
        self.waits.add(id(item))
        if fate == "mute":
            self.book(item)
        elif fate in {"yes", "no"}:
            self.say(item, "00" if fate == "yes" else "51")

    def take_advice(self, item):
        """Let the issuer take an advice as soon as it can be told."""
        self.world.partition.on_time(self.world.now)
        self.world.pump()
        self.world.acknowledge()
        self.receive_advices()
        self.world.answer_of_issuer(self.rrn(item), "00")
        item.is_owed = False

    def say(self, item, code):
        if code == "00":
            self.book(item)
        self.model.answered(item, code)
        authorization_id = f"A{self.model.items.index(item):05d}"
        self.world.answer_of_issuer(self.rrn(item), code, authorization_id=authorization_id)
        self.expect_told(item)

    def expect_told(self, item):
        is_told = id(item) in self.waits and not item.is_taken_back
        assert self.till.told(self.asked[id(item)]) == (item.code if is_told else "")
        self.waits.discard(id(item))

    @precondition(lambda self: self.items(states={"running"}))
    @rule(which=st.integers(0, 3), code=st.sampled_from(["00", "00", "51"]))
    def hear(self, which, code):
        running = self.items(states={"running"})
        item = running[which % len(running)]
        self.say(item, "00" if item.is_booked else code)

    @precondition(lambda self: self.items(states={"doubt"}))
    @rule(which=st.integers(0, 3))
    def hear_late(self, which):
        found = [one for one in self.items(states={"doubt"}) if one.is_booked and one.code == "98"]
        if found:
            item = found[which % len(found)]
            self.world.answer_of_issuer(self.rrn(item), "00")
            if item.kind == "refund":
                item.state, item.code = "yes", "00"

    @precondition(lambda self: self.model.items)
    @rule(which=st.integers(0, 4))
    def repeat(self, which):
        item = self.model.items[-1 - which % len(self.model.items)]
        again = self.till.repeat(self.asked[id(item)])
        assert self.till.told(again) == self.model.replay(item)

    @precondition(lambda self: self.model.items)
    @rule(which=st.integers(0, 4))
    def take_back(self, which):
        self.reverse(self.model.items[-1 - which % len(self.model.items)])

    @precondition(lambda self: self.items(VOIDS, {"running", "yes"}))
    @rule()
    def take_back_a_void(self):
        self.reverse(self.items(VOIDS, {"running", "yes"})[-1])

    def reverse(self, item):
        self.model.take_back(item)
        assert self.till.told(self.till.take_back(self.asked[id(item)])) == "00"
        if item.is_taken_back or item.is_given_up:
            self.waits.discard(id(item))

    @rule()
    def crash(self):
        self.world.restart()
        self.waits.clear()

    @rule()
    def wait(self):
        running = self.items(states={"running"})
        self.world.pass_ms(3_200)
        self.model.give_up_waiting()
        self.receive_advices()
        for item in running:
            self.expect_told(item)

    @rule()
    def settle(self):
        self.wait()
        self.model.settle()
        for _ in range(6):
            self.receive_advices()
            self.answer_all()
            self.world.pass_ms(6_200)
        assert self.world.partition.open_count == 0
        self.check_phases()
        assert sum(self.booked.values()) == self.model.money(), "money is lost or taken twice"

    @invariant()
    def check_phases(self):
        for item in self.model.items:
            phase = self.till.payment(self.asked[id(item)]).phase.value
            if item.state == "doubt" and item.kind == "offline":
                continue  # back at once if nobody was told yet
            assert phase in PHASES[item.state], f"{item.kind} is {phase}, not {item.state}"


def test_a_terminal_and_an_issuer_meet_what_the_model_says(world, till):
    class Case(Duel):
        @staticmethod
        def make_world():
            world.__init__()
            till._stan = 0
            return world, till

    machine = Case.TestCase
    machine.settings = settings(
        max_examples=100,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    machine("runTest").runTest()
