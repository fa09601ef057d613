"""What a terminal asks about itself, in domain words (made by `handlers/translate_management`)."""

import enum

import msgspec

from switch.domain.card import Card
from switch.domain.payment.requests import OriginalReference


class Operation(enum.Enum):
    """What a terminal wants that is no payment; the value is written to the journal."""

    SIGN_ON = "sign-on"
    SIGN_OFF = "sign-off"
    ECHO = "echo"
    SCRIPT_NOTICE = "script-notice"  # what became of an issuer's commands to a chip
    SETTLEMENT = "settlement"
    UPLOAD = "upload"
    UPLOAD_END = "upload-end"
    UNKNOWN = "unknown"


class BatchTotals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Sums and counts of one batch in one currency, minor units (docs/iso8583.md 5)."""

    debit_minor: int = 0
    debit_count: int = 0
    credit_minor: int = 0
    credit_count: int = 0


class UploadItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One transaction of a batch as its terminal uploads it; the card as token and mask only."""

    stan: str
    amount_minor: int
    token: str = ""
    token_key_id: str = ""
    masked_pan: str = ""

    def is_same(self, other: "UploadItem") -> bool:
        """Compare STAN, amount and card; tokens of two keys say nothing, then masks must do."""
        same_card = (
            self.token == other.token
            if self.token_key_id == other.token_key_id
            else self.masked_pan == other.masked_pan
        )
        return same_card and (self.stan, self.amount_minor) == (other.stan, other.amount_minor)


class TerminalRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    One message of a terminal that is no payment, normalised; it holds no secret.

    Times are epoch milliseconds (UTC) of the gateway. `network_code` is DE 60.3, else DE 70.
    `claimed` are the terminal's own totals, domestic and foreign cards together. `items` are what
    an upload holds, `item_count` how many transactions its end says there were.
    """

    operation: Operation
    idempotency_key: str
    fingerprint: str
    channel: str
    acquirer: str
    merchant_id: str
    terminal_id: str
    stan: str
    mti: str
    received_at: int
    deadline_at: int
    network_code: str = ""
    batch: str = ""
    currency: str = ""
    key_version: int = 0  # of the working keys that its MAC was proven with; 0: the registry's
    claimed: BatchTotals | None = None
    items: tuple[UploadItem, ...] = ()
    item_count: int = 0
    card: Card | None = None
    original: OriginalReference | None = None
    script_result: str = ""  # tag DF31, hex

    @property
    def till(self) -> tuple[str, str, str]:
        """Name the terminal in its partition."""
        return (self.acquirer, self.merchant_id, self.terminal_id)
