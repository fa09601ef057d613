"""
The demo issuer's mind: what it does with each message, and the line it writes about it.

Pure: messages in, a ledger line and answers out. It books every debit that it is told to, however
often: it is the witness of what the switch sent. The last two digits of the amount choose how it
behaves (docs/demo-world.md).
"""

import datetime as dt
import enum
from collections import OrderedDict
from typing import Final

import msgspec

from switch.codec import Message, Value
from switch.codec.mti import response_mti
from switch.domain.card import mask_pan

REMEMBERED_COUNT_MAX: Final = 1_000_000  # RRNs; about 150 bytes each
SILENT_REVERSALS_AMOUNT_MINOR: Final = 6_666
SILENT_REVERSALS_COUNT: Final = 3
OTHER_AMOUNT_EXTRA_MINOR: Final = 100
APPROVED: Final = "00"
NOT_FOUND: Final = "25"
FORMAT_ERROR: Final = "30"
SIGN_ON: Final = "001"
_ECHOED_NAMES: Final = (
    "processing_code",
    "amount_transaction",
    "transmission_time",
    "stan",
    "local_time",
    "local_date",
    "acquirer_id",
    "rrn",
    "terminal_id",
    "merchant_id",
    "currency",
    "network_code",
)
_EPOCH: Final = dt.date(1970, 1, 1)
_DAY_MS: Final = 86_400_000
_CLEARING_DAY_AHEAD_MS: Final = 9 * 3_600_000
_DECLINED_ENDINGS: Final = {51: "51", 55: "55", 61: "61", 91: "91", 96: "96"}
_OTHER_AMOUNT_ENDING: Final = 93
_TWICE_ENDING: Final = 94
_LATE_ENDING: Final = 97
_SILENT_ENDING: Final = 98


class LedgerLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One message as the issuer took it.

    `op`: debit, credit, inquiry, authorization, advice, reversal, network, unreadable. `outcome` of
    a debit: approved, late (booked, answered after the time-out), silent (booked, never answered),
    declined; of a reversal: reversed, already, ignored (as if it never came), not-booked (known,
    but nothing stands), unknown. `at` is epoch milliseconds.
    """

    op: str
    outcome: str
    at: int
    rrn: str = ""
    stan: str = ""
    amount_minor: int = 0
    currency: str = ""
    response_code: str = ""
    terminal_id: str = ""
    merchant_id: str = ""
    masked_pan: str = ""
    mti: str = ""


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


class _Booking:
    """What the issuer knows of one RRN."""

    __slots__ = ("ignored_count", "is_returned", "stands")

    def __init__(self) -> None:
        self.stands = False
        self.is_returned = False
        self.ignored_count = 0


class IssuerBook:
    """The bookings by RRN, and the decisions that rest on them."""

    def __init__(self, *, remembered_count_max: int = REMEMBERED_COUNT_MAX) -> None:
        self._remembered_count_max = remembered_count_max
        self._bookings: OrderedDict[str, _Booking] = OrderedDict()

    def recall(self, line: LedgerLine) -> None:
        """Fold one line of an earlier run, in the order of the ledger."""
        if line.op in {"debit", "authorization"}:
            booking = self._open(line.rrn)
            booking.stands = booking.stands or line.outcome != "declined"
        elif line.op == "reversal":
            if line.outcome == "ignored":
                self._open(line.rrn).ignored_count += 1
            elif line.outcome == "reversed":
                booking = self._open(line.rrn)
                booking.stands, booking.is_returned = False, True

    def receive(self, message: Message, at_ms: int) -> Verdict:
        """Take one message from the switch."""
        message_class, function = message.mti[1], message.mti[2]
        if function not in "02":
            return Verdict(_line(message, at_ms, "unreadable", "not-a-request", ""), ())
        if message_class == "8":
            return _say(message, at_ms, "network", "signed-on" if _is_sign_on(message) else "echo")
        if message_class == "4":
            return self._reverse(message, at_ms)
        if message_class in "12":
            return self._pay(message, at_ms, _operation_of(message))
        return _say(message, at_ms, "unreadable", "not-supported", FORMAT_ERROR)

    def _pay(self, message: Message, at_ms: int, op: str) -> Verdict:
        amount_minor = _amount_of(message)
        ending = amount_minor % 100
        if op in {"debit", "authorization"}:
            booking = self._open(str(message.fields.get("rrn", "")))
            booking.stands = booking.stands or ending not in _DECLINED_ENDINGS
        if ending in _DECLINED_ENDINGS:
            return _say(message, at_ms, op, "declined", _DECLINED_ENDINGS[ending])
        if ending == _SILENT_ENDING:
            return Verdict(_line(message, at_ms, op, "silent", ""), ())
        extra: dict[str, Value] = {"authorization_id": _authorization_id(message)}
        if ending == _OTHER_AMOUNT_ENDING:
            extra["amount_transaction"] = f"{amount_minor + OTHER_AMOUNT_EXTRA_MINOR:012d}"
        answer = _answer(message, at_ms, APPROVED, extra)
        if ending == _LATE_ENDING:
            line = _line(message, at_ms, op, "late", APPROVED)
            return Verdict(line, (IssuerAnswer(answer, Timing.LATE),))
        line = _line(message, at_ms, op, "approved", APPROVED)
        once = IssuerAnswer(answer)
        return Verdict(line, (once, once) if ending == _TWICE_ENDING else (once,))

    def _reverse(self, message: Message, at_ms: int) -> Verdict:
        rrn = str(message.fields.get("rrn", ""))
        booking = self._bookings.get(rrn)
        if _amount_of(message) == SILENT_REVERSALS_AMOUNT_MINOR and (
            booking is None or booking.ignored_count < SILENT_REVERSALS_COUNT
        ):
            self._open(rrn).ignored_count += 1
            return Verdict(_line(message, at_ms, "reversal", "ignored", ""), ())
        if booking is None:
            return _say(message, at_ms, "reversal", "unknown", NOT_FOUND)
        if booking.stands:
            booking.stands, booking.is_returned = False, True
            return _say(message, at_ms, "reversal", "reversed")
        return _say(message, at_ms, "reversal", "already" if booking.is_returned else "not-booked")

    def _open(self, rrn: str) -> _Booking:
        booking = self._bookings.get(rrn)
        if booking is None:
            if len(self._bookings) >= self._remembered_count_max:
                self._bookings.popitem(last=False)
            booking = self._bookings[rrn] = _Booking()
        return booking


def _operation_of(message: Message) -> str:
    if message.mti[2] == "2":
        return "advice"
    if message.mti[1] == "1":
        return "authorization"
    kind = str(message.fields.get("processing_code", ""))[:2]
    return {"20": "credit", "31": "inquiry"}.get(kind, "debit")


def _is_sign_on(message: Message) -> bool:
    return message.fields.get("network_code") == SIGN_ON


def _amount_of(message: Message) -> int:
    return int(str(message.fields.get("amount_transaction", "0")))


def _authorization_id(message: Message) -> str:
    """Give DE 38 six digits that differ from payment to payment; equal on a second answer."""
    return str(message.fields.get("rrn", ""))[-6:].rjust(6, "0")


def _say(
    message: Message, at_ms: int, op: str, outcome: str, response_code: str = APPROVED
) -> Verdict:
    line = _line(message, at_ms, op, outcome, response_code)
    return Verdict(line, (IssuerAnswer(_answer(message, at_ms, response_code, {})),))


def _answer(message: Message, at_ms: int, response_code: str, extra: dict[str, Value]) -> Message:
    asked = message.fields
    fields: dict[str, Value] = {name: asked[name] for name in _ECHOED_NAMES if name in asked}
    fields["response_code"] = response_code
    if message.mti[1] != "8":
        fields["settlement_date"] = _settlement_date(at_ms)
    fields.update(extra)
    return Message(response_mti(message.mti), fields)


def _settlement_date(at_ms: int) -> str:
    """Write DE 15: the clearing day in China, which ends at 23:00 there (UTC+8)."""
    day = _EPOCH + dt.timedelta(days=(at_ms + _CLEARING_DAY_AHEAD_MS) // _DAY_MS)
    return f"{day.month:02d}{day.day:02d}"


def _line(message: Message, at_ms: int, op: str, outcome: str, response_code: str) -> LedgerLine:
    fields = message.fields
    pan = fields.get("pan")
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
        masked_pan=mask_pan(str(pan)) if pan else "",
        mti=message.mti,
    )
