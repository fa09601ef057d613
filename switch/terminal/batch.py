"""The terminal's own book: what it was approved, what counts in a batch, what can be quoted."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from switch.domain.card import bin_of
from switch.domain.transactions import Side
from switch.terminal.operations import PAYMENT_ROWS, Operation
from switch.terminal.orders import Original, PaymentOrder

SIDE_COUNT_MAX: Final = 999  # DE 48 counts a side of the batch in three digits
SIDE_MINOR_MAX: Final = 999_999_999_999  # and adds it up in twelve
HISTORY_COUNT_MAX: Final = 500  # payments of closed batches, for refunds; the oldest go first
UPLOAD_ITEM_COUNT_MAX: Final = 8  # an upload list holds no more
_VOIDS: Final = frozenset(
    {Operation.VOID, Operation.PRE_AUTHORIZATION_VOID, Operation.COMPLETION_VOID}
)


class KeptPayment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An approved payment, as far as the batch and later messages need it; holds the card."""

    operation: Operation
    mti: str
    batch: str
    stan: str
    amount_minor: int
    currency: str
    pan: str
    expiration_date: str = ""
    rrn: str = ""
    authorization_id: str = ""
    date: str = ""  # MMDD, of the answer
    transmission_time: str = ""
    original_rrn: str = ""
    is_reversed: bool = False

    def __repr__(self) -> str:
        """Hide the card."""
        return f"KeptPayment({self.operation.value}, {self.stan!r}, BIN {bin_of(self.pan)})"

    __str__ = __repr__

    @property
    def original(self) -> Original:
        """Its marks, for a message that quotes it."""
        return Original(
            operation=self.operation,
            rrn=self.rrn,
            batch=self.batch,
            stan=self.stan,
            date=self.date,
            authorization_id=self.authorization_id,
            mti=self.mti,
            transmission_time=self.transmission_time,
        )


class BatchTotals(NamedTuple):
    """What counts in a batch; amounts in minor units."""

    debit_minor: int = 0
    debit_count: int = 0
    credit_minor: int = 0
    credit_count: int = 0


def list_counted(payments: Iterable[KeptPayment], batch: str) -> Iterator[KeptPayment]:
    """Give what counts in a batch's totals: reversed payments and authorizations do not."""
    for payment in payments:
        counts = PAYMENT_ROWS[payment.operation].side is not Side.NEITHER
        if counts and payment.batch == batch and not payment.is_reversed:
            yield payment


def add_up(payments: Iterable[KeptPayment], batch: str) -> BatchTotals:
    """
    Add up a batch: a voided sale stays on the debit side, its void is on the other.

    Each counts with DE 4 of its message, also an adjustment, whose DE 4 is a new total.
    """
    sums = {Side.DEBIT: [0, 0], Side.CREDIT: [0, 0]}
    for payment in list_counted(payments, batch):
        side = sums[PAYMENT_ROWS[payment.operation].side]
        side[0] += payment.amount_minor
        side[1] += 1
    return BatchTotals(*sums[Side.DEBIT], *sums[Side.CREDIT])


def is_full(payments: Sequence[KeptPayment], batch: str) -> bool:
    """Tell whether a batch holds as much as its totals can count."""
    if len(payments) < SIDE_COUNT_MAX:
        return False
    totals = add_up(payments, batch)
    return max(totals.debit_count, totals.credit_count) >= SIDE_COUNT_MAX


def page_upload(payments: Iterable[KeptPayment], batch: str) -> list[list[dict[str, str]]]:
    """Put what counts in a batch on lists, as the parts of `upload_list` (DE 48)."""
    items = [
        {
            "card_kind": "00",
            "item_stan": payment.stan,
            "item_pan": payment.pan,
            "item_amount": str(payment.amount_minor),
        }
        for payment in list_counted(payments, batch)
    ]
    starts = range(0, len(items), UPLOAD_ITEM_COUNT_MAX)
    return [items[start : start + UPLOAD_ITEM_COUNT_MAX] for start in starts]


def find_original(
    payments: Sequence[KeptPayment],
    operation: Operation,
    *,
    stan: str = "",
    batch: str = "",
    rrn: str = "",
) -> KeptPayment | None:
    """
    Find the payment that an operation would quote: the one that is named, else the last fit one.

    Fit is what may be quoted and was neither reversed nor voided; a payment that is named need not
    be: whether it can be voided is the switch's to say.
    """
    allowed = PAYMENT_ROWS[operation].originals
    is_named = bool(stan or rrn)
    voided = {
        payment.original_rrn
        for payment in payments
        if payment.operation in _VOIDS and not payment.is_reversed
    }
    for payment in reversed(payments):
        is_wanted = (
            stan in {"", payment.stan}
            and batch in {"", payment.batch}
            and rrn in {"", payment.rrn}
            and payment.operation in allowed
        )
        is_fit = not payment.is_reversed and payment.rrn not in voided
        if is_wanted and (is_fit or is_named):
            return payment
    return None


def order_on(
    payment: KeptPayment, operation: Operation, amount_minor: int | None = None
) -> PaymentOrder:
    """Order an operation on a payment: with its card, currency and, unless given, amount."""
    return PaymentOrder(
        operation=operation,
        pan=payment.pan,
        amount_minor=payment.amount_minor if amount_minor is None else amount_minor,
        expiration_date=payment.expiration_date,
        currency=payment.currency,
        original=payment.original,
    )
