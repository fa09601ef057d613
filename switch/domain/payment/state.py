"""The state of one payment and the fold that leads to it: `evolve(state, event) -> state`."""

import enum

import msgspec
from msgspec.structs import replace

from switch.domain.payment.events import (
    CaseOpened,
    IssuerAnswered,
    IssuerTimedOut,
    LateAnswerReceived,
    OutcomeUnknown,
    PaymentApproved,
    PaymentDeclined,
    PaymentEvent,
    PaymentRequested,
    PaymentReversed,
    PaymentRouted,
    ReversalAccepted,
    ReversalAnswered,
    ReversalAttempted,
    RouteTerms,
    SettlementLine,
)
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.transactions import MoneyState


class Phase(enum.Enum):
    """Where a payment stands; the value is what people and the API see."""

    REQUESTED = "requested"  # only between two events of one record
    ROUTED = "routed"
    APPROVED = "approved"
    DECLINED = "declined"
    REVERSING = "reversing"
    REVERSED = "reversed"
    CASE = "case"  # a person must look; nothing more is sent


class Payment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    One payment as its journal records left it.

    `answer` is what its terminal is told; `line` its settlement effect, if it was approved.
    `debit_answered`: the issuer answered the debit, at whatever time. `reverse_requested`: its
    terminal took it back. `reversal_codes`: the issuer's answers to the reversals so far.
    `confirm_after_attempt`: how many reversals had gone out when the issuer first answered one of
    a debit that it had not answered; one more must follow. 0: none need. `debit_contradicted`: a
    second answer to the debit opened a case.
    """

    rrn: str
    request: PaymentRequest
    phase: Phase = Phase.REQUESTED
    terms: RouteTerms | None = None
    upstream_stan: str = ""
    transmission_time: str = ""
    answer: Answer | None = None
    line: SettlementLine | None = None
    debit_answered: bool = False
    reverse_requested: bool = False
    reversal_attempt_count: int = 0
    reversal_times: tuple[str, ...] = ()  # DE 7 of the last attempts
    reversal_codes: tuple[str, ...] = ()
    confirm_after_attempt: int = 0
    debit_contradicted: bool = False

    @property
    def money_state(self) -> MoneyState:
        """Where the cardholder's money is, as far as this journal knows."""
        return _MONEY_STATES[self.phase]


_MONEY_STATES = {
    Phase.REQUESTED: MoneyState.NOT_DEBITED,
    Phase.ROUTED: MoneyState.UNKNOWN,
    Phase.APPROVED: MoneyState.DEBITED,
    Phase.DECLINED: MoneyState.NOT_DEBITED,
    Phase.REVERSING: MoneyState.RETURNING,
    Phase.REVERSED: MoneyState.RETURNED,
    Phase.CASE: MoneyState.UNKNOWN,
}
assert set(_MONEY_STATES) == set(Phase), "a phase without a money state"

# What the fold of one payment takes; the other events concern keys, tombstones or the audit only.
FOLDED_EVENTS = (
    PaymentRouted,
    PaymentApproved,
    PaymentDeclined,
    OutcomeUnknown,
    IssuerAnswered,
    LateAnswerReceived,
    ReversalAccepted,
    ReversalAttempted,
    ReversalAnswered,
    PaymentReversed,
    CaseOpened,
    IssuerTimedOut,
)

CASES_THAT_STOP = frozenset({"reversal-not-found", "reversal-poisoned"})
CONTRADICTION = "late-answer-contradicts"
REVERSAL_TIMES_COUNT_MAX = 8  # attempts whose late answers are told from the last one's
FINAL_REVERSAL_CODES = frozenset({"00", "25"})  # what an issuer must say to end a reversal
# "try again": in progress, too late, cut-over, inoperative, no route, malfunction, no answer
TRY_LATER_CODES = frozenset({"09", "68", "90", "91", "92", "96", "98"})


def open_payment(event: PaymentRequested) -> Payment:
    """Begin the fold: the state after the first event of every payment."""
    return Payment(rrn=event.rrn, request=event.request)


def evolve(payment: Payment, event: PaymentEvent) -> Payment:  # noqa: C901 - one case an event
    """Return the payment after `event`; events that do not concern its state leave it as it is."""
    match event:
        case PaymentRouted():
            return replace(
                payment,
                phase=Phase.ROUTED,
                terms=event.terms,
                upstream_stan=event.upstream_stan,
                transmission_time=event.transmission_time,
            )
        case PaymentApproved(answer=answer, line=line):
            return replace(payment, phase=Phase.APPROVED, answer=answer, line=line)
        case PaymentDeclined(answer=answer):
            return replace(payment, phase=Phase.DECLINED, answer=answer)
        case OutcomeUnknown(answer=answer):
            return replace(payment, phase=Phase.REVERSING, answer=answer)
        case IssuerAnswered() | LateAnswerReceived():
            return replace(payment, debit_answered=True)
        case ReversalAccepted():
            return _evolve_reversal_accepted(payment, event)
        case ReversalAttempted(attempt=attempt, transmission_time=time):
            times = (*payment.reversal_times, time)[-REVERSAL_TIMES_COUNT_MAX:]
            return replace(payment, reversal_attempt_count=attempt, reversal_times=times)
        case ReversalAnswered(response_code=code):
            return _evolve_reversal_answered(payment, code)
        case PaymentReversed():
            return replace(payment, phase=Phase.REVERSED)
        case CaseOpened(kind=kind):
            return _evolve_case(payment, kind)
        case IssuerTimedOut():
            return payment
        case _:
            raise AssertionError(f"{type(event).__name__} does not belong to one payment")


def _evolve_case(payment: Payment, kind: str) -> Payment:
    if kind in CASES_THAT_STOP:
        return replace(payment, phase=Phase.CASE)
    return replace(payment, debit_contradicted=True) if kind == CONTRADICTION else payment


def _evolve_reversal_accepted(payment: Payment, event: ReversalAccepted) -> Payment:
    """An approved payment starts going back; a running one waits for its issuer's word."""
    if not event.upstream:
        return payment
    phase = Phase.REVERSING if payment.phase is Phase.APPROVED else payment.phase
    return replace(payment, phase=phase, reverse_requested=True)


def _evolve_reversal_answered(payment: Payment, code: str) -> Payment:
    """Keep what was said; the first that is final, to a debit without an answer, wants another."""
    if code in TRY_LATER_CODES:
        return payment
    confirm_after = payment.confirm_after_attempt
    if not confirm_after and not payment.debit_answered and code in FINAL_REVERSAL_CODES:
        confirm_after = payment.reversal_attempt_count
    return replace(
        payment,
        reversal_codes=(*payment.reversal_codes, code),
        confirm_after_attempt=confirm_after,
    )
