"""Kinds of transactions, as a terminal's key (MTI, DE 3, DE 25, DE 60.1) names them."""

import enum


class TransactionType(enum.Enum):
    """What a request asks for; the value is the word used in the registry and the API."""

    SALE = "sale"
    SALE_VOID = "sale-void"
    REFUND = "refund"
    BALANCE_INQUIRY = "balance-inquiry"
    PRE_AUTHORIZATION = "pre-authorization"
    PRE_AUTHORIZATION_VOID = "pre-authorization-void"
    COMPLETION = "completion"
    COMPLETION_VOID = "completion-void"
    COMPLETION_ADVICE = "completion-advice"
    OFFLINE_ADVICE = "offline-advice"
    UNKNOWN = "unknown"


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
