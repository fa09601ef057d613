"""
A POS terminal (docs/iso8583.md 5): bytes and a cashier in, bytes and a receipt out, without I/O.

It stores what a payment may come to owe before it sends the payment: a reversal, or for a refund or
an advice the same message again. It sends that when there is no usable answer, and sends what it
still owes before it begins anything new.
"""

import enum
from typing import Final

import msgspec

from switch.codec import CodecError
from switch.codec.framing import FrameError, Framer
from switch.domain.clock import Now
from switch.domain.transactions import Side
from switch.terminal.actions import Finish, PosAction, SaveState, SendFrame
from switch.terminal.batch import is_full
from switch.terminal.ending import PARTIAL_CODE, End, describe_earlier, describe_end, read_approval
from switch.terminal.management import Management
from switch.terminal.messages import (
    APPROVED_CODES,
    UNPROVEN_CODES,
    AnswerRead,
    PosVoice,
    is_answer_to,
    is_decided,
)
from switch.terminal.operations import ADVICES, CLEARS_FIRST, PAYMENT_ROWS, Operation
from switch.terminal.orders import PaymentOrder, SaleOrder
from switch.terminal.outcome import Earlier, OutcomeKind, Settlement
from switch.terminal.profile import PROFILES
from switch.terminal.requests import (
    NO_ANSWER,
    REVERSAL_MTI,
    ManagementMessage,
    without_pin,
)
from switch.terminal.state import PosState, SentPayment

TERMINAL_FAULT: Final = "96"
MAC_WRONG: Final = "A0"
OTHER_REASON: Final = "06"
REVERSAL_REASONS: Final = frozenset({NO_ANSWER, TERMINAL_FAULT, MAC_WRONG, OTHER_REASON})
# DE 39 that ends a reversal for the terminal: done, nothing to do, not found (docs/iso8583.md 5)
_REVERSAL_DONE_CODES: Final = frozenset({"00", "12"})
_REVERSAL_REFUSED_CODE: Final = "25"
_NOT_SENT_CODE: Final = "96"


class PosLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a terminal waits, and how often it tries."""

    answer_wait_ms: int = 60_000
    reversal_attempt_count_max: int = 3  # tag 23 of the parameters: 1 to 3; of repeats as well


class _Phase(enum.Enum):
    IDLE = "idle"
    PAYING = "paying"
    RESENDING = "resending"
    REVERSING = "reversing"
    MANAGING = "managing"


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
        self._management = Management(state, self._voice)
        self._profile = PROFILES[state.profile]
        self._framer = Framer(self._profile.prefix)
        self._phase = _Phase.IDLE
        self._operation = Operation.SALE
        self._order: PaymentOrder | None = None  # begun once what is owed is done
        self._waits_to_manage = False  # so is the terminal's own business
        self._wants_upload = False
        self._scheme = ""  # of the keys that a sign-on asks for; empty: the terminal's own
        self._asked: ManagementMessage | None = None
        self._attempt_count = 0
        self._trouble = ""
        self._earlier: Earlier | None = None
        self._due_boot_ms: int | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return self._phase is _Phase.IDLE

    # -- the cashier

    def start_sale(self, order: SaleOrder, now: Now) -> list[PosAction]:
        """
        Begin a sale, after what an earlier payment may owe.

        Raises:
            ValueError: as start_payment.
        """
        return self.start_payment(order, now)

    def start_payment(self, order: PaymentOrder, now: Now) -> list[PosAction]:
        """
        Begin a payment, a void, an advice..., after what an earlier payment may owe.

        Raises:
            ValueError: no message can be made of the order, or the batch must be closed first.
        """
        self._voice.writer.check(order)
        state = self.state
        if state.closing is not None:
            raise ValueError("the batch is being closed; finish that first")
        counts = PAYMENT_ROWS[order.operation].side is not Side.NEITHER
        if counts and self._profile.has_batch and is_full(state.payments, state.batch):
            raise ValueError("the batch holds as much as its totals can count; settle first")
        self._begin(order.operation)
        self._order = order
        return self._clear_or_go_on(now)

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
            ValueError: another reason, no last payment, one that is never reversed, or it was
                taken back before.
        """
        if reason not in REVERSAL_REASONS:
            raise ValueError(f"a reversal's reason is one of {', '.join(sorted(REVERSAL_REASONS))}")
        last = self._get_last()
        if not PAYMENT_ROWS[last.operation].is_reversed:
            raise ValueError(f"a terminal does not reverse a {last.operation.value}")
        self._begin(Operation.REVERSAL)
        self._keep(msgspec.structs.replace(last, owed_reason=reason))
        return self._reverse(now)

    def start_management(
        self, operation: Operation, now: Now, *, wants_upload: bool = False, scheme: str = ""
    ) -> list[PosAction]:
        """
        Sign on or off, ask whether the switch is there, or close the batch.

        What is owed is sent before a sign-off and a closing. A closing that was interrupted goes
        on where it stopped; `wants_upload` uploads also what the switch finds balanced. `scheme`
        asks for keys of another scheme than the terminal has, which it keeps if that is refused.

        Raises:
            ValueError: this terminal cannot do that.
        """
        self._management.check(operation)
        self._begin(operation)
        self._wants_upload = wants_upload
        self._scheme = scheme
        self._waits_to_manage = True
        return self._clear_or_go_on(now) if operation in CLEARS_FIRST else self._manage(now)

    def give_up(self, now: Now) -> list[PosAction]:
        """Stop listening, as a terminal that loses power; what is owed stays owed."""
        if self._phase is _Phase.IDLE:
            return []
        is_owing = self._phase in (_Phase.REVERSING, _Phase.RESENDING)
        return self._finish(self._owed_kind() if is_owing else OutcomeKind.UNANSWERED, now)

    # -- the connection

    def connection_made(self) -> None:
        """Hear that a new connection is there; what was half received is gone."""
        self._framer = Framer(self._profile.prefix)

    def not_connected(self, now: Now) -> list[PosAction]:
        """Hear that no connection could be made: the last frame certainly never left."""
        if self._phase is _Phase.IDLE:
            return []
        if self._phase is _Phase.MANAGING:
            return self._finish(OutcomeKind.NOT_SENT, now)
        if self._phase is _Phase.PAYING:
            return self._fail_to_send(now)
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

    def describe_wait(self) -> str:
        """Say what is waited for; of what is sent until it is answered also which try it is."""
        if self._phase not in (_Phase.REVERSING, _Phase.RESENDING):
            return "the answer"
        last, count_max = self._get_last(), self._limits.reversal_attempt_count_max
        what = "reversal" if self._phase is _Phase.REVERSING else "repeat"
        name = f"{last.operation.value} {last.fields['stan']}"
        return f"the answer to the {what} of {name}, try {self._attempt_count} of {count_max}"

    # -- what comes first

    @property
    def _is_clearing(self) -> bool:
        """Whether what is under way is something earlier, and the cashier's order waits for it."""
        return self._order is not None or self._waits_to_manage

    def _clear_or_go_on(self, now: Now) -> list[PosAction]:
        last = self.state.last
        if last is not None and last.owed_reason:
            return self._reverse(now)
        if last is not None and last.owes_repeat:
            return self._resend(now)
        return self._go_on(now)

    def _go_on(self, now: Now) -> list[PosAction]:
        return self._pay(now) if self._order is not None else self._manage(now)

    def _owed_kind(self) -> OutcomeKind:
        """Name the end of an operation at which something was not confirmed."""
        if self._is_clearing:
            return OutcomeKind.BLOCKED
        is_reversing = self._phase is _Phase.REVERSING
        return OutcomeKind.REVERSAL_OWED if is_reversing else OutcomeKind.REPEAT_OWED

    # -- paying

    def _pay(self, now: Now) -> list[PosAction]:
        order = self._order
        assert order is not None
        self._order = None
        self._keep(self._voice.writer.make_payment(order, self.state.take_stan(), now))
        return self._send_payment(now)

    def _send_payment(self, now: Now, *, as_repeat: bool = False) -> list[PosAction]:
        self._phase = _Phase.PAYING
        self._due_boot_ms = now.boot_ms + self._limits.answer_wait_ms
        frame = self._voice.frame_payment(self._get_last(), as_repeat=as_repeat)
        return [SaveState(), SendFrame(frame)]

    def _fail_to_send(self, now: Now) -> list[PosAction]:
        payment = self._get_last()
        if payment.sent_count == 1 and payment.operation in ADVICES:
            # it tells what has happened, so it stays to be told; nobody has seen it yet
            self._keep(msgspec.structs.replace(payment, sent_count=0))
            return [SaveState(), *self._finish(OutcomeKind.REPEAT_OWED, now)]
        actions = self._finish(OutcomeKind.NOT_SENT, now)
        if payment.sent_count == 1:
            self.state.last = None  # nobody ever saw it, so nothing is owed
        return [SaveState(), *actions]

    def _take_frame(self, frame: bytes, now: Now) -> list[PosAction]:
        try:
            answer = self._voice.read_answer(frame)
        except CodecError as error:
            if self._phase is not _Phase.PAYING:
                return []
            return self._take_back(OTHER_REASON, f"the answer cannot be read: {error}", now)
        terminal_id = self.state.terminal_id
        if self._phase is _Phase.MANAGING:
            asked = self._asked
            assert asked is not None
            if is_answer_to(answer, asked.mti, asked.fields["stan"], terminal_id):
                return self._take_management_answer(answer, now)
            return []
        payment = self._get_last()
        if self._phase is _Phase.REVERSING:
            stan = payment.reversal_stan or payment.fields["stan"]
            if is_answer_to(answer, REVERSAL_MTI, stan, terminal_id):
                return self._take_reversal_answer(answer, now)
            return []
        if is_answer_to(answer, payment.mti, payment.fields["stan"], terminal_id):
            return self._take_answer(answer, payment, now)
        return []

    def _take_answer(self, answer: AnswerRead, payment: SentPayment, now: Now) -> list[PosAction]:
        code = answer.response_code
        is_refusal_without_key = not answer.has_mac and code in UNPROVEN_CODES
        if not answer.is_proven and not is_refusal_without_key:
            return self._take_back(MAC_WRONG, "the answer's MAC is wrong", now)
        if code in APPROVED_CODES:
            asked_minor = int(payment.fields.get("amount_transaction", "0"))
            if code != PARTIAL_CODE and answer.amount_minor not in {None, asked_minor}:
                return self._take_back(OTHER_REASON, "another amount was approved", now)
            return self._settle(payment, OutcomeKind.APPROVED, answer, now)
        is_of_this_copy = is_refusal_without_key or (
            code == _NOT_SENT_CODE and not is_decided(answer, payment)
        )
        if is_of_this_copy and payment.sent_count > 1:
            # it is true of this copy only; the one before it may have been debited
            return self._take_back(NO_ANSWER, "only the repeat was refused", now)
        return self._settle(payment, OutcomeKind.DECLINED, answer, now)

    def _settle(
        self, payment: SentPayment, kind: OutcomeKind, answer: AnswerRead, now: Now
    ) -> list[PosAction]:
        binary = without_pin(payment.binary) if payment.binary else payment.binary
        self._keep(
            msgspec.structs.replace(payment, owed_reason="", owes_repeat=False, binary=binary)
        )
        if kind is OutcomeKind.APPROVED:
            kept = read_approval(payment, answer, now)
            if kept is not None:
                self.state.keep_payment(kept)
        if self._is_clearing:
            self._earlier = describe_earlier(payment, kind)
            return self._go_on(now)
        return [SaveState(), *self._finish(kind, now, answer)]

    # -- taking back, or sending again

    def _take_back(self, reason: str, trouble: str, now: Now) -> list[PosAction]:
        """Do what the payment owes when its answer cannot be used."""
        self._trouble = trouble
        payment = self._get_last()
        if payment.owes_repeat:
            if self._phase is _Phase.RESENDING:
                return self._send_again(now)
            return self._resend(now)
        if not payment.owed_reason:
            return self._finish(OutcomeKind.UNANSWERED, now)
        self._keep(msgspec.structs.replace(payment, owed_reason=reason))
        return self._reverse(now)

    def _resend(self, now: Now) -> list[PosAction]:
        self._phase = _Phase.RESENDING
        self._attempt_count = 0
        return self._send_again(now)

    def _send_again(self, now: Now) -> list[PosAction]:
        if self._attempt_count >= self._limits.reversal_attempt_count_max:
            return self._finish(self._owed_kind(), now)
        self._attempt_count += 1
        self._due_boot_ms = now.boot_ms + self._limits.answer_wait_ms
        payment = self._get_last()
        self._keep(msgspec.structs.replace(payment, sent_count=payment.sent_count + 1))
        frame = self._voice.frame_payment(payment, as_repeat=payment.sent_count > 0)
        return [SaveState(), SendFrame(frame)]

    def _reverse(self, now: Now) -> list[PosAction]:
        self._phase = _Phase.REVERSING
        self._attempt_count = 0
        payment = self._get_last()
        if not self._profile.has_batch and not payment.reversal_stan:
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
        payment = msgspec.structs.replace(self._get_last(), owed_reason="")
        self._keep(payment)
        refused = code == _REVERSAL_REFUSED_CODE
        if not refused:
            self.state.note_reversal(payment.batch, payment.fields["stan"])
        kind = OutcomeKind.REVERSAL_REFUSED if refused else OutcomeKind.REVERSED
        if self._is_clearing:
            self._earlier = describe_earlier(payment, kind)
            return self._go_on(now)
        actions = self._finish(kind, now, answer)
        self.state.last = None
        return [SaveState(), *actions]

    def _miss_answer(self, trouble: str, now: Now) -> list[PosAction]:
        if self._phase is _Phase.IDLE:
            return []
        if self._phase in (_Phase.PAYING, _Phase.RESENDING):
            return self._take_back(NO_ANSWER, trouble, now)
        if self._phase is _Phase.MANAGING:
            return self._miss_management_answer(trouble, now)
        if self._attempt_count < self._limits.reversal_attempt_count_max:
            return self._send_reversal(now)
        return self._finish(self._owed_kind(), now)

    # -- the terminal's own business

    def _manage(self, now: Now) -> list[PosAction]:
        self._waits_to_manage = False
        asked = self._management.ask(
            self._operation, now, wants_upload=self._wants_upload, scheme=self._scheme
        )
        return self._send_management(asked, now)

    def _send_management(self, asked: ManagementMessage, now: Now) -> list[PosAction]:
        self._phase = _Phase.MANAGING
        self._asked = asked
        self._attempt_count = 1
        self._due_boot_ms = now.boot_ms + self._limits.answer_wait_ms
        return [SaveState(), SendFrame(self._voice.frame_management(asked))]

    def _take_management_answer(self, answer: AnswerRead, now: Now) -> list[PosAction]:
        if answer.has_mac and not answer.is_proven:
            return self._miss_management_answer("the answer's MAC is wrong", now)
        step = self._management.take(self._operation, answer)
        if isinstance(step, ManagementMessage):
            return self._send_management(step, now)
        self._trouble = step.trouble
        return [SaveState(), *self._finish(step.kind, now, answer, step.settlement)]

    def _miss_management_answer(self, trouble: str, now: Now) -> list[PosAction]:
        """Send a message of a closing again; the others are begun anew by whoever wants them."""
        is_closing = self._operation is Operation.SETTLEMENT
        asked = self._asked
        assert asked is not None
        if is_closing and self._attempt_count < self._limits.reversal_attempt_count_max:
            self._attempt_count += 1
            self._due_boot_ms = now.boot_ms + self._limits.answer_wait_ms
            return [SendFrame(self._voice.frame_management(asked))]
        self._trouble = trouble
        return self._finish(OutcomeKind.UNANSWERED, now)

    # -- bookkeeping

    def _begin(self, operation: Operation) -> None:
        assert self._phase is _Phase.IDLE, "a terminal does one thing at a time"
        self._operation = operation
        self._order = None
        self._asked = None
        self._waits_to_manage = False
        self._trouble = ""
        self._earlier = None

    def _get_last(self) -> SentPayment:
        if self.state.last is None:
            raise ValueError("this terminal has no payment to repeat or to reverse")
        return self.state.last

    def _keep(self, payment: SentPayment) -> None:
        self.state.last = payment

    def _finish(
        self,
        kind: OutcomeKind,
        now: Now,
        answer: AnswerRead | None = None,
        settlement: Settlement | None = None,
    ) -> list[PosAction]:
        self._phase = _Phase.IDLE
        self._due_boot_ms = None
        end = End(
            operation=self._operation,
            kind=kind,
            order=self._order,
            asked=self._asked,
            answer=answer,
            settlement=settlement,
            trouble=self._trouble,
            earlier=self._earlier,
        )
        return [Finish(describe_end(end, self.state, now))]
