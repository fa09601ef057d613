"""
The demo issuer's mind: what it does with each message, and the line it writes about it.

Pure: messages in, a ledger line and answers out. It books every debit that it is told to, however
often: it is the witness of what the switch sent. Repeats of advices and refunds are answered as the
first. Amounts choose how it behaves (switch/demo/issuer_behaviours.py, docs/demo-world.md).
"""

import enum
from typing import Final

import msgspec

from switch.codec import Message, Value
from switch.demo.issuer_accounts import Account, Answered, IssuerAccounts
from switch.demo.issuer_answers import APPROVED, authorization_id, build_answer, write_balance
from switch.demo.issuer_behaviours import (
    ADVICE,
    REQUEST,
    REVERSAL,
    VOID,
    AmountRule,
    Behaviour,
    find_inquiry_rule,
    find_rule,
)
from switch.demo.issuer_line import LedgerLine as LedgerLine  # noqa: PLC0414 - readers find it here
from switch.demo.issuer_originals import (
    NOT_FOUND,
    refuse_completion,
    refuse_credit,
    refuse_void,
)
from switch.demo.issuer_pin import PinCheck
from switch.domain.card import mask_pan

REMEMBERED_COUNT_MAX: Final = 1_000_000  # RRNs; about 400 bytes each
OTHER_AMOUNT_EXTRA_MINOR: Final = 100
FORMAT_ERROR: Final = "30"
DUPLICATE: Final = "94"
SIGN_ON: Final = "001"
_CREDIT_CODE: Final = "20"
_INQUIRY_CODE: Final = "31"
_PRE_AUTHORIZATION_CONDITION: Final = "06"


class Timing(enum.Enum):
    """When an answer leaves."""

    SOON = "soon"  # after the usual delay
    LATE = "late"  # after the switch has given up waiting


class IssuerAnswer(msgspec.Struct, frozen=True):
    """One answer and when it leaves."""

    message: Message
    timing: Timing = Timing.SOON


class Verdict(msgspec.Struct, frozen=True):
    """What one message leads to: its line, written first, then the answers."""

    line: LedgerLine
    answers: tuple[IssuerAnswer, ...]


class IssuerBook:
    """The decisions of an issuer; what they rest on is in its accounts."""

    def __init__(
        self,
        *,
        remembered_count_max: int = REMEMBERED_COUNT_MAX,
        pin_check: PinCheck | None = None,
    ) -> None:
        """Begin with an empty ledger; without `pin_check` any PIN is right."""
        self._accounts = IssuerAccounts(remembered_count_max=remembered_count_max)
        self._pin_check = pin_check

    def recall(self, line: LedgerLine) -> None:
        """Fold one line of an earlier run, in the order of the ledger."""
        self._accounts.apply(line)

    def receive(self, message: Message, at_ms: int) -> Verdict:
        """Take one message from the switch."""
        message_class, function = message.mti[1], message.mti[2]
        if function not in "02":
            return Verdict(_line(message, at_ms, "unreadable", "not-a-request"), ())
        if message_class == "8":
            outcome = "signed-on" if message.fields.get("network_code") == SIGN_ON else "echo"
            return self._say(message, at_ms, "network", outcome, APPROVED)
        if message_class == "4":
            return self._reverse(message, at_ms)
        if message_class in "12":
            return self._pay(message, at_ms)
        return self._say(message, at_ms, "unreadable", "not-supported", FORMAT_ERROR)

    # -- payments

    def _pay(self, message: Message, at_ms: int) -> Verdict:
        op, kind = _read_kind(message)
        account = self._accounts.find(_text(message, "rrn"))
        rule = find_rule(kind, _amount_of(message))
        if op == "inquiry":
            rule = rule or find_inquiry_rule(_text(message, "pan"))
        if kind is ADVICE and account is not None:
            first = account.answered
            if first is not None and first.stan == _text(message, "stan"):
                return self._repeat(message, at_ms, op, first, rule)
        if _is_ignored(rule, account):
            return Verdict(self._book(_line(message, at_ms, op, "ignored")), ())
        original_rrn = self._find_original(message)
        if account is not None and _is_other(account, op, original_rrn):
            return self._say(message, at_ms, op, "declined", DUPLICATE)
        refusal = self._refuse(message, op, original_rrn, rule)
        if refusal:
            line = _line(
                message, at_ms, op, "declined", response_code=refusal, original_rrn=original_rrn
            )
            answer = build_answer(message, at_ms, refusal)
            return Verdict(self._book(line), (IssuerAnswer(answer),))
        behaviour = rule.behaviour if rule is not None else None
        if behaviour is Behaviour.SILENT:
            line = _line(message, at_ms, op, "silent", original_rrn=original_rrn)
            return Verdict(self._book(line), ())
        outcome = "late" if behaviour is Behaviour.LATE else "approved"
        line = _line(message, at_ms, op, outcome, response_code=APPROVED, original_rrn=original_rrn)
        answer = build_answer(message, at_ms, APPROVED, self._approval(message, op, rule))
        timing = Timing.LATE if behaviour is Behaviour.LATE else Timing.SOON
        return Verdict(self._book(line), (IssuerAnswer(answer, timing),) * _answer_count(rule))

    def _repeat(
        self, message: Message, at_ms: int, op: str, first: Answered, rule: AmountRule | None
    ) -> Verdict:
        """Answer an advice or refund as it was answered first, whatever became of that answer."""
        code = first.response_code
        extra = self._approval(message, op, rule) if code == APPROVED else None
        line = self._book(_line(message, at_ms, op, "already", response_code=code))
        answer = IssuerAnswer(build_answer(message, first.at, code, extra))
        return Verdict(line, (answer,) * (_answer_count(rule) if code == APPROVED else 1))

    def _approval(self, message: Message, op: str, rule: AmountRule | None) -> dict[str, Value]:
        extra: dict[str, Value] = {"authorization_id": authorization_id(_text(message, "rrn"))}
        if op == "inquiry":
            spent_minor = self._accounts.spent_minor(
                _masked_pan_of(message), _text(message, "currency")
            )
            extra["additional_amounts"] = write_balance(message, spent_minor)
        if rule is not None and rule.behaviour is Behaviour.OTHER_AMOUNT:
            extra["amount_transaction"] = f"{_amount_of(message) + OTHER_AMOUNT_EXTRA_MINOR:012d}"
        return extra

    def _refuse(self, message: Message, op: str, original_rrn: str, rule: AmountRule | None) -> str:
        """Say why not, as DE 39; empty: approved."""
        if self._pin_check is not None and (refusal := self._pin_check.refuse(message.fields)):
            return refusal
        if rule is not None and rule.behaviour is Behaviour.DECLINE:
            return rule.response_code
        amount_minor = _amount_of(message)
        original = self._accounts.find(original_rrn)
        if op == "void":
            holds = message.mti[1] == "1"
            return refuse_void(original, amount_minor, "authorization" if holds else "debit")
        if op == "credit":
            return refuse_credit(self._accounts.refundable_minor(original_rrn), amount_minor)
        if op == "debit" and _is_completion(message):
            return refuse_completion(original, amount_minor)
        return ""

    def _find_original(self, message: Message) -> str:
        """Return the RRN of what DE 90 quotes, empty if nothing or nothing known is quoted."""
        quoted = _text(message, "original_data_elements")
        if not quoted:
            return ""
        return self._accounts.find_rrn(_text(message, "merchant_id"), quoted[4:10], quoted[10:20])

    # -- reversals

    def _reverse(self, message: Message, at_ms: int) -> Verdict:
        account = self._accounts.find(_text(message, "rrn"))
        if _is_ignored(find_rule(REVERSAL, _amount_of(message)), account):
            return Verdict(self._book(_line(message, at_ms, "reversal", "ignored")), ())
        if account is None or not account.is_known:
            return self._say(message, at_ms, "reversal", "unknown", NOT_FOUND)
        if account.standing_minor:
            return self._say(message, at_ms, "reversal", "reversed", APPROVED)
        outcome = "already" if account.is_returned else "not-booked"
        return self._say(message, at_ms, "reversal", outcome, APPROVED)

    def _say(
        self, message: Message, at_ms: int, op: str, outcome: str, response_code: str
    ) -> Verdict:
        line = self._book(_line(message, at_ms, op, outcome, response_code=response_code))
        return Verdict(line, (IssuerAnswer(build_answer(message, at_ms, response_code)),))

    def _book(self, line: LedgerLine) -> LedgerLine:
        """Let the accounts follow the line, as they will when it is read again."""
        moved = self._accounts.apply(line)
        if not any(moved):
            return line
        return msgspec.structs.replace(
            line, moved_minor=moved.money_minor, held_minor=moved.held_minor
        )


