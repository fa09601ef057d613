"""An issuer: the demo issuer's book with its ledger, behind lines on which it misbehaves."""

import zlib
from typing import TYPE_CHECKING, NamedTuple

from switch.codec import Message, load_dialect
from switch.codec.framing import frame_bytes
from switch.demo.issuer_book import IssuerBook, LedgerLine, Timing
from tests.simulation.checkers.trails import is_approved
from tests.simulation.clock import Process
from tests.simulation.network import Line
from tests.simulation.world import ASCII

if TYPE_CHECKING:
    from tests.simulation.handlers import SimHandler
    from tests.simulation.links import LinkEnd
    from tests.simulation.simulation import Simulation

LENGTH_BYTES = 2
LATE_MS = 4_000  # after the switch has given up
OVERTAKEN_MAX_MS = 3_000  # a no to a reversal that found nothing may be told after the debit's yes
NONSENSE_CODE = "ZZ"
PATIENCE_CODES = frozenset({"91", "96"})
REFUSED_CODE = "61"
REFUSALS = frozenset({"25", "51", "55", "61"})  # a no that is final
UNKNOWN_OUTCOME_CODE = "68"


class Booked(NamedTuple):
    """One ledger line and when it was written; the ticket orders it among all witnesses."""

    ticket: int
    at_ms: int
    issuer: int
    line: LedgerLine


