"""One transaction as its journal records left it: a payment, or what was done about one."""

import enum

import msgspec

from switch.domain.fees import FeePlan
from switch.domain.money import Money
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.transactions import (
    TRAITS,
    MoneyState,
    Side,
    Traits,
    TransactionType,
    WhenUnknown,
)


class Phase(enum.Enum):
    """Where a payment stands; the value is what people and the API see."""

    REQUESTED = "requested"  # only between two events of one record
    ROUTED = "routed"
    APPROVED = "approved"
    DECLINED = "declined"
    REVERSING = "reversing"
    REVERSED = "reversed"
    REPEATING = "repeating"  # a refund without an answer: repeated until it has one
    CASE = "case"  # a person must look; nothing more is sent

    __hash__ = object.__hash__  # by identity, in C: looked up several times a payment


class RouteTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the registry said when the payment was routed, as far as later steps need it."""

    issuer_id: str
    link: str
    merchant_type: str
    fee_plan: FeePlan
    agent_id: str = ""
    store_id: str = ""


class SettlementLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    The settlement effect of one event in minor units; money given back is negative.

    `net_minor = gross_minor - fee_minor`; `settlement_date` is MMDD resolved to a full date
    (YYYY-MM-DD). `transaction` is the kind of the one that settles, or that is taken back.
    """

    acquirer: str
    merchant_id: str
    settlement_date: str
    currency: str
    gross_minor: int
    fee_minor: int
    terminal_id: str = ""
    batch: str = ""
    agent_id: str = ""
    transaction: TransactionType = TransactionType.SALE

    @property
    def net_minor(self) -> int:
        """What the merchant is owed for this line."""
        return self.gross_minor - self.fee_minor


class Touch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    What another transaction does to this one: `rrn` voids, refunds or completes `minor` of it.

    `is_done` is false while that one's outcome is open: until then it holds what it touches.
    `fee_minor` is the fee of what an adjustment adds, or (negative) what a refund gave back;
    `is_told` is false while the issuer has not yet taken an adjustment; `returned_minor` was
    refunded of an adjustment itself, before it was given back with its sale (docs/adr/0026).
    """

    rrn: str
    transaction: TransactionType
    minor: int
    is_done: bool = False
    fee_minor: int = 0
    is_told: bool = True
    returned_minor: int = 0


class Payment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    One payment as its journal records left it.

    `answer` is what its terminal is told; `line` its settlement effect, if it has one.
    `original_rrn` names the payment that this one changes, `touches` those that change this one.
    `sent_amount` is what the issuer was asked for, where it is not what the terminal asked.
    `debit_answered`: the issuer answered, at whatever time. `advice_open`: it was accepted without
    the issuer, who must still take it. `reverse_requested`: it was taken back.
    `is_taken_for_reversed`: its terminal was told so, although that could not be done.
    `reversal_codes`: the issuer's answers to the reversals so far. `confirm_after_attempt`: how
    many reversals had gone out when the issuer first answered one of a debit that it had not
    answered, or when it answered that debit; one more must follow. 0: none need.
    `debit_contradicted`: a second answer to the debit opened a case. `warning`: what its cashier
    is told if it is approved.
    """

    rrn: str
    request: PaymentRequest
    opened_at: int = 0
    phase: Phase = Phase.REQUESTED
    terms: RouteTerms | None = None
    upstream_stan: str = ""
    transmission_time: str = ""
    sent_amount: Money | None = None
    answer: Answer | None = None
    line: SettlementLine | None = None
    original_rrn: str = ""
    touches: tuple[Touch, ...] = ()
    debit_answered: bool = False
    advice_open: bool = False
    repeat_attempt_count: int = 0
    bad_answer_count: int = 0  # answers to repeats that said nothing
    reverse_requested: bool = False
    is_taken_for_reversed: bool = False
    reversal_attempt_count: int = 0
    reversal_times: tuple[str, ...] = ()  # DE 7 of the last attempts
    reversal_codes: tuple[str, ...] = ()
    confirm_after_attempt: int = 0
    debit_contradicted: bool = False
    warning: str = ""

    @property
    def transaction(self) -> TransactionType:
        """What kind of transaction this is."""
        return self.request.transaction

    @property
    def traits(self) -> Traits:
        """What the rules need to know of its kind."""
        return TRAITS[self.request.transaction]

    @property
    def amount(self) -> Money | None:
        """What the issuer is asked for."""
        return self.sent_amount or self.request.amount

    @property
    def approved_minor(self) -> int:
        """What was approved: less than was asked for after a partial approval; 0 if nothing."""
        answer = self.answer
        if answer is None or not answer.is_approval:
            return 0
        amount = answer.amount or self.amount
        return amount.minor if amount else 0

    @property
    def is_forwarding(self) -> bool:
        """Whether its issuer must still be told something, however often it takes."""
        return self.advice_open or self.phase in _FORWARDING

    @property
    def is_open(self) -> bool:
        """Whether something is still to happen between the switch and its issuer."""
        return self.phase is Phase.ROUTED or self.is_forwarding

    @property
    def money_state(self) -> MoneyState:
        """Where the cardholder's money is, as far as this journal knows."""
        return money_state_of(self.transaction, self.phase)


# looked at several times a payment: a set of members is found faster than each by its name
_FORWARDING = frozenset({Phase.REVERSING, Phase.REPEATING})


def money_state_of(transaction: TransactionType, phase: Phase) -> MoneyState:
    """
    Say where the money of a transaction in this phase is.

    Of a void or a refund it is the money that it gives back; a balance inquiry has none. What is
    held, and what is released, was not debited.
    """
    if TRAITS[transaction].when_unknown is WhenUnknown.END:
        return MoneyState.NOT_DEBITED
    state = (_GIVING_BACK if gives_back(transaction) else _MONEY_STATES)[phase]
    is_known = state in {MoneyState.DEBITED, MoneyState.RETURNED}
    return MoneyState.NOT_DEBITED if is_known and transaction in _HOLDS else state


def gives_back(transaction: TransactionType) -> bool:
    """Say whether a transaction gives money back, or a hold: then it concerns another payment."""
    return TRAITS[transaction].side is Side.CREDIT or transaction in _RELEASES


_RELEASES = frozenset({TransactionType.PRE_AUTHORIZATION_VOID})
_HOLDS = _RELEASES | {TransactionType.PRE_AUTHORIZATION}
_MONEY_STATES = {
    Phase.REQUESTED: MoneyState.NOT_DEBITED,
    Phase.ROUTED: MoneyState.UNKNOWN,
    Phase.APPROVED: MoneyState.DEBITED,
    Phase.DECLINED: MoneyState.NOT_DEBITED,
    Phase.REVERSING: MoneyState.RETURNING,
    Phase.REVERSED: MoneyState.RETURNED,
    Phase.REPEATING: MoneyState.UNKNOWN,
    Phase.CASE: MoneyState.UNKNOWN,
}
_GIVING_BACK = {
    Phase.REQUESTED: MoneyState.DEBITED,
    Phase.ROUTED: MoneyState.UNKNOWN,
    Phase.APPROVED: MoneyState.RETURNED,
    Phase.DECLINED: MoneyState.DEBITED,
    Phase.REVERSING: MoneyState.UNKNOWN,
    Phase.REVERSED: MoneyState.DEBITED,
    Phase.REPEATING: MoneyState.RETURNING,
    Phase.CASE: MoneyState.UNKNOWN,
}
assert set(_MONEY_STATES) == set(_GIVING_BACK) == set(Phase), "a phase without a money state"
