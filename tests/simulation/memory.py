"""What each terminal remembers of its payments: sent, told, and what it believes in the end."""

from enum import Enum
from typing import NamedTuple


class Belief(Enum):
    """How a payment ended, as its terminal and its cardholder see it."""

    OPEN = "open"
    APPROVED = "approved"
    DECLINED = "declined"
    REVERSED = "reversed"  # an 0400 was answered 00
    REFUSED = "refused"  # an 0400 was answered 25
    UNSENT = "unsent"  # no copy ever left


class Told(NamedTuple):
    """One answer that reached a terminal."""

    ticket: int
    at_ms: int
    message_class: str
    amount_minor: int  # of the request that it answers, as far as the terminal can tell
    code: str
    rrn: str
    authorization_id: str
    approved_minor: int
    is_heeded: bool  # the terminal was still waiting for it
    is_proven: bool
    content: bytes


class PaymentMemory:
    """One payment of one terminal under one key."""

    __slots__ = (
        "altered_minor",
        "amount_minor",
        "began_ms",
        "belief",
        "course",
        "fields",
        "key",
        "kind",
        "owed_reason",
        "reversal_key",
        "sent",
        "stan",
        "told",
    )

    def __init__(self, key: str, kind: str, stan: str, amount_minor: int, began_ms: int) -> None:
        self.key = key
        self.kind = kind
        self.stan = stan
        self.amount_minor = amount_minor
        self.began_ms = began_ms
        self.belief = Belief.OPEN
        self.told: list[Told] = []
        self.sent: list[tuple[int, int, str, int]] = []  # ticket, time, MTI, amount
        self.reversal_key = ""
        self.owed_reason = ""
        self.altered_minor = 0  # a copy with this other amount was sent under the same key
        self.course = ""
        self.fields: dict = {}
