"""What a terminal can do, as one table: the key of each message, and how the terminal treats it.

The table is the terminal's own view of docs/iso8583.md 2 and 5: a terminal is another party's
program, so it does not take these facts from the switch's rules; a test compares the two.
"""

import enum
from typing import Final, NamedTuple

from switch.domain.transactions import Side, WhenUnknown


class Operation(enum.Enum):
    """What a cashier may ask the terminal for."""

    SALE = "sale"
    INSTALMENT_SALE = "instalment-sale"
    VOID = "void"
    REFUND = "refund"
    PRE_AUTHORIZATION = "pre-authorization"
    PRE_AUTHORIZATION_VOID = "pre-authorization-void"
    COMPLETION = "completion"
    COMPLETION_VOID = "completion-void"
    COMPLETION_ADVICE = "completion-advice"
    OFFLINE = "offline"  # a sale that was taken without the line
    ADJUSTMENT = "adjustment"
    TIP = "tip"
    E_CASH_SALE = "e-cash-sale"
    E_CASH_REFUND = "e-cash-refund"
    BALANCE = "balance"
    SCRIPT_NOTICE = "script-notice"  # what became of the issuer's commands to the chip
    REPEAT = "repeat"  # the last payment's message again
    REVERSAL = "reversal"  # take the last payment back
    SIGN_ON = "sign-on"
    SIGN_OFF = "sign-off"
    ECHO = "echo"
    SETTLEMENT = "settlement"

    # members are compared by identity, so this is right; Enum's own is looked up in every table
    # of this package and takes five times as long
    __hash__ = object.__hash__


class Quotes(enum.Enum):
    """Which marks of an earlier payment a message carries, where the batch has a number."""

    NOTHING = "nothing"
    PAYMENT = "payment"  # DE 37, 38, and 61: batch and trace number
    DATED_PAYMENT = "dated-payment"  # the same, and its date
    AUTHORIZATION = "authorization"  # DE 38, and 61: only the date


class PaymentRow(NamedTuple):
    """A message about a card, by its key (MTI, DE 3, DE 25, DE 60.1)."""

    mti: str
    processing_code: str  # empty: that of the payment it quotes, like the two after it
    pos_condition_code: str
    transaction_code: str
    when_unanswered: WhenUnknown
    side: Side
    quotes: Quotes = Quotes.NOTHING
    originals: frozenset[Operation] = frozenset()  # what it may quote
    has_amount: bool = True
    needs_code: bool = False  # only where DE 60 tells it from another
    network_code: str = "000"  # DE 60.3

    @property
    def is_reversed(self) -> bool:
        """Whether the terminal takes it back when there is no usable answer."""
        return self.when_unanswered is WhenUnknown.REVERSE

    @property
    def is_resent(self) -> bool:
        """Whether the terminal sends it again until it is answered."""
        return self.when_unanswered is WhenUnknown.REPEAT


_O = Operation
_REVERSE, _RESEND, _END = WhenUnknown.REVERSE, WhenUnknown.REPEAT, WhenUnknown.END
_DEBIT, _CREDIT, _NEITHER = Side.DEBIT, Side.CREDIT, Side.NEITHER
_PAYMENT, _DATED = Quotes.PAYMENT, Quotes.DATED_PAYMENT
_AUTHORIZATION = Quotes.AUTHORIZATION
_SALES: Final = frozenset({_O.SALE, _O.INSTALMENT_SALE})
_AUTHORIZATIONS: Final = frozenset({_O.PRE_AUTHORIZATION})
_COMPLETIONS: Final = frozenset({_O.COMPLETION, _O.COMPLETION_ADVICE})
_ADJUSTABLE: Final = _COMPLETIONS | {_O.SALE, _O.OFFLINE}
_REFUNDABLE: Final = _ADJUSTABLE | {_O.INSTALMENT_SALE}  # an adjustment goes with its sale

