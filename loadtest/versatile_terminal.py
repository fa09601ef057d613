"""A terminal that runs errands besides plain payments: voids, refunds, holds, reports, losses."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Final, cast

import msgspec

from loadtest.errands import APPROVED, ERRANDS, Answered, Ask, Errand
from loadtest.frames import HeardAnswer, TerminalTemplates
from loadtest.lean_terminal import REVERSAL_ATTEMPTS_MAX, STAN_MAX, Course, Ended, LeanTerminal
from loadtest.terminal_list import TerminalSpec
from loadtest.told import Told, ToldKind
from switch.codec.mti import response_mti
from switch.domain.clock import Now
from switch.terminal.messages import PosVoice
from switch.terminal.orders import Original, PaymentOrder
from switch.terminal.requests import REVERSAL_MTI, local_date
from switch.terminal.state import PosState, SentPayment

_PROFILE: Final = "unionpay-pos"


def read_now() -> Now:
    """Read the clocks; messages of this profile carry no time, but quote a date."""
    return Now(time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000)


class VersatileTerminal(LeanTerminal):
    """
    A lean terminal that also runs errands (`loadtest/errands.py`).

    Plain payments take the lean way; the messages of errands are put together by the very code of
    `switch pos`, which knows how a message is to be quoted, taken back or sent again.
    """

    __slots__ = ("_answer_mti", "_ask", "_errand", "_is_first", "_sent", "_turns", "_voice")

    def __init__(
        self,
        spec: TerminalSpec,
        templates: TerminalTemplates,
        first_stan: int,
        turns: Counter[Course],
    ) -> None:
        """Begin idle; terminals that share `turns` run the errands of each course in turn."""
        super().__init__(spec, templates, first_stan)
        has_mac = spec.mac_algorithm != "none"
        state = PosState(
            profile=_PROFILE,
            terminal_id=spec.terminal_id,
            merchant_id=spec.merchant_id,
            batch=spec.batch,
            mac_algorithm=spec.mac_algorithm if has_mac else "unionpay-ecb",
            mak=bytes.fromhex(spec.mak) if has_mac else b"",
        )
        self._voice = PosVoice(state)
        self._turns = turns
        self._errand: Errand | None = None
        self._ask: Ask | None = None
        self._sent: SentPayment | None = None
        self._answer_mti = ""
        self._is_first = False

    def begin(self, course: Course, amount_minor: int) -> bytes:
        """Start a payment, or an errand, under the next trace number; returns its frame."""
        kinds = ERRANDS.get(course)
        if kinds is None:
            self._errand = None
            return super().begin(course, amount_minor)
        self._errand = kinds[self._turns[course] % len(kinds)](amount_minor)
        self._turns[course] += 1
        self._is_first = True
        return self._send(*self._start(next(self._errand)))

    def expects(self, answer: HeardAnswer) -> bool:
        """Tell whether this is the answer to the message that is outstanding."""
        if self._errand is None:
            return super().expects(answer)
        is_it = answer.mti == self._answer_mti and int(answer.stan or 0) == self.stan
        return self.is_waiting and is_it

    def hear(self, answer: HeardAnswer, at_ms: int, *, mac_valid: bool | None = None) -> Ended:
        """Take the answer to the outstanding message."""
        if self._errand is None:
            return super().hear(answer, at_ms, mac_valid=mac_valid)
        ask = self._ask
        assert ask is not None
        is_asking = self._kind not in {"reversal", "repeat"}
        if ask.is_lost and is_asking:
            return self._end_message(self._tell(at_ms), "", self._owe)
        expected = APPROVED if self._kind == "reversal" else ask.expects
        fault = "" if answer.response_code == expected else self._blame(answer, expected)
        if mac_valid is False:
            fault = f"{self._kind}: wrong MAC in the answer"
        told = self._tell(at_ms, answer, mac_valid=mac_valid)
        if fault:
            return self._end_message(told, fault)
        heard = None
        if self._kind != "reversal":
            stan = f"{self.stan:06d}"
            heard = Answered(ask.operation, stan, answer.rrn, answer.authorization_id)
        return self._end_message(told, "", lambda: self._go_on(heard))

    def give_up(self, at_ms: int) -> Ended:
        """Take the end of waiting: what is owed is sent, so often; then the errand is over."""
        if self._errand is None:
            return super().give_up(at_ms)
        told, fault = self._tell(at_ms), f"{self._kind}: no answer"
        is_over = self._attempt >= REVERSAL_ATTEMPTS_MAX
        return self._end_message(told, fault, None if is_over else self._owe)

    @property
    def label(self) -> str:
        """Name the kind of latency of the outstanding message."""
        if self._errand is None or self._ask is None or self._kind in {"reversal", "repeat"}:
            return super().label
        return self._ask.label

    def _blame(self, answer: HeardAnswer, expected: str) -> str:
        reason = answer.private_63[3:].partition(":")[0].strip()
        return f"{self._kind}: answered {answer.response_code} {reason}, not {expected}"

    def _end_message(
        self,
        told: Told,
        fault: str,
        follow: Callable[[], tuple[ToldKind, bytes] | None] | None = None,
    ) -> Ended:
        label, is_first = self.label, self._is_first
        self._is_first = self.is_waiting = False
        following = follow() if follow is not None else None
        frame = self._send(*following) if following is not None else None
        return Ended(label, told, fault, frame, is_first)

    def _go_on(self, heard: Answered | None) -> tuple[ToldKind, bytes] | None:
        assert self._errand is not None
        try:
            return self._start(self._errand.send(heard))
        except StopIteration:
            return None

    def _start(self, ask: Ask) -> tuple[ToldKind, bytes]:
        """Put the next message of the errand together."""
        self.stan = self.stan % STAN_MAX + 1
        self._ask, self._amount_minor, self._attempt = ask, ask.amount_minor, 0
        now, spec, original = read_now(), self.spec, ask.original
        order = PaymentOrder(
            operation=ask.operation,
            pan=spec.pan,
            amount_minor=ask.amount_minor,
            expiration_date=spec.expiration_date,
            original=None
            if original is None
            else Original(
                operation=original.operation,
                rrn=original.rrn,
                batch=spec.batch,
                stan=original.stan,
                date=local_date(now),
                authorization_id=original.authorization_id,
            ),
        )
        self._sent = self._voice.writer.make_payment(order, f"{self.stan:06d}", now)
        self._answer_mti = response_mti(self._sent.mti)
        return cast("ToldKind", ask.operation.value), self._voice.frame_payment(self._sent)

    def _owe(self) -> tuple[ToldKind, bytes] | None:
        """Take back, or send again, what nobody has answered; an inquiry owes nothing."""
        ask, sent = self._ask, self._sent
        assert ask is not None
        assert sent is not None
        self._attempt += 1
        if ask.is_reversed:
            self._answer_mti = response_mti(REVERSAL_MTI)
            return "reversal", self._voice.frame_reversal(sent, read_now())
        if ask.is_resent:
            self._sent = msgspec.structs.replace(sent, sent_count=sent.sent_count + 1)
            return "repeat", self._voice.frame_payment(sent, as_repeat=True)
        return None
