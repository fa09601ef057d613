"""What each terminal remembers of its payments: sent, told, and what it believes in the end."""

from enum import Enum

import msgspec

from tests.simulation.kinds import Kind

REMEMBERED_MS = 6 * 86_400_000  # how long a switch knows a key at the least (docs/rules.md 2)


class Belief(Enum):
    """How a payment ended, as its terminal and its cardholder see it."""

    OPEN = "open"
    APPROVED = "approved"
    DECLINED = "declined"
    REVERSED = "reversed"  # an 0400 was answered 00
    REFUSED = "refused"  # an 0400 was answered 25
    AWAITED = "awaited"  # a refund that was answered 98: its switch goes on asking
    DOUBTED = "doubted"  # an 0400 was sent of what had been settled, and not answered so far
    UNSENT = "unsent"  # no copy ever left
    ENDED = "ended"  # an inquiry that nobody answered


class Told(msgspec.Struct, frozen=True, gc=False):
    """One answer that reached a terminal."""

    ticket: int
    at_ms: int
    message_class: str
    amount_minor: int  # of the request that it answers, as far as the terminal can tell
    code: str
    rrn: str
    authorization_id: str
    is_heeded: bool  # the terminal was still waiting for it
    is_proven: bool
    content: bytes


class PaymentMemory:
    """One payment of one terminal under one key."""

    __slots__ = (
        "altered_minor",
        "amount_minor",
        "authorization_id",
        "batch",
        "began_ms",
        "belief",
        "course",
        "date",
        "fields",
        "key",
        "kind",
        "original",
        "owed_reason",
        "reversal_key",
        "rrn",
        "sent",
        "stan",
        "told",
        "touches",
    )

    def __init__(
        self, kind: Kind, key: str, fields: dict, *, amount_minor: int, batch: str, began_ms: int
    ) -> None:
        self.kind = kind
        self.key = key
        self.fields = fields
        self.stan: str = fields["stan"]
        self.batch = batch
        self.amount_minor = amount_minor
        self.began_ms = began_ms
        self.belief = Belief.OPEN
        self.rrn = ""
        self.authorization_id = ""
        self.date = ""
        self.original: PaymentMemory | None = None
        self.touches: list[PaymentMemory] = []  # what was asked about it since, by any terminal
        self.told: list[Told] = []
        self.sent: list[tuple[int, int, str, int]] = []  # ticket, time, MTI, amount
        self.reversal_key = ""
        self.owed_reason = ""
        self.altered_minor = 0  # a copy with this other amount was sent under the same key
        self.course = ""

    @property
    def pan(self) -> str:
        return self.fields["pan"]
