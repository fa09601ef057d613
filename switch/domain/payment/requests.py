"""What a terminal or a partner asked, in domain words (made by `handlers/translate.py`)."""

from typing import Final

import msgspec

from switch.domain.card import Card
from switch.domain.money import Money
from switch.domain.transactions import TransactionType


class OriginalReference(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a request quotes the payment that it concerns; empty where it says nothing."""

    rrn: str = ""
    batch: str = ""
    stan: str = ""
    date: str = ""  # MMDD, no year on the wire
    authorization_id: str = ""


# the detail of an advice that was accepted though nobody can be told of it begins so
CASE_OPENED: Final = "case-opened"


class PaymentRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    One request to pay or to reverse, normalised; it holds no card secret.

    Times are epoch milliseconds (UTC) of the gateway that received the message; local_time
    (hhmmss) and local_date (MMDD) are the terminal's own, empty where it sent none.
    """

    idempotency_key: str
    fingerprint: str
    channel: str
    acquirer: str
    merchant_id: str
    transaction: TransactionType
    received_at: int
    start_before: int
    deadline_at: int
    amount: Money | None = None
    card: Card | None = None
    terminal_id: str = ""
    batch: str = ""
    stan: str = ""
    mti: str = ""
    processing_code: str = ""
    pos_entry_mode: str = ""
    pos_condition_code: str = ""
    merchant_type: str = ""
    local_time: str = ""
    local_date: str = ""
    reversal_reason: str = ""  # DE 39 of an 0400: why the terminal takes the payment back
    original: OriginalReference | None = None
    partial_approval_accepted: bool = False
    transaction_code: str = ""  # DE 60.1, where the dialect has one
    key_version: int = 0  # of the working keys that its MAC was proven with; 0: the registry's


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    What the one who asked is told; stored, so that a repeat gets the same.

    `response_code` is DE 39; `reason` is the catalogue's reason, empty for an approval; `at` is
    epoch milliseconds and gives DE 12 and 13; `detail` completes the text (which fields are
    missing, which element is wrong) and holds no card data.
    """

    response_code: str
    at: int
    rrn: str = ""
    reason: str = ""
    authorization_id: str = ""
    settlement_date: str = ""  # MMDD
    detail: str = ""
    amount: Money | None = None  # what was approved, where it differs from what was asked
    balance: str = ""  # DE 54 of a balance inquiry

    @property
    def is_approval(self) -> bool:
        """Whether this answer lets the merchant hand over the goods."""
        return self.response_code in APPROVED_CODES


# docs/rules.md 4; 10 counts only where the terminal accepts partial approval
APPROVED_CODES = frozenset({"00", "10", "11", "A2", "A4", "A5", "A6"})
