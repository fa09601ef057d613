"""What terminals remember of what they sent and were told: the judge's third witness."""

from typing import NamedTuple

from loadtest.told import Told

# reasons that a gateway gives by itself: nothing of the request was handed to the log
NOT_HANDED_OVER = frozenset({"gateway-busy", "log-unavailable"})
# what is no payment: a terminal's own business
MANAGEMENT = frozenset({"sign-on", "sign-off", "settlement", "upload", "upload-end"})
# what the journal calls what a terminal asks for
TRANSACTIONS = {
    "sale": "sale",
    "void": "sale-void",
    "refund": "refund",
    "balance": "balance-inquiry",
    "pre-authorization": "pre-authorization",
    "pre-authorization-void": "pre-authorization-void",
    "completion": "completion",
    "completion-void": "completion-void",
    "completion-advice": "completion-advice",
    "offline": "offline-advice",
    "tip": "adjustment-advice",
}


class Totals(NamedTuple):
    """What counts in a batch, minor units."""

    debit_minor: int = 0
    debit_count: int = 0
    credit_minor: int = 0
    credit_count: int = 0


class Exchange(NamedTuple):
    """
    One message of a terminal and what came of it; `code` is empty if it heard nothing.

    `kind`: what is asked (`TRANSACTIONS`, `MANAGEMENT`), repeat (of any payment), conflict (its
    key, another amount), reversal. `operation` is what is repeated or reversed. `reason` is what
    DE 63 says. `mac_valid` is None where nothing was heard or the answer has no MAC. `totals` are
    the switch's of a batch, `balance_flag` what it thinks of the terminal's.
    """

    kind: str
    acquirer: str
    merchant_id: str
    terminal_id: str
    batch: str
    stan: str
    amount_minor: int
    sent_at: int  # epoch ms
    ended_at: int
    code: str = ""
    rrn: str = ""
    authorization_id: str = ""
    reason: str = ""
    mac_valid: bool | None = None
    operation: str = "sale"
    totals: Totals | None = None
    balance_flag: str = ""

    @property
    def is_payment(self):
        """Whether it asks for one, or for one again."""
        return self.kind not in {"reversal", "conflict"} and self.kind not in MANAGEMENT

    @property
    def till_batch(self):
        """Names a batch of its terminal."""
        return f"{self.acquirer}|{self.merchant_id}|{self.terminal_id}|{self.batch}"

    @property
    def key(self):
        """The idempotency key of the payment that this is about (docs/rules.md 1)."""
        return f"{self.till_batch}|{self.stan}|payment"

    def as_told(self):
        """Return it in the words of the load tool's audit."""
        return Told(
            kind=self.kind,
            acquirer=self.acquirer,
            merchant_id=self.merchant_id,
            terminal_id=self.terminal_id,
            batch=self.batch,
            stan=self.stan,
            amount_minor=self.amount_minor,
            at=self.ended_at,
            response_code=self.code,
            rrn=self.rrn,
            authorization_id=self.authorization_id,
            mac_valid=self.mac_valid,
        )
