"""One line of the demo issuer's ledger: what came, what was done about it, what it moved."""

from typing import Final

import msgspec

# what an issuer does with money; outcomes of a debit, an authorization, a void or a credit
BOOKED_OUTCOMES: Final = frozenset({"approved", "late", "silent"})


class LedgerLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One message as the issuer took it.

    `op`: debit (sale, completion, advice), authorization (a hold), void, credit (refund), inquiry,
    reversal, network, unreadable; `mti` tells a request from an advice. `outcome` of what moves
    money: approved, late (booked, answered after the time-out), silent (booked, never answered),
    declined, ignored (as if it never came), already (a repeat of an advice or refund that was
    decided: answered as the first, nothing is done); of a reversal: reversed, already, ignored,
    not-booked (known, but nothing stands), unknown. `at` is epoch milliseconds.

    `original` is DE 90 as quoted, `original_rrn` the payment that it named if the issuer knows it.
    `moved_minor` is what this message took from the cardholder (negative: gave back), `held_minor`
    by how much it changed what is held on the card.
    """

    op: str
    outcome: str
    at: int
    rrn: str = ""
    stan: str = ""
    amount_minor: int = 0
    currency: str = ""
    response_code: str = ""
    terminal_id: str = ""
    merchant_id: str = ""
    masked_pan: str = ""
    mti: str = ""
    transmission_time: str = ""
    original: str = ""
    original_rrn: str = ""
    moved_minor: int = 0
    held_minor: int = 0
