"""What a terminal can ask about a card, as one table: a terminal's own view (docs/iso8583.md 2)."""

from enum import Enum
from typing import NamedTuple


class Silence(Enum):
    """What a terminal does about a message that nobody answers."""

    REVERSE = "reverse"
    RESEND = "resend"
    END = "end"


class Quotes(Enum):
    """Which marks of an earlier payment a message carries, where batches have numbers."""

    NOTHING = "nothing"
    PAYMENT = "payment"  # DE 37, 38 and 61: batch and trace number
    DATED = "dated"  # the same, and its date
    AUTHORIZATION = "authorization"  # DE 38 and 61: only the date


class Kind(NamedTuple):
    """One row; `name` is the word of the journal and of the registry."""

    name: str
    mti: str
    processing_code: str
    condition_code: str
    transaction_code: str  # DE 60.1
    silence: Silence = Silence.REVERSE
    side: str = ""  # of the batch totals: debit, credit, or on neither
    quotes: Quotes = Quotes.NOTHING
    originals: tuple[str, ...] = ()
    needs_code: bool = False  # only DE 60 tells it from another

    @property
    def is_void(self) -> bool:
        return self.name.endswith("-void")

    @property
    def is_advice(self) -> bool:
        return self.name.endswith("-advice")


SALE = Kind("sale", "0200", "000000", "00", "22", side="debit")
_SALES = ("sale", "instalment-sale")
_COMPLETIONS = ("completion", "completion-advice")
_RESEND, _PAYMENT, _DATED = Silence.RESEND, Quotes.PAYMENT, Quotes.DATED
_HOLD = Quotes.AUTHORIZATION
_ADJUSTED = ("sale", "offline-advice", *_COMPLETIONS)
_REFUNDED = (*_ADJUSTED, "instalment-sale", "adjustment-advice")

KINDS = {
    "sale": SALE,
    "instalment-sale": Kind("instalment-sale", "0200", "000000", "64", "22", side="debit"),
    "sale-void": Kind(
        "sale-void", "0200", "200000", "00", "23", Silence.REVERSE, "credit", _PAYMENT, _SALES
    ),
    "refund": Kind("refund", "0220", "200000", "00", "25", _RESEND, "credit", _DATED, _REFUNDED),
    "pre-authorization": Kind("pre-authorization", "0100", "030000", "06", "10"),
    "pre-authorization-void": Kind(
        "pre-authorization-void",
        "0100",
        "200000",
        "06",
        "11",
        quotes=_HOLD,
        originals=("pre-authorization",),
    ),
    "completion": Kind(
        "completion",
        "0200",
        "000000",
        "06",
        "20",
        side="debit",
        quotes=_HOLD,
        originals=("pre-authorization",),
    ),
    "completion-void": Kind(
        "completion-void",
        "0200",
        "200000",
        "06",
        "21",
        Silence.REVERSE,
        "credit",
        _PAYMENT,
        _COMPLETIONS,
    ),
    "completion-advice": Kind(
        "completion-advice",
        "0220",
        "000000",
        "06",
        "24",
        _RESEND,
        "debit",
        _HOLD,
        ("pre-authorization",),
    ),
    "offline-advice": Kind("offline-advice", "0220", "000000", "00", "30", _RESEND, "debit"),
    "e-cash-sale": Kind(
        "offline-advice", "0220", "000000", "00", "36", _RESEND, "debit", needs_code=True
    ),
    "e-cash-refund": Kind(
        "refund",
        "0200",
        "200000",
        "00",
        "27",
        _RESEND,
        "credit",
        _DATED,
        ("offline-advice",),
        needs_code=True,
    ),
    "adjustment": Kind(
        "adjustment-advice",
        "0220",
        "000000",
        "00",
        "32",
        _RESEND,
        "debit",
        _PAYMENT,
        _ADJUSTED,
        needs_code=True,
    ),
    "tip": Kind(
        "adjustment-advice",
        "0220",
        "000000",
        "00",
        "34",
        _RESEND,
        "debit",
        _PAYMENT,
        _ADJUSTED,
        needs_code=True,
    ),
    "balance-inquiry": Kind("balance-inquiry", "0200", "310000", "00", "01", Silence.END),
}
# how often each is begun, where it can be
WEIGHTS = {
    "sale": 5.0,
    "instalment-sale": 0.5,
    "sale-void": 2.0,
    "refund": 2.5,
    "pre-authorization": 2.0,
    "pre-authorization-void": 0.8,
    "completion": 1.2,
    "completion-void": 0.8,
    "completion-advice": 0.8,
    "offline-advice": 0.8,
    "e-cash-sale": 0.3,
    "e-cash-refund": 0.2,
    "adjustment": 0.5,
    "tip": 0.4,
    "balance-inquiry": 0.5,
}