class SimIssuer(Process):
    """One issuer; it never forgets what it booked."""

    def __init__(self, simulation: "Simulation", number: int) -> None:
        super().__init__(simulation.scheduler, f"issuer-{number}")
        self.simulation = simulation
        self.number = number
        self.is_listening = True
        self.is_silent = False
        self.slow_ms = 0
        self._book = IssuerBook()
        self._dialect = load_dialect(ASCII)
        self._lines: list[Line] = []
        self._poisoned: dict[str, None] = {}

    def accept(self, handler: "SimHandler", end: "LinkEnd") -> Line:
        simulation = self.simulation
        line = Line(
            simulation.scheduler,
            simulation.random,
            simulation.next_line_number(),
            handler,
            self,
            hear_below=end.hear,
            hear_above=self._hear,
            lose_below=end.lose,
            lose_above=self._lose,
            delay_max_ms=simulation.options.link_delay_max_ms,
        )
        self._lines.append(line)
        return line

    def cut_lines(self) -> None:
        for line in self._lines:
            line.close()
        self._lines.clear()

    def cut_one_line(self, pick) -> None:
        if self._lines:
            self._lines.pop(int(pick() * len(self._lines))).close()

    def _lose(self, line: Line) -> None:
        if line in self._lines:
            self._lines.remove(line)

    # -- messages

    def _hear(self, line: Line, frame: bytes) -> None:
        """Book what comes, also over a line that is gone; then answer, more or less."""
        simulation = self.simulation
        message = self._dialect.decode(frame[LENGTH_BYTES:])
        verdict = self._book.receive(message, simulation.wall_ms)
        if message.mti[1] != "8":
            simulation.witness.booked(self.number, verdict.line)
        if self.is_silent:
            return
        for answer in verdict.answers:
            late_ms = LATE_MS if answer.timing is Timing.LATE else 0
            if message.mti[1] == "8":
                self._say(line, answer.message, self.slow_ms)
            elif verdict.line.outcome == "unknown" and simulation.is_stormy:
                overtaken_ms = zlib.crc32(verdict.line.rrn.encode()) % OVERTAKEN_MAX_MS
                answered = (line, message, answer.message, self.slow_ms)
                simulation.scheduler.after(overtaken_ms, self, self._answer, *answered)
            else:
                self._answer(line, message, answer.message, late_ms + self.slow_ms)

    def _say(self, line: Line, message: Message, delay_ms: int) -> None:
        line.send_down(frame_bytes("binary-2", self._dialect.encode(message)), delay_ms)

    def _answer(self, line: Line, asked: Message, answer: Message, delay_ms: int) -> None:
        simulation = self.simulation
        random, options = simulation.random, simulation.options
        if asked.mti[1] == "4" and self._is_poisoned(str(asked.fields["rrn"])):
            self._say(line, _with_code(answer, NONSENSE_CODE), delay_ms)
            return
        if not simulation.is_stormy and asked.mti[2] == "2" and _asks_for_patience(answer):
            answer = _with_code(answer, REFUSED_CODE)  # the book would do so for ever
        if simulation.is_stormy and random.random() < options.issuer_lie_rate:
            self._lie(line, answer, delay_ms)
            return
        self._say(line, answer, delay_ms)

    def _is_poisoned(self, rrn: str) -> bool:
        simulation = self.simulation
        if rrn in self._poisoned:
            return True
        rate = simulation.options.poison_rate
        if simulation.is_stormy and rate and simulation.random.random() < rate:
            self._poisoned[rrn] = None
            simulation.note_fault("poisoned-reversal", rrn)
            return True
        return False

    def _lie(self, line: Line, answer: Message, delay_ms: int) -> None:
        """Say what a switch must not believe, or say it twice; the truth is in the ledger."""
        random = self.simulation.random.random
        lie = LIES[int(random() * len(LIES))]
        self.simulation.note_fault("issuer-lies", lie)
        fields, later_ms = answer.fields, delay_ms + int(random() * 9_000)
        if lie == "silence":
            return
        if lie == "late":
            self.simulation.scheduler.after(later_ms, self, self._say, line, answer, 0)
            return
        if lie == "garbage":
            wire = self._dialect.encode(answer)
            line.send_down(frame_bytes("binary-2", wire[: -1 - int(random() * 8)]), delay_ms)
            return
        if lie == "noise":
            line.send_down(frame_bytes("binary-2", b"\xff" * 40), delay_ms)
            return
        if lie == "other-amount":
            altered = {"amount_transaction": "000000000007", "currency": "156"}
            self._say(line, Message(answer.mti, {**fields, **altered}), delay_ms)
            return
        if lie == "unknown-code":
            self._say(line, _with_code(answer, UNKNOWN_OUTCOME_CODE), delay_ms)
            return
        if lie == "partial":
            part = {"amount_transaction": "000000000001", "currency": "156"}
            self._say(line, _with_code(Message(answer.mti, {**fields, **part}), "10"), delay_ms)
            return
        if lie == "other-match":
            name = MATCH_FIELDS[int(random() * len(MATCH_FIELDS))]
            wrong = str(fields[name])[:-1] + ("1" if str(fields[name])[-1] != "1" else "2")
            self._say(line, Message(answer.mti, {**fields, name: wrong}), delay_ms)
            return
        self._say(line, answer, delay_ms)
        again = self._contradict if lie == "contradiction" else self._repeat
        self.simulation.scheduler.after(later_ms, self, again, line, answer)

    def _repeat(self, line: Line, answer: Message) -> None:
        self._say(line, answer, 0)

    def _contradict(self, line: Line, answer: Message) -> None:
        """
        Say the opposite of what was said.

        A no after a yes only once the yes is on record: of an issuer whose yes got lost nobody
        could ever know that it had debited.
        """
        rrn = str(answer.fields["rrn"])
        if answer.fields["response_code"] in REFUSALS:
            self._say(line, _with_code(answer, "00"), 0)
        elif is_approved(self.simulation.log, rrn):
            self._say(line, _with_code(answer, "51"), 0)


LIES = (
    "silence",
    "late",
    "garbage",
    "noise",
    "other-amount",
    "partial",
    "unknown-code",
    "other-match",
    "twice",
    "contradiction",
)
MATCH_FIELDS = ("stan", "rrn", "terminal_id")


def _asks_for_patience(answer: Message) -> bool:
    return answer.fields.get("response_code") in PATIENCE_CODES


def _with_code(answer: Message, code: str) -> Message:
    return Message(answer.mti, {**answer.fields, "response_code": code})
