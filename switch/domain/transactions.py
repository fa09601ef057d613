"""Kinds of transactions, as a terminal's key (MTI, DE 3, DE 25, DE 60.1) names them."""

import enum
from typing import Final

import msgspec


class TransactionType(enum.Enum):
    """What a request asks for; the value is the word used in the registry and the API."""

    SALE = "sale"
    INSTALMENT_SALE = "instalment-sale"
    SALE_VOID = "sale-void"
    REFUND = "refund"
    BALANCE_INQUIRY = "balance-inquiry"
    PRE_AUTHORIZATION = "pre-authorization"
    PRE_AUTHORIZATION_VOID = "pre-authorization-void"
    COMPLETION = "completion"
    COMPLETION_VOID = "completion-void"
    COMPLETION_ADVICE = "completion-advice"
    OFFLINE_ADVICE = "offline-advice"
    ADJUSTMENT_ADVICE = "adjustment-advice"
    UNKNOWN = "unknown"

    __hash__ = object.__hash__  # by identity, in C: looked up several times a payment


class WhenUnknown(enum.Enum):
    """What is done about a request that its issuer does not answer (docs/rules.md 4)."""

    REVERSE = "reverse"  # it may have taken money, or given back what must then stay
    REPEAT = "repeat"  # reversing it would take money: it is repeated until answered
    END = "end"  # it moves nothing


class Side(enum.Enum):
    """Where a transaction counts in its terminal's batch totals (docs/iso8583.md 5)."""

    DEBIT = "debit"
    CREDIT = "credit"
    NEITHER = "neither"


class Traits(msgspec.Struct, frozen=True, gc=False):
    """What the rules need to know of a kind of transaction."""

    side: Side = Side.NEITHER
    when_unknown: WhenUnknown = WhenUnknown.REVERSE
    originals: frozenset[TransactionType] = frozenset()  # kinds it may change; empty: it has none
    takes_limits: bool = False  # counts against a merchant's daily limits
    is_advice: bool = False  # it reports what has happened, so it is recorded and then told on
    has_amount: bool = True


_T = TransactionType
_SALES: Final = frozenset({_T.SALE, _T.INSTALMENT_SALE})
_PRE_AUTHORIZATIONS: Final = frozenset({_T.PRE_AUTHORIZATION})
_COMPLETIONS: Final = frozenset({_T.COMPLETION, _T.COMPLETION_ADVICE})
# an adjustment is given back with the sale that it adjusts (docs/adr/0026)
_REFUNDABLE: Final = frozenset(
    {_T.SALE, _T.INSTALMENT_SALE, _T.COMPLETION, _T.COMPLETION_ADVICE, _T.OFFLINE_ADVICE}
)

TRAITS: Final = {
    _T.SALE: Traits(Side.DEBIT, takes_limits=True),
    _T.INSTALMENT_SALE: Traits(Side.DEBIT, takes_limits=True),
    _T.SALE_VOID: Traits(Side.CREDIT, originals=_SALES),
    _T.REFUND: Traits(Side.CREDIT, WhenUnknown.REPEAT, originals=_REFUNDABLE),
    _T.BALANCE_INQUIRY: Traits(when_unknown=WhenUnknown.END, has_amount=False),
    _T.PRE_AUTHORIZATION: Traits(takes_limits=True),
    _T.PRE_AUTHORIZATION_VOID: Traits(originals=_PRE_AUTHORIZATIONS),
    _T.COMPLETION: Traits(Side.DEBIT, originals=_PRE_AUTHORIZATIONS),
    _T.COMPLETION_VOID: Traits(Side.CREDIT, originals=_COMPLETIONS),
    _T.COMPLETION_ADVICE: Traits(
        Side.DEBIT, WhenUnknown.REPEAT, originals=_PRE_AUTHORIZATIONS, is_advice=True
    ),
    _T.OFFLINE_ADVICE: Traits(Side.DEBIT, WhenUnknown.REPEAT, is_advice=True),
    _T.ADJUSTMENT_ADVICE: Traits(
        Side.DEBIT,
        WhenUnknown.REPEAT,
        originals=frozenset({_T.SALE, _T.OFFLINE_ADVICE, _T.COMPLETION, _T.COMPLETION_ADVICE}),
        is_advice=True,
    ),
    _T.UNKNOWN: Traits(),
}
assert set(TRAITS) == set(TransactionType), "a transaction without traits"


class MoneyState(enum.Enum):
    """Where the cardholder's money is, as far as the switch knows."""

    NOT_DEBITED = "not-debited"
    DEBITED = "debited"
    UNKNOWN = "unknown"
    RETURNING = "returning"  # debited or unknown, and the reversal is on its way
    RETURNED = "returned"


class Retry(enum.Enum):
    """Whether and how the one who asked may try again."""

    NEVER = "never"
    AFTER_REMEDY = "after-remedy"
    SAME_KEY = "same-key"
    NEW_ATTEMPT = "new-attempt"


class Actor(enum.Enum):
    """Who must act next."""

    NOBODY = "nobody"
    CARDHOLDER = "cardholder"
    MERCHANT = "merchant"
    ACQUIRER = "acquirer"
    SWITCH = "switch"
