"""How something that a cashier began has ended, in the terminal's own view."""

import enum

import msgspec


class Operation(enum.Enum):
    """What the cashier asked the terminal for."""

    SALE = "sale"
    REPEAT = "repeat"  # the last payment's message again
    REVERSAL = "reversal"  # take the last payment back


class OutcomeKind(enum.Enum):
    """Every end that an operation can come to."""

    APPROVED = "approved"
    DECLINED = "declined"  # answered no: nothing was debited, unless the answer says otherwise
    REVERSED = "reversed"  # no usable answer, or taken back on purpose; the switch confirmed
    REVERSAL_OWED = "reversal-owed"  # to be reversed, not confirmed yet: sent first next time
    REVERSAL_REFUSED = "reversal-refused"  # the reversal does not fit what the switch knows
    UNANSWERED = "unanswered"  # the cashier gave up waiting; the reversal is owed
    NOT_SENT = "not-sent"  # no connection: the message never left the terminal
    BLOCKED = "blocked"  # an earlier reversal is still owed, so nothing new was begun


class PosOutcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What happened, as a receipt or a script needs it.

    `response_code`, `reason` and `detail` are the answer's (of the reversal, if there was one and
    no answer to the payment could be used). `trouble` says why a payment had to be taken back.
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
    reason: str = ""
    detail: str = ""
    rrn: str = ""
    authorization_id: str = ""
    settlement_date: str = ""
    approved_minor: int | None = None  # where less was approved than asked for
    is_proven: bool = True  # False: the answer carried no MAC (it could not)
    trouble: str = ""
    owes_reversal: bool = False  # the terminal will send one before it begins anything new
    must_sign_on: bool = False
