"""
A POS terminal (docs/iso8583.md 5): bytes and a cashier in, bytes and a receipt out, without I/O.

It stores the reversal that a payment may come to owe before it sends the payment, sends it when
there is no usable answer, and sends what it still owes before it begins anything new.
"""

import enum
from typing import Final

import msgspec

from switch.codec import CodecError
from switch.codec.framing import FrameError, Framer
from switch.domain.card import mask_pan
from switch.domain.clock import Now
from switch.terminal.actions import Finish, PosAction, SaveState, SendFrame
from switch.terminal.messages import (
    APPROVED_CODES,
    REVERSAL_MTI,
    UNPROVEN_CODES,
    AnswerRead,
    PosVoice,
    SaleOrder,
    is_answer_to,
)
from switch.terminal.outcome import Operation, OutcomeKind, PosOutcome
from switch.terminal.profile import PROFILES
from switch.terminal.state import PosState, SentPayment

NO_ANSWER: Final = "98"
TERMINAL_FAULT: Final = "96"
MAC_WRONG: Final = "A0"
OTHER_REASON: Final = "06"
REVERSAL_REASONS: Final = frozenset({NO_ANSWER, TERMINAL_FAULT, MAC_WRONG, OTHER_REASON})
# DE 39 that ends a reversal for the terminal: done, nothing to do, not found (docs/iso8583.md 5)
_REVERSAL_DONE_CODES: Final = frozenset({"00", "12"})
_REVERSAL_REFUSED_CODE: Final = "25"
_NOT_SENT_CODE: Final = "96"
_PARTIAL_CODE: Final = "10"
_SIGN_ON_REQUIREMENT: Final = 3


class PosLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a terminal waits, and how often it tries."""

    answer_wait_ms: int = 60_000
    reversal_attempt_count_max: int = 3  # tag 23 of the parameters: 1 to 3


class _Phase(enum.Enum):
    IDLE = "idle"
    CLEARING = "clearing"  # an earlier payment's reversal, before the new payment
    PAYING = "paying"
    REVERSING = "reversing"


class Pos:
    """One terminal and its one operation at a time."""

    def __init__(self, state: PosState, limits: PosLimits | None = None) -> None:
        """
        Start idle, with what was stored.

        Raises:
            KeyError: no such profile.
            ValueError: the MAC key does not fit the algorithm.
        """
        self.state = state
        self._limits = limits or PosLimits()
        self._voice = PosVoice(state)
        self._prefix = PROFILES[state.profile].prefix
        self._framer = Framer(self._prefix)
        self._phase = _Phase.IDLE
        self._operation = Operation.SALE
        self._order: SaleOrder | None = None  # begun once the owed reversal is done
        self._attempt_count = 0
        self._trouble = ""
        self._due_boot_ms: int | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return self._phase is _Phase.IDLE

    # -- the cashier

    def start_sale(self, order: SaleOrder, now: Now) -> list[PosAction]:
        """Begin a sale, after the reversal that an earlier payment may owe."""
        self._begin(Operation.SALE)
        self._order = order
        if self.state.owes_reversal:
            return self._reverse(_Phase.CLEARING, now)
        return self._pay(now)

    def start_repeat(self, now: Now, *, as_repeat: bool = False) -> list[PosAction]:
        """
        Send the last payment again: the same bytes, or marked as a repeat (0201).

        If its outcome is known already, a missing answer to the repeat changes nothing.

        Raises:
            ValueError: there is no last payment, or it was taken back.
        """
        last = self._get_last()
        self._begin(Operation.REPEAT)
        self._keep(msgspec.structs.replace(last, sent_count=last.sent_count + 1))
        return self._send_payment(now, as_repeat=as_repeat)

    def start_reversal(self, reason: str, now: Now) -> list[PosAction]:
        """
        Take the last payment back: `reason` is 98, 96, A0 or 06.

        Raises:
            ValueError: another reason, no last payment, or it was taken back before.
        """
        if reason not in REVERSAL_REASONS:
            raise ValueError(f"a reversal's reason is one of {', '.join(sorted(REVERSAL_REASONS))}")
        last = self._get_last()
        self._begin(Operation.REVERSAL)
        self._keep(msgspec.structs.replace(last, owed_reason=reason))
        return self._reverse(_Phase.REVERSING, now)

    def give_up(self, now: Now) -> list[PosAction]:
        """Stop listening, as a terminal that loses power; what is owed stays owed."""
        if self._phase is _Phase.IDLE:
            return []
        is_paying = self._phase is _Phase.PAYING
        return self._finish(OutcomeKind.UNANSWERED if is_paying else self._owed_kind(), now)

    # -- the connection

    def connection_made(self) -> None:
        """Hear that a new connection is there; what was half received is gone."""
        self._framer = Framer(self._prefix)

    def not_connected(self, now: Now) -> list[PosAction]:
        """Hear that no connection could be made: the last frame certainly never left."""
        if self._phase is _Phase.PAYING:
            is_first_copy = self._get_last().sent_count == 1
            actions = self._finish(OutcomeKind.NOT_SENT, now)
            if is_first_copy:
                self.state.last = None  # nobody ever saw it, so nothing is owed
            return [SaveState(), *actions]
        if self._phase is _Phase.IDLE:
            return []
        return self._finish(self._owed_kind(), now)

    def connection_lost(self, now: Now) -> list[PosAction]:
        """Hear that the connection broke: no answer will come over it."""
        return self._miss_answer("the connection broke before the answer", now)

    def data_received(self, received: bytes, now: Now) -> list[PosAction]:
        """Take bytes from the switch."""
        try:
            frames = self._framer.receive_data(received)
        except FrameError as error:
            frames = error.frames
        actions: list[PosAction] = []
        for frame in frames:
            if frame and self._phase is not _Phase.IDLE:
                actions += self._take_frame(frame, now)
        return actions

    # -- time

    def timer(self, now: Now) -> list[PosAction]:
        """Give up waiting for an answer when its time is over."""
        if self._due_boot_ms is None or now.boot_ms < self._due_boot_ms:
            return []
        return self._miss_answer(f"no answer within {self._limits.answer_wait_ms} ms", now)

    def wake_at(self) -> int | None:
        """Return the boot time (ms) at which `timer` has something to do."""
        return self._due_boot_ms

    # -- paying

    def _pay(self, now: Now) -> list[PosAction]:
        order = self._order
        assert order is not None
        self._order = None
        self._keep(self._voice.make_sale(order, self.state.take_stan(), now))
        return self._send_payment(now)

    def _send_payment(self, now: Now, *, as_repeat: bool = False) -> list[PosAction]:
        self._phase = _Phase.PAYING
        self._due_boot_ms = now.boot_ms + self._limits.answer_wait_ms
        frame = self._voice.frame_payment(self._get_last(), as_repeat=as_repeat)
        return [SaveState(), SendFrame(frame)]

    def _take_frame(self, frame: bytes, now: Now) -> list[PosAction]:
        try:
            answer = self._voice.read_answer(frame)
        except CodecError as error:
            if self._phase is not _Phase.PAYING:
                return []
            return self._take_back(OTHER_REASON, f"the answer cannot be read: {error}", now)
        payment = self._get_last()
        if self._phase is _Phase.PAYING:
            if is_answer_to(answer, payment.mti, payment.fields["stan"], self.state.terminal_id):
                return self._take_answer(answer, payment, now)
            return []
        stan = payment.reversal_stan or payment.fields["stan"]
        if is_answer_to(answer, REVERSAL_MTI, stan, self.state.terminal_id):
            return self._take_reversal_answer(answer, now)
        return []

    def _take_answer(self, answer: AnswerRead, payment: SentPayment, now: Now) -> list[PosAction]:
        code = answer.response_code
        is_refusal_without_key = not answer.has_mac and code in UNPROVEN_CODES
        if not answer.is_proven and not is_refusal_without_key:
            return self._take_back(MAC_WRONG, "the answer's MAC is wrong", now)
        if code in APPROVED_CODES:
            asked_minor = int(payment.fields["amount_transaction"])
            if code != _PARTIAL_CODE and answer.amount_minor not in {None, asked_minor}:
                return self._take_back(OTHER_REASON, "another amount was approved", now)
            return self._settle(payment, OutcomeKind.APPROVED, answer, now)
        if code == _NOT_SENT_CODE and payment.sent_count > 1:
            # "not sent" is true of this copy only; the one before it may have been debited
            return self._take_back(NO_ANSWER, "only the repeat was refused", now)
        return self._settle(payment, OutcomeKind.DECLINED, answer, now)

    def _settle(
        self, payment: SentPayment, kind: OutcomeKind, answer: AnswerRead, now: Now
    ) -> list[PosAction]:
        self._keep(msgspec.structs.replace(payment, owed_reason=""))
        return [SaveState(), *self._finish(kind, now, answer)]

    # -- taking back

    def _take_back(self, reason: str, trouble: str, now: Now) -> list[PosAction]:
        self._trouble = trouble
        payment = self._get_last()
        if not payment.owed_reason:
            return self._finish(OutcomeKind.UNANSWERED, now)
        self._keep(msgspec.structs.replace(payment, owed_reason=reason))
        return self._reverse(_Phase.REVERSING, now)

    def _reverse(self, phase: _Phase, now: Now) -> list[PosAction]:
        self._phase = phase
        self._attempt_count = 0
        payment = self._get_last()
        if not PROFILES[self.state.profile].has_batch and not payment.reversal_stan:
            stan = self.state.take_stan()
            self._keep(msgspec.structs.replace(payment, reversal_stan=stan))
        return [SaveState(), *self._send_reversal(now)]

    def _send_reversal(self, now: Now) -> list[PosAction]:
        self._attempt_count += 1
        self._due_boot_ms = now.boot_ms + self._limits.answer_wait_ms
        return [SendFrame(self._voice.frame_reversal(self._get_last(), now))]

    def _take_reversal_answer(self, answer: AnswerRead, now: Now) -> list[PosAction]:
        code = answer.response_code
        is_done = code in _REVERSAL_DONE_CODES or code == _REVERSAL_REFUSED_CODE
        if not (answer.is_proven and is_done):
            return self._finish(self._owed_kind(), now, answer)
        self._keep(msgspec.structs.replace(self._get_last(), owed_reason=""))
        if self._phase is _Phase.CLEARING:
            return self._pay(now)
        refused = code == _REVERSAL_REFUSED_CODE
        kind = OutcomeKind.REVERSAL_REFUSED if refused else OutcomeKind.REVERSED
        actions = self._finish(kind, now, answer)
        self.state.last = None
        return [SaveState(), *actions]

    def _miss_answer(self, trouble: str, now: Now) -> list[PosAction]:
        if self._phase is _Phase.IDLE:
            return []
        if self._phase is _Phase.PAYING:
            return self._take_back(NO_ANSWER, trouble, now)
        if self._attempt_count < self._limits.reversal_attempt_count_max:
            return self._send_reversal(now)
        return self._finish(self._owed_kind(), now)

    def _owed_kind(self) -> OutcomeKind:
        """Name the end of an operation whose reversal was not confirmed."""
        is_clearing = self._phase is _Phase.CLEARING
        return OutcomeKind.BLOCKED if is_clearing else OutcomeKind.REVERSAL_OWED

    # -- bookkeeping

    def _begin(self, operation: Operation) -> None:
        assert self._phase is _Phase.IDLE, "a terminal does one thing at a time"
        self._operation = operation
        self._order = None
        self._trouble = ""

    def _get_last(self) -> SentPayment:
        if self.state.last is None:
            raise ValueError("this terminal has no payment to repeat or to reverse")
        return self.state.last

    def _keep(self, payment: SentPayment) -> None:
        self.state.last = payment

    def _finish(
        self, kind: OutcomeKind, now: Now, answer: AnswerRead | None = None
    ) -> list[PosAction]:
        self._phase = _Phase.IDLE
        self._due_boot_ms = None
        return [Finish(self._describe(kind, now, answer))]

    def _describe(self, kind: OutcomeKind, now: Now, answer: AnswerRead | None) -> PosOutcome:
        state, last = self.state, self.state.last
        fields = last.fields if last is not None else {}
        order = self._order  # never begun, because an earlier reversal is owed
        amount_minor = order.amount_minor if order else int(fields.get("amount_transaction", "0"))
        pan = order.pan if order else fields.get("pan", "")
        partial = answer is not None and answer.response_code == _PARTIAL_CODE
        return PosOutcome(
            operation=self._operation,
            kind=kind,
            terminal_id=state.terminal_id,
            merchant_id=state.merchant_id,
            batch=state.batch if PROFILES[state.profile].has_batch else "",
            stan="" if order else fields.get("stan", ""),
            amount_minor=amount_minor,
            currency=order.currency if order else fields.get("currency", ""),
            masked_pan=mask_pan(pan) if pan else "",
            at=now.wall_ms,
            response_code=answer.response_code if answer else "",
            reason=answer.reason if answer else "",
            detail=answer.detail if answer else "",
            rrn=answer.rrn if answer else "",
            authorization_id=answer.authorization_id if answer else "",
            settlement_date=answer.settlement_date if answer else "",
            approved_minor=answer.amount_minor if answer and partial else None,
            is_proven=answer.is_proven if answer else True,
            trouble=self._trouble,
            owes_reversal=state.owes_reversal,
            must_sign_on=bool(answer and answer.processing_requirement == _SIGN_ON_REQUIREMENT),
        )
