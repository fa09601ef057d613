"""
Terminals as docs/iso8583.md 5 has them: they wait, repeat, reverse, and owe what was not answered.

Own code from end to end (only the codec and the MAC are shared with the switch): a second opinion
on what a terminal may expect. What a terminal does wrong on purpose is in `mischief`, what it has
to settle with the switch about itself in `errands`.
"""

from typing import TYPE_CHECKING

from tests.simulation import errands, mischief
from tests.simulation.clock import Process
from tests.simulation.courses import Course, draw_course
from tests.simulation.kinds import SALE, Quotes, Silence
from tests.simulation.memory import Belief, PaymentMemory, Told
from tests.simulation.network import Line
from tests.simulation.oddities import ODDITIES
from tests.simulation.voice import Heard, Voice
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
SIGN_ON_CODES = frozenset({"77", "99", "A0"})
NOBODYS = frozenset({"terminal-unknown", "without-key"})  # terminals that can prove nothing
NO_ANSWER, TERMINAL_FAULT, MAC_WRONG, OTHER_REASON = "98", "96", "A0", "06"


class Terminal(Process):
    """One POS with one cashier: one operation at a time, what it owes first."""

    def __init__(self, simulation: "Simulation", spec: TerminalSpec) -> None:
        super().__init__(simulation.scheduler, f"terminal-{spec.terminal_id}")
        self.simulation = simulation
        self.spec = spec
        self.voice = Voice(spec)
        self.payments: list[PaymentMemory] = []
        self.shop = simulation.shops.setdefault((spec.acquirer, spec.merchant_id), [])
        self.stan = int(simulation.random.random() * 1_000)
        self.line: Line | None = None
        self.current: PaymentMemory | None = None
        self.course = Course(SALE, 0)
        self.copy_count = 0
        self.is_reversing = False
        self.reversal_stan = ""
        self.re_key: Course | None = None
        self.till = errands.Till(self)
        self._attempt_count = 0
        self._wait_serial = 0

    @property
    def is_idle(self) -> bool:
        return self.current is None and self.till.errand is None

    # -- the cashier

    def open_shop(self) -> None:
        """Begin to take payments."""
        self._plan_next()

    def _plan_next(self) -> None:
        simulation = self.simulation
        options, chance = simulation.options, simulation.random.random
        delay = 0 if chance() < options.burst_rate else int(chance() * 2 * options.think_ms)
        simulation.scheduler.after(1 + delay, self, self._begin)

    def _begin(self) -> None:
        simulation = self.simulation
        if not self.is_idle:
            return
        if self.till.has_business():
            self.till.begin()
            return
        if not simulation.take_payment():
            return
        course, self.re_key = self.re_key, None
        if course is None:
            course = draw_course(simulation.options, simulation.random, self.payments, self.shop)
        self._start(course)

    def _start(self, course: Course) -> None:
        """Begin a payment under the next trace number."""
        simulation = self.simulation
        kind, original = course.kind, course.original
        if kind.needs_code and not self.voice.has_batch:
            kind, original = SALE, None
            course = course._replace(kind=kind, original=None)
        cards, chance = simulation.world.cards, simulation.random.random
        pan = course.pan or cards[int(chance() * len(cards))]
        if original is not None and chance() < 0.95:
            pan = original.pan
        fields = self.voice.make_fields(
            kind,
            stan=self.take_stan(),
            amount_minor=course.amount_minor,
            pan=pan,
            wall_ms=simulation.wall_ms,
        )
        if original is not None and kind.quotes is not Quotes.NOTHING:
            self.voice.quote(fields, kind, original)
        if self.spec.oddity:
            fields.update(ODDITIES[self.spec.oddity].fields)
        payment = PaymentMemory(
            kind,
            self.voice.key_of(fields, "payment"),
            fields,
            amount_minor=int(fields.get("amount_transaction") or 0),
            batch=self.voice.batch if self.voice.has_batch else "",
            began_ms=self.scheduler.now,
        )
        payment.course = course.mischief
        payment.original = original
        if original is not None:
            original.touches.append(payment)
        self.current, self.course = payment, course
        self.payments.append(payment)
        self.shop.append(payment)
        self.is_reversing = False
        self.copy_count = 0
        self.reversal_stan = ""
        self._pay()

    def take_stan(self) -> str:
        self.stan = self.stan % 999_999 + 1
        return f"{self.stan:06d}"

    # -- sending

    def _pay(self) -> None:
        """Send the payment, for the first time or again."""
        payment = self.current
        is_sent = self.send_copy()
        if not is_sent and not payment.sent:
            payment.belief = Belief.UNSENT
            self.rest()
            return
        self._wait()
        if self.copy_count == 1 and payment.course:
            mischief.begin(self, payment.course)

    def send_copy(self) -> bool:
        """Send the payment's message, marked as a repeat or not."""
        payment, mti = self.current, self.current.kind.mti
        if self.copy_count and self.course.marks_repeats:
            mti = mti[:3] + "1"
        self.copy_count += 1
        return self.send(mti, payment.fields, payment)

    def send(
        self, mti: str, fields: dict, payment: PaymentMemory, line: Line | None = None
    ) -> bool:
        """Send one message over the line that there is, or a new one; False if there is none."""
        line = line or self.find_line()
        if line is None:
            return False
        scheduler = self.scheduler
        amount = int(fields.get("amount_transaction") or 0)
        payment.sent.append((scheduler.take_ticket(), scheduler.now, mti, amount))
        is_first = self.copy_count == 1 and mti[1] != "4"
        spoils_mac = is_first and payment.course == "wrong-mac"
        self.write(line, self.voice.frame(mti, fields, spoils_mac=spoils_mac))
        return True

    def write(self, line: Line, frame: bytes) -> None:
        """Give bytes to a line that may break, or be dead already."""
        simulation = self.simulation
        chance, options = simulation.random.random, simulation.options
        if simulation.is_stormy:
            if chance() < options.frame_loss_rate:
                self._lose_line(line, frame)
                return
            if chance() < options.black_line_rate:
                line.is_black = True
                simulation.note_fault("black-line", self.name)
                return
        line.send_up(frame)

    def _lose_line(self, line: Line, frame: bytes) -> None:
        """Send into a connection that breaks: nobody knows how far the message came."""
        self.simulation.note_fault("frame-lost", self.name)
        if self.simulation.random.random() < 0.5:
            line.send_up(frame)
        line.close()
        if line is self.line:
            self.line = None

    def find_line(self) -> Line | None:
        if self.line is None or not self.line.is_open:
            self.line = self.simulation.open_line(self)
        return self.line

    def _wait(self) -> None:
        self._wait_serial += 1
        self.scheduler.after(ANSWER_WAIT_MS, self, self._miss_answer, self._wait_serial)

    # -- hearing

    def hear(self, _line: Line, frame: bytes) -> None:
        heard = self.voice.read(frame)
        if heard.mti[1] not in "124":
            self.till.hear(heard)
            return
        payment = self._find_payment(heard)
        if payment is None:
            return
        is_reversal = heard.mti[1] == "4"
        is_heeded = payment is self.current and self.is_reversing == is_reversal
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
                is_heeded,
                heard.is_proven,
                heard.content,
            )
        )
        if is_heeded and is_reversal:
            self._take_reversal_answer(payment, heard)
        elif is_heeded and payment.belief is Belief.OPEN:
            self._take_answer(payment, heard)
        elif is_reversal and payment.belief is Belief.DOUBTED:
            payment.belief = REVERSAL_DONE.get(heard.code, Belief.DOUBTED)

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
            if self.current is not None:
                self._wait_serial += 1
                self._miss_answer(self._wait_serial)

    def _take_answer(self, payment: PaymentMemory, heard: Heard) -> None:
        if not heard.is_proven and not (not heard.has_mac and heard.code in UNPROVEN_CODES):
            self._doubt(MAC_WRONG)
        elif heard.code in APPROVED_CODES:
            self._take_approval(payment, heard)
        elif self.spec.oddity not in NOBODYS and self._is_of_this_copy_only(payment, heard):
            self._doubt(NO_ANSWER)
        else:
            is_refund = payment.kind.name == "refund"
            is_awaited = is_refund and heard.code == NO_ANSWER
            payment.belief = Belief.AWAITED if is_awaited else Belief.DECLINED
            payment.rrn = heard.rrn
            if heard.code in SIGN_ON_CODES:
                self.till.be_refused()
            else:
                self.till.refused_count = 0
            self._key_again()
            self.rest()

    def _is_of_this_copy_only(self, payment: PaymentMemory, heard: Heard) -> bool:
        """
        Say whether another copy may have come further than the one that was refused.

        What only a gateway has seen has no reference; an advice must be told in any case.
        """
        if payment.kind.silence is Silence.RESEND and (heard.rrn or heard.is_proven):
            return heard.code == NOT_SENT_CODE and not heard.rrn
        is_doubtful = heard.code == NOT_SENT_CODE or not heard.is_proven
        return is_doubtful and len(payment.sent) > 1

    def _take_approval(self, payment: PaymentMemory, heard: Heard) -> None:
        if heard.amount_minor not in {0, payment.amount_minor} and heard.code != "10":
            self._doubt(OTHER_REASON)
            return
        if payment.course == "take-back":
            self._doubt(TERMINAL_FAULT)
            return
        payment.belief = Belief.APPROVED
        payment.rrn, payment.authorization_id = heard.rrn, heard.authorization_id
        payment.date = heard.fields.get("local_date", "")
        mischief.after_approval(self, payment)
        self.rest()

    def _take_reversal_answer(self, payment: PaymentMemory, heard: Heard) -> None:
        belief = REVERSAL_DONE.get(heard.code)
        if heard.code in UNPROVEN_CODES and self.spec.oddity in NOBODYS:
            belief = Belief.DECLINED  # nothing of this terminal was ever taken
        elif belief is None or not heard.is_proven:
            belief = None
        if belief is None:
            self.retry_later()
            return
        payment.belief = belief
        payment.owed_reason = ""
        self._key_again()
        self.rest()

    def _key_again(self) -> None:
        """Let an impatient cashier key the same payment in once more."""
        if self.course.mischief == "re-key":
            self.re_key = self.course._replace(mischief="", pan=self.current.pan)

    # -- silence

    def _miss_answer(self, serial: int) -> None:
        if serial != self._wait_serial or self.current is None:
            return
        if self.is_reversing:
            if self._attempt_count < REVERSAL_COUNT_MAX:
                self.change_gateway()
                self.send_reversal()
            else:
                self.retry_later()
        elif self.copy_count % 4 <= self.course.repeat_count:
            self.change_gateway()
            self._pay()
        else:
            self._doubt(NO_ANSWER)

    def _doubt(self, reason: str) -> None:
        """Give up on an answer: take the payment back, tell it again later, or leave it."""
        payment = self.current
        if payment.kind.silence is Silence.REVERSE:
            self.owe(reason)
        elif payment.kind.silence is Silence.RESEND:
            self.retry_later()
        else:
            payment.belief = Belief.ENDED
            self.rest()

    def change_gateway(self) -> None:
        """Whatever was wrong with the line: try another one, as often as not."""
        line = self.line
        if line is not None and (line.is_black or self.simulation.random.random() < 0.5):
            line.close(self)
            self.line = None

    def owe(self, reason: str) -> None:
        """Store the reversal, then send it; until it is answered nothing new begins."""
        self.begin_reversal(reason)
        self.send_reversal()

    def begin_reversal(self, reason: str) -> None:
        self.current.owed_reason = reason
        self.is_reversing = True
        self._attempt_count = 0
        if not self.reversal_stan:
            self.reversal_stan = self.current.stan if self.voice.has_batch else self.take_stan()

    def send_reversal(self, line: Line | None = None) -> None:
        self._attempt_count += 1
        if self.send("0400", self.make_reversal(), self.current, line):
            self._wait()
        else:
            self.retry_later()

    def make_reversal(self) -> dict:
        payment = self.current
        fields = self.voice.make_reversal_fields(
            payment, payment.owed_reason or NO_ANSWER, self.reversal_stan, self.simulation.wall_ms
        )
        payment.reversal_key = self.voice.key_of(fields, "reversal")
        return fields

    def retry_later(self) -> None:
        """What is owed stays owed: it is sent first, before anything else, a little later."""
        self._wait_serial += 1
        chance = self.simulation.random.random()
        self.scheduler.after(
            RETRY_OWED_MS + int(chance * 3_000), self, self._retry_owed, self._wait_serial
        )

    def _retry_owed(self, serial: int) -> None:
        if self.current is None or serial != self._wait_serial:
            return
        if self.is_reversing:
            self._attempt_count = 0
            self.send_reversal()
        else:
            self._pay()

    def rest(self) -> None:
        self.current = None
        self._wait_serial += 1
        self._plan_next()
