"""What a cashier keys in: an operation, an amount, a card, and the earlier payment it concerns."""

import msgspec

from switch.domain.card import bin_of
from switch.terminal.operations import Operation


class Original(msgspec.Struct, frozen=True, kw_only=True):
    """
    The marks of an earlier payment, as its receipt shows them; empty where they are not known.

    `date` is MMDD; `mti` and `transmission_time` are quoted where payments have no batch.
    """

    operation: Operation = Operation.SALE
    rrn: str = ""
    batch: str = ""
    stan: str = ""
    date: str = ""
    authorization_id: str = ""
    mti: str = ""
    transmission_time: str = ""


class PaymentOrder(msgspec.Struct, frozen=True, kw_only=True):
    """
    One message about a card; `expiration_date` is YYMM.

    `pin` is what the cardholder keys in: it goes into the PIN block and nowhere else.
    `authorization_id` is one that was given over the telephone, for an offline sale.
    """

    operation: Operation
    pan: str
    amount_minor: int = 0
    expiration_date: str = ""
    currency: str = "156"
    pos_entry_mode: str = "012"
    original: Original | None = None
    authorization_id: str = ""
    pin: str = ""
    icc_data: bytes = b""

    def __repr__(self) -> str:
        """Hide card and PIN."""
        name = type(self).__name__
        return f"{name}({self.operation.value}, {self.amount_minor}, BIN {bin_of(self.pan)})"

    __str__ = __repr__


class SaleOrder(PaymentOrder, frozen=True, kw_only=True):
    """The most frequent order."""

    operation: Operation = Operation.SALE
