"""What terminals remember of what they sent and were told: the judge's third witness."""

from typing import NamedTuple

from loadtest.told import Told

# reasons that a gateway gives by itself: nothing of the request was handed to the log
NOT_HANDED_OVER = frozenset({"gateway-busy", "log-unavailable"})


class Exchange(NamedTuple):
    """
    One message of a terminal and what came of it; `code` is empty if it heard nothing.

    `kind`: sale, repeat (of a sale), conflict (its key, another amount), reversal. `reason` is what
    DE 63 says. `mac_valid` is None where nothing was heard or the answer has no MAC.
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

    @property
    def key(self):
        """The idempotency key of the payment that this is about (docs/rules.md 1)."""
        parts = (self.acquirer, self.merchant_id, self.terminal_id, self.batch, self.stan)
        return "|".join((*parts, "payment"))

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
