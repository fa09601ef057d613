"""
Terminals as docs/iso8583.md 5 has them: they wait, repeat, reverse, and owe what was not answered.

Own code from end to end (only the codec and the MAC are shared with the switch): a second opinion
on what a terminal may expect.
"""

from typing import TYPE_CHECKING

from tests.simulation.clock import Process
from tests.simulation.courses import Course, draw_course
from tests.simulation.memory import Belief, PaymentMemory, Told
from tests.simulation.network import Line
from tests.simulation.voice import SALE, Heard, Kind, Voice
from tests.simulation.world import TerminalSpec

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

ANSWER_WAIT_MS = 6_000
REVERSAL_COUNT_MAX = 3
RETRY_OWED_MS = 2_000
APPROVED_CODES = frozenset({"00", "10", "11", "A2", "A4", "A5", "A6"})
REVERSAL_DONE = {"00": Belief.REVERSED, "12": Belief.REVERSED, "25": Belief.REFUSED}
UNPROVEN_CODES = frozenset({"30", "97", "A0"})
NOT_SENT_CODE = "96"
NO_ANSWER, TERMINAL_FAULT, MAC_WRONG = "98", "96", "A0"


class Terminal(Process):
    """One POS with one cashier: one operation at a time, what it owes first."""

    def __init__(self, simulation: "Simulation", spec: TerminalSpec) -> None:
        super().__init__(simulation.scheduler, f"terminal-{spec.terminal_id}")
        self.simulation = simulation
        self.spec = spec
        self.voice = Voice(spec)
        self.payments: list[PaymentMemory] = []
        self.stan = int(simulation.random.random() * 1_000)
        self.line: Line | None = None
        self._current: PaymentMemory | None = None
        self._course: Course | None = None
        self._fields: dict = {}
        self._kind: Kind = SALE
        self._pan = ""
        self._is_reversing = False
        self._attempt_count = 0
        self._copy_count = 0
        self._reversal_stan = ""
        self._wait_serial = 0
        self._re_key: Course | None = None
        self._plan_next()

    @property
    def is_idle(self) -> bool:
        return self._current is None

    @property
    def owes(self) -> bool:
        return self._current is not None and bool(self._current.owed_reason)

    # -- the cashier

    def _plan_next(self) -> None:
        simulation = self.simulation
        options, chance = simulation.options, simulation.random.random
        delay = 0 if chance() < options.burst_rate else int(chance() * 2 * options.think_ms)
        simulation.scheduler.after(1 + delay, self, self._begin)

    def _begin(self) -> None:
        simulation = self.simulation
        if self._current is not None or not simulation.take_payment():
            return
        course, self._re_key = self._re_key, None
        if course is None:
            course = draw_course(simulation.options, simulation.random)
            cards = simulation.world.cards
            self._pan = cards[int(simulation.random.random() * len(cards))]
        self.start(SALE, course)

    def start(self, kind: Kind, course: Course) -> None:
        """Begin a payment under the next trace number."""
        simulation = self.simulation
        stan = self._take_stan()
        self._kind, self._course = kind, course
        self._fields = self.voice.make_fields(
            kind,
            stan=stan,
            amount_minor=course.amount_minor,
            pan=self._pan,
            wall_ms=simulation.wall_ms,
        )
        key = self.voice.key_of(self._fields, "payment")
        payment = PaymentMemory(key, kind.name, stan, course.amount_minor, self.scheduler.now)
        payment.course = course.mischief
        payment.fields = self._fields
        self._current = payment
        self.payments.append(payment)
        self._is_reversing = False
        self._copy_count = 0
        self._reversal_stan = ""
        self._pay()

    def _take_stan(self) -> str:
        self.stan = self.stan % 999_999 + 1
        return f"{self.stan:06d}"

    # -- sending

    def _pay(self) -> None:
        """Send the payment, for the first time or again."""
        payment, course = self._current, self._course
        mti = self._kind.mti
        if self._copy_count and course.marks_repeats:
            mti = mti[:3] + "1"
        self._copy_count += 1
        sent = self._send(mti, self._fields)
        if not sent and self._copy_count == 1:
            payment.belief = Belief.UNSENT
            self._rest()
            return
        self._wait()
        if self._copy_count == 1 and course.mischief:
            self._begin_mischief(course.mischief)

    def _send(
        self,
        mti: str,
        fields: dict,
        line: Line | None = None,
        payment: PaymentMemory | None = None,
    ) -> bool:
        """Send one message over the line that there is, or a new one; False if there is none."""
        simulation = self.simulation
        payment = payment or self._current
        line = line or self._find_line()
        if line is None:
            return False
        ticket = simulation.scheduler.take_ticket()
        amount = int(fields["amount_transaction"])
        payment.sent.append((ticket, simulation.scheduler.now, mti, amount))
        is_first = self._copy_count == 1 and not self._is_reversing
        spoils_mac = is_first and self._course.mischief == "wrong-mac"
        frame = self.voice.frame(mti, fields, spoils_mac=spoils_mac)
        chance, options = simulation.random.random, simulation.options
        if simulation.is_stormy:
            if chance() < options.frame_loss_rate:
                self._lose_line(line, frame)
                return True
            if chance() < options.black_line_rate:
                line.is_black = True
                simulation.note_fault("black-line", self.name)
                return True
        line.send_up(frame)
        return True

    def _lose_line(self, line: Line, frame: bytes) -> None:
        """Send into a connection that breaks: nobody knows how far the message came."""
        self.simulation.note_fault("frame-lost", self.name)
        if self.simulation.random.random() < 0.5:
            line.send_up(frame)
        line.close()
        if line is self.line:
            self.line = None

    def _find_line(self) -> Line | None:
        if self.line is None or not self.line.is_open:
            self.line = self.simulation.open_line(self)
        return self.line

    def _wait(self) -> None:
        self._wait_serial += 1
        self.scheduler.after(ANSWER_WAIT_MS, self, self._miss_answer, self._wait_serial)

    # -- hearing

    def hear(self, _line: Line, frame: bytes) -> None:
        heard = self.voice.read(frame)
        payment = self._find_payment(heard)
        if payment is None:
            return
        is_reversal = heard.mti[1] == "4"
        is_heeded = payment is self._current and self._is_reversing == is_reversal
        scheduler = self.scheduler
        payment.told.append(
            Told(
                scheduler.take_ticket(),
                scheduler.now,
                "reversal" if is_reversal else "payment",
                heard.amount_minor,
                heard.code,
                heard.rrn,
                heard.authorization_id,
                heard.amount_minor,
                is_heeded,
                heard.is_proven,
                heard.content,
            )
        )
        if is_heeded and is_reversal:
            self._take_reversal_answer(payment, heard)
        elif is_heeded and payment.belief is Belief.OPEN:
            self._take_answer(payment, heard)

    def _find_payment(self, heard: Heard) -> PaymentMemory | None:
        """Find what an answer is about; a terminal keeps its last few payments in mind."""
        is_reversal = heard.mti[1] == "4"
        for payment in reversed(self.payments[-4:]):
            if is_reversal and payment.reversal_key:
                if payment.reversal_key.rsplit("|", 2)[1] == heard.stan:
                    return payment
            elif not is_reversal and payment.stan == heard.stan:
                return payment
        return None

    def lose(self, line: Line) -> None:
        """The line is gone: no answer comes over it; no terminal waits for one."""
        if line is self.line:
            self.line = None
            if self._current is not None:
                self._wait_serial += 1
                self._miss_answer(self._wait_serial)

    def _take_answer(self, payment: PaymentMemory, heard: Heard) -> None:
        if not heard.is_proven and not (not heard.has_mac and heard.code in UNPROVEN_CODES):
            self._owe(MAC_WRONG)
            return
        if heard.code in APPROVED_CODES:
            if heard.amount_minor not in {0, payment.amount_minor} and heard.code != "10":
                self._owe("06")
                return
            if self._course.mischief == "take-back":
                self._owe(TERMINAL_FAULT)
                return
            payment.belief = Belief.APPROVED
            self._after_approval()
            return
        if (heard.code == NOT_SENT_CODE or not heard.has_mac) and len(payment.sent) > 1:
            self._owe(NO_ANSWER)  # true of this copy only
            return
        payment.belief = Belief.DECLINED
        if self._course.mischief == "re-key":
            self._re_key = self._course._replace(mischief="")
        self._rest()

    def _take_reversal_answer(self, payment: PaymentMemory, heard: Heard) -> None:
        belief = REVERSAL_DONE.get(heard.code)
        if belief is None or not heard.is_proven:
            self._give_up_for_now()
            return
        payment.belief = belief
        payment.owed_reason = ""
        if self._course.mischief == "re-key":
            self._re_key = self._course._replace(mischief="")
        self._rest()

    # -- silence

    def _miss_answer(self, serial: int) -> None:
        if serial != self._wait_serial or self._current is None:
            return
        if not self._is_reversing:
            if self._copy_count <= self._course.repeat_count:
                self._change_gateway()
                self._pay()
            else:
                self._owe(NO_ANSWER)
            return
        if self._attempt_count < REVERSAL_COUNT_MAX:
            self._change_gateway()
            self._send_reversal()
        else:
            self._give_up_for_now()

    def _change_gateway(self) -> None:
        """Whatever was wrong with the line: try another one, as often as not."""
        line = self.line
        if line is not None and (line.is_black or self.simulation.random.random() < 0.5):
            line.close(self)
            self.line = None

    def _owe(self, reason: str) -> None:
        """Store the reversal, then send it; until it is answered nothing new begins."""
        self._current.owed_reason = reason
        self._is_reversing = True
        self._attempt_count = 0
        if not self._reversal_stan:
            has_batch = self.voice.has_batch
            self._reversal_stan = self._current.stan if has_batch else self._take_stan()
        self._send_reversal()

    def _send_reversal(self, line: Line | None = None) -> None:
        self._attempt_count += 1
        fields = self._make_reversal()
        if not self._send("0400", fields, line):
            self._give_up_for_now()
            return
        self._wait()

    def _make_reversal(self) -> dict:
        payment = self._current
        fields = self.voice.make_reversal_fields(
            self._fields,
            self._kind.mti,
            payment.owed_reason or NO_ANSWER,
            self._reversal_stan,
            self.simulation.wall_ms,
        )
        payment.reversal_key = self.voice.key_of(fields, "reversal")
        return fields

    def _give_up_for_now(self) -> None:
        """The reversal stays owed: it is sent first, before anything else, a little later."""
        self._wait_serial += 1
        chance = self.simulation.random.random()
        self.scheduler.after(RETRY_OWED_MS + int(chance * 3_000), self, self._retry_owed)

    def _retry_owed(self) -> None:
        if self._current is not None and self._is_reversing:
            self._attempt_count = 0
            self._send_reversal()

    def _rest(self) -> None:
        self._current = None
        self._wait_serial += 1
        self._plan_next()

    # -- mischief

    def _begin_mischief(self, mischief: str) -> None:
        simulation = self.simulation
        chance = simulation.random.random
        if mischief == "reversal-first":
            other = simulation.open_line(self)
            if other is not None:
                simulation.note_fault("reversal-first", self.name)
                self._is_reversing = True
                self._current.owed_reason = NO_ANSWER
                self._attempt_count = 0
                has_batch = self.voice.has_batch
                self._reversal_stan = self._current.stan if has_batch else self._take_stan()
                self._send_reversal(other)
        elif mischief == "conflict-storm":
            other = simulation.open_line(self)
            if other is not None:
                simulation.note_fault("conflict-storm", self.name)
                self._send_altered(other)
        elif mischief == "impatient":
            self.scheduler.after(100 + int(chance() * 900), self, self._copy_again, self._current)
        elif mischief == "power-cut":
            delay = 10 + int(chance() * 1_500)
            self.scheduler.after(delay, self, self._lose_power, self._current)

    def _copy_again(self, payment: PaymentMemory) -> None:
        """Send another copy while the first is under way."""
        if payment is self._current and not self._is_reversing and self._copy_count < 10:
            self.simulation.note_fault("copies", self.name)
            self._copy_count += 1
            self._send(self._kind.mti, self._fields)
            self.scheduler.after(200, self, self._copy_again, payment)

    def _lose_power(self, payment: PaymentMemory) -> None:
        """Forget what it was waiting for; the reversal had been stored before the sending."""
        if payment is self._current and not self._is_reversing:
            self.simulation.note_fault("power-cut", self.name)
            if self.line is not None:
                self.line.close(self)
                self.line = None
            self._owe(NO_ANSWER)

    def _send_altered(self, line: Line | None) -> None:
        payment = self._current
        payment.altered_minor = payment.amount_minor + 1_000
        altered = {**self._fields, "amount_transaction": f"{payment.altered_minor:012d}"}
        self._send(self._kind.mti, altered, line)

    def _after_approval(self) -> None:
        """Do once more what was done already, in one wrong way or another; expect what it says."""
        mischief = self._course.mischief
        if mischief == "repeat":
            self._send(self._kind.mti, self._fields)
        elif mischief == "conflict":
            self._send_altered(None)
        elif mischief == "wrong-reversal":
            self._send_wrong_reversal()
        elif mischief == "old-repeat":
            self._send_old()
        self._rest()

    def _send_wrong_reversal(self) -> None:
        has_batch = self.voice.has_batch
        self._reversal_stan = self._current.stan if has_batch else self._take_stan()
        fields = self._make_reversal()
        fields["amount_transaction"] = f"{self._current.amount_minor + 1:012d}"
        self._send("0400", fields)

    def _send_old(self) -> None:
        old = self.payments[-2] if len(self.payments) > 1 else None
        if old is not None and any(told.rrn for told in old.told):
            self._send(self._kind.mti, old.fields, payment=old)

    def storm(self) -> None:
        """Send what is under way ten times more, as after a restart of the gateway."""
        if self._current is None:
            return
        for _ in range(10):
            if self._is_reversing:
                self._send("0400", self._make_reversal())
            else:
                self._send(self._kind.mti, self._fields)
