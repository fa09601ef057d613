"""The terminal's own business with the switch: sign-on, sign-off, echo, and the end of a batch."""

from typing import Final, NamedTuple

import msgspec

from switch.codec import CodecError
from switch.domain.clock import Now
from switch.security.working_keys import KeyCheckFailed, KeyScheme, unwrap_working_keys
from switch.terminal.batch import BatchTotals, add_up, page_upload
from switch.terminal.messages import AnswerRead, PosVoice
from switch.terminal.operations import Operation
from switch.terminal.outcome import OutcomeKind, Settlement
from switch.terminal.profile import PROFILES
from switch.terminal.requests import ManagementMessage
from switch.terminal.state import Closing, PosState

DONE_CODE: Final = "00"
BALANCED_FLAG: Final = "1"
NOT_COMPARED_FLAG: Final = "3"


class Ended(NamedTuple):
    """The business is over."""

    kind: OutcomeKind
    trouble: str = ""
    settlement: Settlement | None = None


class Management:
    """What to send next about the terminal itself; it changes the terminal's state."""

    def __init__(self, state: PosState, voice: PosVoice) -> None:
        """Work for a terminal and its voice."""
        self._state = state
        self._voice = voice
        self._writer = voice.writer
        self._dialect = PROFILES[state.profile].dialect
        self._asked_scheme = state.key_scheme  # of a sign-on that is under way

    def check(self, operation: Operation) -> None:
        """
        Refuse what this terminal cannot begin.

        Raises:
            ValueError: says why.
        """
        has_batch = PROFILES[self._state.profile].has_batch
        if operation is not Operation.ECHO and not has_batch:
            raise ValueError(f"{self._state.profile} has no {operation.value}")
        if operation is Operation.SIGN_ON and not self._state.tmk:
            raise ValueError("the terminal has no master key, so it cannot sign on")

    def ask(
        self, operation: Operation, now: Now, *, wants_upload: bool = False, scheme: str = ""
    ) -> ManagementMessage:
        """Give the first message, or the one at which a closing was interrupted."""
        state = self._state
        if operation is Operation.SIGN_ON:
            self._asked_scheme = scheme or state.key_scheme
            return self._writer.make_sign_on(state.take_stan(), self._asked_scheme)
        if operation is Operation.SIGN_OFF:
            return self._writer.make_sign_off(state.take_stan())
        if operation is Operation.ECHO:
            return self._writer.make_echo(state.take_stan(), now)
        if state.closing is None:
            state.closing = Closing(
                step="totals",
                stan=state.take_stan(),
                totals=add_up(state.payments, state.batch),
                wants_upload=wants_upload,
            )
        return self._make_closing_message(state.closing)

    def take(self, operation: Operation, answer: AnswerRead) -> ManagementMessage | Ended:
        """Take the answer; what comes next, or how it ended."""
        is_done = answer.response_code == DONE_CODE
        if operation is Operation.SETTLEMENT:
            return self._take_closing_answer(answer) if is_done else self._stop_closing()
        if not is_done:
            return Ended(OutcomeKind.DECLINED)
        if operation is Operation.SIGN_ON:
            return self._take_keys(answer)
        if operation is Operation.SIGN_OFF:
            self._state.is_signed_on = False
        return Ended(OutcomeKind.APPROVED)

    # -- sign-on

    def _take_keys(self, answer: AnswerRead) -> Ended:
        """Open the working keys; all of them are right, or none is used."""
        state, fields = self._state, answer.message.fields
        state.is_signed_on = False
        wrapped = str(fields.get("private_62", "")).encode("latin-1")
        try:
            keys = unwrap_working_keys(wrapped, KeyScheme(self._asked_scheme), state.tmk)
            self._voice.take_key(keys.mak)
        except (KeyCheckFailed, ValueError) as error:
            return Ended(OutcomeKind.KEYS_WRONG, str(error))
        state.pik, state.mak, state.tdk = keys.pik, keys.mak, keys.tdk
        state.key_scheme = self._asked_scheme
        state.is_signed_on, state.keys_merchant_id = True, state.merchant_id
        batch = self._read_batch(answer)
        if batch and batch != state.batch:
            state.batch, state.closing = batch, None
        return Ended(OutcomeKind.APPROVED)

    def _read_batch(self, answer: AnswerRead) -> str:
        try:
            parts = self._dialect.split("batch_data", str(answer.message.fields["batch_data"]))
        except (CodecError, KeyError):
            return ""
        return parts.get("batch", "")

    # -- the end of a batch

    def _make_closing_message(self, closing: Closing) -> ManagementMessage:
        if closing.step == "totals":
            return self._writer.make_batch_totals(closing.totals, closing.stan)
        if closing.step == "lists":
            return self._writer.make_upload_list(self._find_page(closing), closing.stan)
        return self._writer.make_upload_end(
            closing.uploaded_count, closing.stan, is_balanced=closing.is_balanced
        )

    def _find_page(self, closing: Closing) -> list[dict[str, str]]:
        """Give the next list, none when all are uploaded."""
        before = 0
        for page in page_upload(self._state.payments, self._state.batch):
            if before == closing.uploaded_count:
                return page
            before += len(page)
        return []

    def _stop_closing(self) -> Ended:
        """Hear that the switch refuses: nothing is closed, and another attempt is a new message."""
        closing = self._state.closing
        assert closing is not None
        if closing.step == "totals":
            self._state.closing = None
        else:
            self._state.closing = msgspec.structs.replace(closing, stan=self._state.take_stan())
        return Ended(OutcomeKind.DECLINED)

    def _take_closing_answer(self, answer: AnswerRead) -> ManagementMessage | Ended:
        closing = self._state.closing
        assert closing is not None
        if closing.step == "totals":
            closing = self._compare(closing, answer)
            if closing.is_balanced and not closing.wants_upload:
                return self._close(closing)
        elif closing.step == "lists":
            uploaded_count = closing.uploaded_count + len(self._find_page(closing))
            closing = msgspec.structs.replace(closing, uploaded_count=uploaded_count)
        else:
            return self._close(closing)
        step = "lists" if self._find_page(closing) else "end"
        closing = msgspec.structs.replace(closing, step=step, stan=self._state.take_stan())
        self._state.closing = closing
        return self._make_closing_message(closing)

    def _compare(self, closing: Closing, answer: AnswerRead) -> Closing:
        """Read what the switch counted; its flag decides, not our own comparison."""
        text = str(answer.message.fields.get("additional_data_private", ""))
        try:
            parts = self._dialect.split("additional_data_private", text)
            flag, counted = parts["balance_flag"], _read_totals(parts)
        except (CodecError, KeyError):
            flag, counted = NOT_COMPARED_FLAG, None
        return msgspec.structs.replace(
            closing,
            balance_flag=flag,
            is_balanced=flag == BALANCED_FLAG,
            switch_totals=counted,
        )

    def _close(self, closing: Closing) -> Ended:
        batch = self._state.batch
        self._state.close_batch()
        kind = OutcomeKind.APPROVED if closing.is_balanced else OutcomeKind.UNBALANCED
        settlement = Settlement(
            totals=closing.totals,
            switch_totals=closing.switch_totals,
            is_balanced=closing.is_balanced,
            uploaded_count=closing.uploaded_count,
            batch=batch,
        )
        return Ended(kind, settlement=settlement)


def _read_totals(parts: dict[str, str]) -> BatchTotals:
    names = ("debit_amount", "debit_count", "credit_amount", "credit_count")
    return BatchTotals(*(int(parts[name]) for name in names))