def _read_kind(message: Message) -> tuple[str, str]:
    """Say what a 01xx or 02xx does with money, and which column of amounts it obeys."""
    is_advice = message.mti[2] == "2"
    code = _text(message, "processing_code")[:2]
    if code == _CREDIT_CODE:
        return ("credit", ADVICE) if is_advice else ("void", VOID)
    if message.mti[1] == "1":
        return "authorization", ADVICE if is_advice else REQUEST
    if is_advice:
        return "debit", ADVICE
    return "inquiry" if code == _INQUIRY_CODE else "debit", REQUEST


def _is_other(account: Account, op: str, original_rrn: str) -> bool:
    """Tell whether an RRN comes again for something else than before."""
    if account.op and account.op != op:
        return True
    return account.original_rrn is not None and account.original_rrn != original_rrn


def _is_completion(message: Message) -> bool:
    return message.fields.get("pos_condition_code") == _PRE_AUTHORIZATION_CONDITION


def _is_ignored(rule: AmountRule | None, account: Account | None) -> bool:
    if rule is None or rule.behaviour is not Behaviour.IGNORE:
        return False
    return account is None or account.ignored_count < rule.ignored_count


def _answer_count(rule: AmountRule | None) -> int:
    return 2 if rule is not None and rule.behaviour is Behaviour.TWICE else 1


def _text(message: Message, name: str) -> str:
    return str(message.fields.get(name, ""))


def _amount_of(message: Message) -> int:
    return int(str(message.fields.get("amount_transaction", "0")))


def _masked_pan_of(message: Message) -> str:
    pan = message.fields.get("pan")
    return mask_pan(str(pan)) if pan else ""


def _line(
    message: Message,
    at_ms: int,
    op: str,
    outcome: str,
    *,
    response_code: str = "",
    original_rrn: str = "",
) -> LedgerLine:
    fields = message.fields
    return LedgerLine(
        op=op,
        outcome=outcome,
        at=at_ms,
        rrn=str(fields.get("rrn", "")),
        stan=str(fields.get("stan", "")),
        amount_minor=_amount_of(message),
        currency=str(fields.get("currency", "")),
        response_code=response_code,
        terminal_id=str(fields.get("terminal_id", "")),
        merchant_id=str(fields.get("merchant_id", "")),
        masked_pan=_masked_pan_of(message),
        mti=message.mti,
        transmission_time=str(fields.get("transmission_time", "")),
        original=str(fields.get("original_data_elements", "")),
        original_rrn=original_rrn,
    )
