"""How something that a cashier began has ended, in the terminal's own view."""

import enum

import msgspec

from switch.terminal.batch import BatchTotals
from switch.terminal.operations import Operation


class OutcomeKind(enum.Enum):
    """Every end that an operation can come to."""

    APPROVED = "approved"
    DECLINED = "declined"  # answered no: nothing was debited, unless the answer says otherwise
    REVERSED = "reversed"  # no usable answer, or taken back on purpose; the switch confirmed
    REVERSAL_OWED = "reversal-owed"  # to be reversed, not confirmed yet: sent first next time
    REVERSAL_REFUSED = "reversal-refused"  # the reversal does not fit what the switch knows
    UNANSWERED = "unanswered"  # the cashier gave up waiting; the reversal is owed
    NOT_SENT = "not-sent"  # no connection: the message never left the terminal
    BLOCKED = "blocked"  # something earlier is still owed, so nothing new was begun
    REPEAT_OWED = "repeat-owed"  # a refund or an advice without an answer: sent again next time
    UNBALANCED = "unbalanced"  # the batch is closed, and the switch counts otherwise
    KEYS_WRONG = "keys-wrong"  # a working key does not have its check value: not signed on


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """What an account holds, as its issuer says; `minor` is negative if it is overdrawn."""

    account_type: str
    amount_type: str  # 01 ledger balance, 02 available
    minor: int
    currency: str


class Settlement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What both sides counted in the batch that was closed."""

    totals: BatchTotals
    switch_totals: BatchTotals | None = None  # None: its answer did not say
    is_balanced: bool = False
    uploaded_count: int = 0
    batch: str = ""  # the one that was closed


class Earlier(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What became of a payment that was still owed something when an operation began.

    `kind` is the end that it has come to now: it is taken back, or answered after all; or still
    owed, and then nothing new was begun.
    """

    operation: Operation
    stan: str
    amount_minor: int
    currency: str
    kind: OutcomeKind


class PosOutcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What happened, as a receipt or a script needs it.

    `response_code` is the answer's to what was asked for; where that had to be taken back, for the
    `trouble`, the code of the reversal is `reversal_code`: its 00 approves nothing. `reason` and
    `detail` are those of the last answer.
    """

    operation: Operation
    kind: OutcomeKind
    terminal_id: str
    merchant_id: str
    batch: str
    stan: str
    amount_minor: int
    currency: str
    masked_pan: str
    at: int  # epoch milliseconds
    response_code: str = ""
    reversal_code: str = ""
    reason: str = ""
    detail: str = ""
    rrn: str = ""
    authorization_id: str = ""
    settlement_date: str = ""
    approved_minor: int | None = None  # where less was approved than asked for
    is_proven: bool = True  # False: the answer carried no MAC (it could not)
    trouble: str = ""
    owes_reversal: bool = False  # the terminal will send one before it begins anything new
    owes_repeat: bool = False  # so with the message of this payment
    about: Operation | None = None  # what is repeated or reversed
    original_rrn: str = ""  # the earlier payment that it concerns
    balances: tuple[Balance, ...] = ()
    settlement: Settlement | None = None
    earlier: Earlier | None = None  # what was owed before and had to be done first
    must_sign_on: bool = False
    keys_merchant_id: str = ""  # a MAC was refused, and its key is of a sign-on as this merchant
