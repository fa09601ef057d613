"""A terminal without I/O, as thin as a load tool needs it: begins a payment, hears, goes on."""

import enum
from typing import Final, NamedTuple

from loadtest.frames import (
    REVERSAL_NO_ANSWER,
    REVERSAL_OTHER,
    HeardAnswer,
    TerminalTemplates,
)
from loadtest.terminal_list import TerminalSpec
from loadtest.told import Told, ToldKind

REVERSAL_ATTEMPTS_MAX: Final = 3  # docs/iso8583.md 5: parameter tag 23, at most three
STAN_MAX: Final = 999_999
_AMOUNT_STEP: Final = 100  # keeps the last two digits, which are orders to the issuer simulator


class Course(enum.Enum):
    """What is to become of a payment."""

    PLAIN = "plain"
    REPEAT = "repeat"
    CONFLICT = "conflict"
    REVERSAL = "reversal"
    DECLINE = "decline"
    SILENT = "silent"
    # what only a versatile terminal does: `loadtest/errands.py`
    VOID = "void"
    REFUND = "refund"
    HOLD = "hold"
    ADVICE = "advice"
    INQUIRY = "inquiry"
    LOST = "lost"
    ODD = "odd"


# DE 4's last two digits and the answer that they call for
CENTS: Final = {Course.DECLINE: 51, Course.SILENT: 98}
_EXPECTED: Final = {Course.DECLINE: "51", Course.SILENT: "98"}
_ANSWER_MTI: Final = {"sale": "0210", "repeat": "0210", "conflict": "0210", "reversal": "0410"}


class Ended(NamedTuple):
    """One message is over: what it was, what it came to, and the frame that follows at once."""

    label: str  # the kind of latency: authorization, silent, repeat, conflict, reversal
    told: Told
    fault: str  # empty if everything is as it should be
    next_frame: bytes | None
    is_first: bool  # the message that a payment begins with


class LeanTerminal:
    """
    One terminal: one message outstanding, its own counter, nothing sent out of turn.

    `serial` changes with every message, so that a time-out can be told from an older one.
    """

    __slots__ = (
        "_amount_minor",
        "_attempt",
        "_course",
        "_first",
        "_frame",
        "_kind",
        "is_waiting",
        "serial",
        "spec",
        "stan",
        "templates",
    )

    def __init__(self, spec: TerminalSpec, templates: TerminalTemplates, first_stan: int) -> None:
        self.spec = spec
        self.stan = first_stan - 1
        self.serial = 0
        self.is_waiting = False
        self.templates = templates
        self._course = Course.PLAIN
        self._kind: ToldKind = "sale"
        self._amount_minor = 0
        self._attempt = 0
        self._frame = b""
        self._first: HeardAnswer | None = None

    def begin(self, course: Course, amount_minor: int) -> bytes:
        """Start a payment under the next trace number; returns its frame."""
        self.stan = self.stan % STAN_MAX + 1
        self._course, self._amount_minor = course, amount_minor
        self._first, self._attempt = None, 0
        self._frame = self.templates.sale.build(amount_minor, self.stan)
        return self._send("sale", self._frame)

    def expects(self, answer: HeardAnswer) -> bool:
        """Tell whether this is the answer to the message that is outstanding."""
        return (
            self.is_waiting
            and answer.mti == _ANSWER_MTI[self._kind]
            and int(answer.stan or 0) == self.stan
        )

    def hear(self, answer: HeardAnswer, at_ms: int, *, mac_valid: bool | None = None) -> Ended:
        """Take the answer to the outstanding message."""
        fault = self._judge(answer)
        if mac_valid is False:
            fault = f"{self._kind}: wrong MAC in the answer"
        return self._end(
            self._tell(at_ms, answer, mac_valid=mac_valid), fault, self._follow(answer)
        )

    def give_up(self, at_ms: int) -> Ended:
        """Take the end of waiting: a sale is reversed, a reversal sent again, the rest left."""
        told, fault, following = self._tell(at_ms), f"{self._kind}: no answer", None
        if self._kind == "sale" or (
            self._kind == "reversal" and self._attempt < REVERSAL_ATTEMPTS_MAX
        ):
            following = self._reverse(REVERSAL_NO_ANSWER)
        return self._end(told, fault, following)

    @property
    def label(self) -> str:
        """Name the kind of latency of the outstanding message."""
        if self._kind != "sale":
            return self._kind
        return "silent" if self._course is Course.SILENT else "authorization"

    def _send(self, kind: ToldKind, frame: bytes) -> bytes:
        self._kind = kind
        self.serial += 1
        self.is_waiting = True
        return frame

    def _end(self, told: Told, fault: str, following: tuple[ToldKind, bytes] | None) -> Ended:
        label, is_first = self.label, self._kind == "sale"
        self.is_waiting = False
        frame = self._send(*following) if following else None
        return Ended(label, told, fault, frame, is_first)

    def _judge(self, answer: HeardAnswer) -> str:
        if self._kind == "repeat":
            first = self._first
            same = first is not None and first[2:5] == answer[2:5]
            return "" if same else f"repeat: answered {answer.response_code}, not as the first"
        expected = "00"
        if self._kind == "conflict":
            expected = "94"
        elif self._kind == "sale":
            expected = _EXPECTED.get(self._course, "00")
        if answer.response_code == expected:
            return ""
        reason = answer.private_63[3:].partition(":")[0].strip()
        return f"{self._kind}: answered {answer.response_code} {reason}, not {expected}"

    def _follow(self, answer: HeardAnswer) -> tuple[ToldKind, bytes] | None:
        if self._kind != "sale":
            return None
        self._first = answer
        match self._course:
            case Course.REPEAT:
                return "repeat", self._frame
            case Course.CONFLICT:
                other = self._amount_minor + _AMOUNT_STEP
                return "conflict", self.templates.sale.build(other, self.stan)
            case Course.REVERSAL:
                return self._reverse(REVERSAL_OTHER)
            case _:
                return None

    def _reverse(self, reason: str) -> tuple[ToldKind, bytes]:
        self._attempt += 1
        return "reversal", self.templates.reversal[reason].build(self._amount_minor, self.stan)

    def _tell(
        self, at_ms: int, answer: HeardAnswer | None = None, *, mac_valid: bool | None = None
    ) -> Told:
        spec = self.spec
        changed = _AMOUNT_STEP if self._kind == "conflict" else 0
        return Told(
            kind=self._kind,
            acquirer=spec.acquirer,
            merchant_id=spec.merchant_id,
            terminal_id=spec.terminal_id,
            batch=spec.batch,
            stan=f"{self.stan:06d}",
            amount_minor=self._amount_minor + changed,
            at=at_ms,
            response_code=answer.response_code if answer else "",
            rrn=answer.rrn if answer else "",
            authorization_id=answer.authorization_id if answer else "",
            mac_valid=mac_valid,
        )
