"""The demo issuer's answers: echoes, the approval, the settlement date, the balance."""

import datetime as dt
import functools
from typing import Final

from switch.codec import Message, Value
from switch.codec.mti import response_mti

OPENING_BALANCE_MINOR: Final = 1_000_000  # of every card, before its first payment
APPROVED: Final = "00"
_AVAILABLE_BALANCE: Final = "02"
_BALANCE_MINOR_MAX: Final = 999_999_999_999
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


def build_answer(
    asked: Message, at_ms: int, response_code: str, extra: dict[str, Value] | None = None
) -> Message:
    """Build the answer to a message; DE 15 is the clearing day of `at_ms`."""
    fields: dict[str, Value] = {
        name: asked.fields[name] for name in _ECHOED_NAMES if name in asked.fields
    }
    fields["response_code"] = response_code
    if asked.mti[1] != "8":
        fields["settlement_date"] = _settlement_date((at_ms + _CLEARING_DAY_AHEAD_MS) // _DAY_MS)
    if extra:
        fields.update(extra)
    return Message(response_mti(asked.mti), fields)


def authorization_id(rrn: str) -> str:
    """Give DE 38 six digits that differ from payment to payment; equal on a second answer."""
    return rrn[-6:].rjust(6, "0")


def write_balance(asked: Message, spent_minor: int) -> str:
    """Write DE 54: what is left of the account that DE 3 names (docs/iso8583.md 3)."""
    account = str(asked.fields.get("processing_code", ""))[2:4] or "00"
    currency = str(asked.fields.get("currency", ""))
    left = OPENING_BALANCE_MINOR - spent_minor
    sign = "D" if left < 0 else "C"
    amount = min(abs(left), _BALANCE_MINOR_MAX)
    return f"{account}{_AVAILABLE_BALANCE}{currency}{sign}{amount:012d}"


@functools.lru_cache(maxsize=16)  # all answers of a day have the same
def _settlement_date(day_count: int) -> str:
    """Write DE 15: the clearing day in China, which ends at 23:00 there (UTC+8)."""
    day = _EPOCH + dt.timedelta(days=day_count)
    return f"{day.month:02d}{day.day:02d}"