PAYMENT_ROWS: Final = {
    _O.BALANCE: PaymentRow("0200", "310000", "00", "01", _END, _NEITHER, has_amount=False),
    _O.SALE: PaymentRow("0200", "000000", "00", "22", _REVERSE, _DEBIT),
    _O.INSTALMENT_SALE: PaymentRow("0200", "000000", "64", "22", _REVERSE, _DEBIT),
    _O.VOID: PaymentRow("0200", "200000", "00", "23", _REVERSE, _CREDIT, _PAYMENT, _SALES),
    _O.REFUND: PaymentRow("0220", "200000", "00", "25", _RESEND, _CREDIT, _DATED, _REFUNDABLE),
    _O.PRE_AUTHORIZATION: PaymentRow("0100", "030000", "06", "10", _REVERSE, _NEITHER),
    _O.PRE_AUTHORIZATION_VOID: PaymentRow(
        "0100", "200000", "06", "11", _REVERSE, _NEITHER, _AUTHORIZATION, _AUTHORIZATIONS
    ),
    _O.COMPLETION: PaymentRow(
        "0200", "000000", "06", "20", _REVERSE, _DEBIT, _AUTHORIZATION, _AUTHORIZATIONS
    ),
    _O.COMPLETION_VOID: PaymentRow(
        "0200", "200000", "06", "21", _REVERSE, _CREDIT, _PAYMENT, _COMPLETIONS
    ),
    _O.COMPLETION_ADVICE: PaymentRow(
        "0220", "000000", "06", "24", _RESEND, _DEBIT, _AUTHORIZATION, _AUTHORIZATIONS
    ),
    _O.OFFLINE: PaymentRow("0220", "000000", "00", "30", _RESEND, _DEBIT),
    _O.ADJUSTMENT: PaymentRow(
        "0220", "000000", "00", "32", _RESEND, _DEBIT, _PAYMENT, _ADJUSTABLE, needs_code=True
    ),
    _O.TIP: PaymentRow(
        "0220", "000000", "00", "34", _RESEND, _DEBIT, _PAYMENT, _ADJUSTABLE, needs_code=True
    ),
    _O.E_CASH_SALE: PaymentRow("0220", "000000", "00", "36", _RESEND, _DEBIT, needs_code=True),
    _O.E_CASH_REFUND: PaymentRow(
        "0200",
        "200000",
        "00",
        "27",
        _RESEND,
        _CREDIT,
        _DATED,
        frozenset({_O.E_CASH_SALE}),
        needs_code=True,
    ),
    _O.SCRIPT_NOTICE: PaymentRow(
        "0620",
        "",
        "",
        "",
        _RESEND,
        _NEITHER,
        _DATED,
        _SALES | _AUTHORIZATIONS | _COMPLETIONS,
        has_amount=False,
        needs_code=True,
        network_code="951",
    ),
}
# advices tell what has happened already: no line is no reason to forget them
ADVICES: Final = frozenset(
    {
        _O.COMPLETION_ADVICE,
        _O.OFFLINE,
        _O.ADJUSTMENT,
        _O.TIP,
        _O.E_CASH_SALE,
        _O.SCRIPT_NOTICE,
    }
)


class ManagementRow(NamedTuple):
    """A message of the terminal itself, by its MTI and network management code."""

    mti: str
    network_code: str  # DE 60.3, or DE 70 where there is no DE 60
    has_mac: bool = False


SIGN_ON_MTI: Final = "0800"  # its DE 60.3 is the key scheme
SIGN_OFF: Final = ManagementRow("0820", "002")
ECHO: Final = ManagementRow("0820", "301")
PLAIN_ECHO: Final = ManagementRow("0800", "301")  # where there is no DE 60
BATCH_TOTALS: Final = ManagementRow("0500", "201")
UPLOAD_LIST: Final = ManagementRow("0320", "201", has_mac=True)
UPLOAD_END_UNBALANCED: Final = ManagementRow("0320", "202", has_mac=True)
UPLOAD_END_BALANCED: Final = ManagementRow("0320", "207", has_mac=True)
# what is owed goes first; a sign-on may be what makes sending it possible, an echo is no business
CLEARS_FIRST: Final = frozenset({_O.SIGN_OFF, _O.SETTLEMENT})
UNPROVEN_CLASSES: Final = frozenset("58")  # second digits of the MTIs that carry no MAC
