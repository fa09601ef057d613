"""A JSON request as the HTTP shell hands it in, and how the inbound log names its parts."""

import msgspec

from switch.domain.identifiers import make_partition_key
from switch.gateway.normalise import CardNumber, FormatFault, check_card_number

CHANNEL = "json"


class JsonPayment(msgspec.Struct, frozen=True, kw_only=True):
    """
    One request over HTTP, in domain words; its shape is checked, its client known.

    `operation` is empty for a new payment, whose card is `pan` and `expiration_date` (YYMM), or a
    `card_token`. Otherwise it is `void`, `refund`, `capture` or `reverse`, of the payment under
    `original_rrn`; the card is that one's, and so is an amount that is not stated. `status_url` is
    where the client finds the outcome if there is none by the deadline.
    """

    acquirer: str
    client_id: str
    merchant_id: str
    idempotency_key: str
    amount_minor: int | None = None
    currency: str = ""
    operation: str = ""
    transaction: str = "sale"
    original_rrn: str = ""
    pan: str = ""
    expiration_date: str = ""
    card_token: str = ""
    store_id: str = ""
    status_url: str = ""

    channel = CHANNEL

    def __repr__(self) -> str:
        """Hide the card."""
        return f"JsonPayment({self.client_id!r}, {self.merchant_id!r}, <hidden>)"

    __str__ = __repr__

    @property
    def partition_key(self) -> str:
        """Where the request is decided."""
        return make_partition_key(self.acquirer, self.merchant_id)

    def fields(self) -> dict[str, str]:
        """Name the parts as RequestReceived.fields holds them: text, without the PAN."""
        fields = {
            "client_id": self.client_id,
            "merchant_id": self.merchant_id,
            "idempotency_key": self.idempotency_key,
        }
        if self.operation:
            fields["operation"] = self.operation
            fields["original_rrn"] = self.original_rrn
        else:
            fields["transaction"] = self.transaction
        if self.amount_minor is not None:
            fields["amount_minor"] = str(self.amount_minor)
            fields["currency"] = self.currency
        if self.store_id:
            fields["store_id"] = self.store_id
        if self.card_token:
            fields["card_token"] = self.card_token
        return fields

    def card_number(self) -> CardNumber | None:
        """
        Return the card's number, None where a token or an original stands for it.

        Raises:
            FormatFault: neither, or a number that cannot be one.
        """
        if self.pan:
            return check_card_number("card.pan", self.pan, self.expiration_date)
        if not self.card_token and not self.operation:
            raise FormatFault("card", "neither pan nor card_token")
        return None
