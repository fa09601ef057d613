"""The fold of one payment: `evolve(state, event) -> state`."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from switch.domain.payment.events import (
    AdviceAccepted,
    AdviceConfirmed,
    CaseOpened,
    IssuerAnswered,
    IssuerTimedOut,
    LateAnswerReceived,
    OutcomeAwaited,
    OutcomeUnknown,
    PaymentApproved,
    PaymentDeclined,
    PaymentEvent,
    PaymentRequested,
    PaymentReversed,
    PaymentRouted,
    RepeatAttempted,
    ReturnOrdered,
    ReversalAccepted,
    ReversalAnswered,
    ReversalAttempted,
)
from switch.domain.payment.payment import Payment, Phase
from switch.domain.payment.sharing import (
    share_answer,
    share_line,
    share_request,
    share_terms,
)

CASES_THAT_STOP: Final = frozenset(
    {
        "reversal-not-found",
        "reversal-poisoned",
        "repeat-poisoned",
        "advice-refused",
        "advice-unroutable",
    }
)
CONTRADICTION: Final = "late-answer-contradicts"
LATE_APPROVAL: Final = "late-approval"
REVERSAL_TIMES_COUNT_MAX: Final = 8  # attempts whose late answers are told from the last one's
FINAL_REVERSAL_CODES: Final = frozenset({"00", "25"})  # what an issuer must say to end a reversal
# "try again": in progress, too late, cut-over, inoperative, no route, malfunction, no answer
TRY_LATER_CODES: Final = frozenset({"09", "68", "90", "91", "92", "96", "98"})


def open_payment(event: PaymentRequested) -> Payment:
    """Begin the fold: the state after the first event of every payment."""
    return Payment(rrn=event.rrn, request=share_request(event.request), opened_at=event.at)


def evolve(payment: Payment, event: PaymentEvent) -> Payment:
    """Return the payment after `event`; raises KeyError for an event that is not of one payment."""
    return FOLDS[type(event)](payment, event)


def _route(payment: Payment, event: PaymentRouted) -> Payment:
    return replace(
        payment,
        phase=Phase.ROUTED,
        terms=share_terms(event.terms),
        upstream_stan=event.upstream_stan,
        transmission_time=event.transmission_time,
        original_rrn=event.original_rrn,
        warning=event.warning,
    )


def _accept_advice(payment: Payment, event: AdviceAccepted) -> Payment:
    return replace(
        payment,
        phase=Phase.APPROVED,
        terms=share_terms(event.terms),
        upstream_stan=event.upstream_stan,
        transmission_time=event.transmission_time,
        answer=share_answer(event.answer, payment.rrn),
        line=share_line(event.line, payment.request),
        original_rrn=event.original_rrn,
        sent_amount=event.sent_amount,
        advice_open=event.terms is not None,
    )


def _approve(payment: Payment, event: PaymentApproved) -> Payment:
    """One that a person lets stand has its line already."""
    answer = share_answer(event.answer, payment.rrn)
    line = share_line(event.line, payment.request) or payment.line
    return replace(payment, phase=Phase.APPROVED, answer=answer, line=line)


def _decline(payment: Payment, event: PaymentDeclined) -> Payment:
    answer = share_answer(event.answer, payment.rrn)
    return replace(payment, phase=Phase.DECLINED, answer=answer)


def _reverse(payment: Payment, event: OutcomeUnknown) -> Payment:
    return replace(payment, phase=Phase.REVERSING, answer=event.answer)


def _await(payment: Payment, event: OutcomeAwaited) -> Payment:
    return replace(payment, phase=Phase.REPEATING, answer=event.answer)


def _note_answer(payment: Payment, event: IssuerAnswered | LateAnswerReceived) -> Payment:
    """
    Keep that there was one; answers to repeats that settle nothing are counted.

    Reversals that went out before may have been there before the debit: one more must follow.
    """
    if not (payment.advice_open or payment.phase is Phase.REPEATING):
        is_crossed = payment.phase is Phase.REVERSING and not payment.debit_answered
        count = payment.reversal_attempt_count if is_crossed else payment.confirm_after_attempt
        return replace(payment, debit_answered=True, confirm_after_attempt=count)
    if isinstance(event, IssuerAnswered) and event.response_code in TRY_LATER_CODES:
        return payment
    return replace(payment, debit_answered=True, bad_answer_count=payment.bad_answer_count + 1)


def _accept_reversal(payment: Payment, event: ReversalAccepted) -> Payment:
    """An approved payment starts going back; a running one waits for its issuer's word."""
    if not event.upstream:
        return replace(payment, is_taken_for_reversed=event.answer.is_approval)
    return _begin_return(payment, running=payment.phase is not Phase.APPROVED)


def _order_return(payment: Payment, event: ReturnOrdered) -> Payment:  # noqa: ARG001 - a fold's shape
    return _begin_return(payment)


def _begin_return(payment: Payment, *, running: bool = False) -> Payment:
    """An advice that was only ever answered by nonsense is as good as not answered."""
    return replace(
        payment,
        phase=payment.phase if running else Phase.REVERSING,
        reverse_requested=True,
        advice_open=False,
        debit_answered=payment.debit_answered and not payment.advice_open,
    )


def _attempt_reversal(payment: Payment, event: ReversalAttempted) -> Payment:
    times = (*payment.reversal_times, event.transmission_time)[-REVERSAL_TIMES_COUNT_MAX:]
    return replace(payment, reversal_attempt_count=event.attempt, reversal_times=times)


def _note_reversal_answer(payment: Payment, event: ReversalAnswered) -> Payment:
    """Keep what was said; the first that is final, to a debit without an answer, wants another."""
    code = event.response_code
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


def _end_reversed(payment: Payment, event: PaymentReversed) -> Payment:  # noqa: ARG001 - a fold's shape
    return replace(payment, phase=Phase.REVERSED, advice_open=False)


def _attempt_repeat(payment: Payment, event: RepeatAttempted) -> Payment:
    return replace(payment, repeat_attempt_count=event.attempt)


def _confirm_advice(payment: Payment, event: AdviceConfirmed) -> Payment:  # noqa: ARG001 - a fold's shape
    return replace(payment, advice_open=False)


def _open_case(payment: Payment, event: CaseOpened) -> Payment:
    if event.kind in CASES_THAT_STOP:
        return replace(payment, phase=Phase.CASE, advice_open=False)
    return replace(payment, debit_contradicted=True) if event.kind == CONTRADICTION else payment


def _leave(payment: Payment, event: IssuerTimedOut) -> Payment:  # noqa: ARG001 - a fold's shape
    return payment


# What the fold of one payment takes; the other events concern keys, tombstones or the audit only.
Fold = Callable[[Payment, Any], Payment]
FOLDS: Final[Mapping[type, Fold]] = {
    PaymentRouted: _route,
    AdviceAccepted: _accept_advice,
    PaymentApproved: _approve,
    PaymentDeclined: _decline,
    OutcomeUnknown: _reverse,
    OutcomeAwaited: _await,
    IssuerAnswered: _note_answer,
    LateAnswerReceived: _note_answer,
    IssuerTimedOut: _leave,
    RepeatAttempted: _attempt_repeat,
    AdviceConfirmed: _confirm_advice,
    ReturnOrdered: _order_return,
    ReversalAccepted: _accept_reversal,
    ReversalAttempted: _attempt_reversal,
    ReversalAnswered: _note_reversal_answer,
    PaymentReversed: _end_reversed,
    CaseOpened: _open_case,
}
