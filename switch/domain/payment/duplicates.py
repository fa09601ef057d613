"""
The cashier's duplicate: the same card and amount keyed in again under a new trace number.

No protocol can see it (docs/rules.md 1 covers repeats of one message); so the merchant says what is
to be done while the first is open, or for a while after it was approved.
"""

from typing import Final

from switch.domain.payment.payment import Payment, Phase
from switch.domain.payment.requests import PaymentRequest
from switch.domain.registry.entities import DuplicatePolicy, Merchant
from switch.domain.transactions import TransactionType

DEBITS: Final = frozenset(
    {
        TransactionType.SALE,
        TransactionType.INSTALMENT_SALE,
        TransactionType.PRE_AUTHORIZATION,
    }
)
_UNKNOWN: Final = frozenset({Phase.ROUTED, Phase.REVERSING})


def find_suspicion(
    request: PaymentRequest, merchant: Merchant, earlier: Payment | None, at: int
) -> Payment | None:
    """
    Return the earlier payment that this one seems to do again, if the merchant cares.

    `earlier` is the last payment of the same terminal with this card and amount. One that its
    terminal has taken back is over for the cashier, whatever the issuer still has to say.
    """
    if earlier is None or request.transaction not in DEBITS or earlier.reverse_requested:
        return None
    if merchant.duplicate_policy is DuplicatePolicy.OFF:
        return None
    if earlier.phase in _UNKNOWN:
        return earlier
    is_recent = at - earlier.opened_at < merchant.duplicate_window_s * 1000
    return earlier if is_recent and earlier.phase is Phase.APPROVED else None
