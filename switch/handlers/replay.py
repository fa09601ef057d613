"""Decide recorded facts again: the same state and registry must give the same decisions."""

from typing import Final, NamedTuple, get_args

from msgspec.structs import replace

from switch.domain.cases.events import CaseEvent
from switch.domain.declines import IssuerOutcome, issuer_code
from switch.domain.payment.decide import decide_payment
from switch.domain.payment.events import (
    CaseOpened,
    DuplicateConflicted,
    IssuerAnswered,
    IssuerTimedOut,
    LateAnswerReceived,
    PaymentRequested,
    RepeatAttempted,
    ReversalAnswered,
    ReversalAttempted,
    ReversalRequested,
)
from switch.domain.payment.outcomes import (
    decide_issuer_answer,
    decide_issuer_timeout,
    decide_repeat_answer,
    make_decline,
)
from switch.domain.payment.payment import Phase
from switch.domain.payment.repeats import check_key
from switch.domain.payment.reversals import (
    decide_late_answer,
    decide_reversal,
    decide_reversal_answer,
)
from switch.domain.payment.routing import RoutingView
from switch.domain.payment.rules import DecisionRules, format_transmission_time
from switch.domain.reasons import Reason
from switch.eventlog.journal import JournalEvent, JournalRecord
from switch.handlers.book import PartitionBook
from switch.handlers.cases_side import decide_again
from switch.handlers.management import TERMINAL_FACTS, decide_terminal_again
from switch.handlers.translate import origin_free

CASE_FACTS: Final = (CaseOpened, *get_args(CaseEvent))


class ReplayedStep(NamedTuple):
    """One record decided again; `decided` is None where its fact is not decided upon."""

    record: JournalRecord
    recorded: tuple[JournalEvent, ...]
    decided: tuple[JournalEvent, ...] | None

    @property
    def is_same(self) -> bool:
        """Whether today's code decides as the record says."""
        return self.decided is None or self.decided == self.recorded


def replay_record(
    record: JournalRecord, book: PartitionBook, registry: RoutingView, rules: DecisionRules
) -> ReplayedStep:
    """
    Decide one record again over the state before it; `book` is not changed.

    `registry` must stand at the record's registry position.
    """
    fact, recorded = record.events[0], record.events[1:]
    if isinstance(fact, DuplicateConflicted):
        return ReplayedStep(record, record.events, _decide_conflict(fact, book))
    if isinstance(fact, RepeatAttempted):
        return ReplayedStep(record, record.events, _decide_repeat(fact, book))
    if isinstance(fact, ReversalAttempted):
        return ReplayedStep(record, record.events, _decide_attempt(fact, book))
    if isinstance(fact, TERMINAL_FACTS):
        again = decide_terminal_again(record.events, book, registry, rules)
        return ReplayedStep(record, record.events, again)
    if isinstance(fact, CASE_FACTS):
        return ReplayedStep(record, record.events, decide_again(record.events, book, rules))
    return ReplayedStep(record, recorded, _decide(fact, book, registry, rules))


def _decide_conflict(fact: DuplicateConflicted, book: PartitionBook) -> tuple[JournalEvent, ...]:
    """Check the key again; where a payment is known under it, only the fingerprint can differ."""
    known = book.find_by_key(fact.idempotency_key)
    stored = book.tills.find_stored(fact.idempotency_key)
    rrn = known.rrn if known else ""
    reason: Reason | None = None
    if stored is not None:
        reason = Reason.DUPLICATE_CONFLICT if stored.fingerprint != fact.fingerprint else None
        rrn = stored.answer.rrn
    elif known is not None:
        # a conflict about a reused trace number is never an explicit repeat
        mti = origin_free(known.request.mti)
        request = replace(known.request, fingerprint=fact.fingerprint, mti=mti)
        reason = check_key(request, book, fact.at).reason
    elif book.is_tombstoned(fact.idempotency_key, fact.at):
        reason = Reason.LATE_AFTER_REVERSAL
    elif book.find_reversal(fact.idempotency_key) is not None:
        reason = Reason.DUPLICATE_CONFLICT  # a partner used the key for a reversal before
    if reason is None:
        return ()
    answer = make_decline(reason, at=fact.at, rrn=rrn)
    return (replace(fact, answer=answer, rrn=rrn),)


def _decide_attempt(fact: ReversalAttempted, book: PartitionBook) -> tuple[JournalEvent, ...]:
    """Count again; that it was due then is the clock's word, not ours."""
    payment = book.find_payment(fact.rrn)
    if payment is None or payment.phase is not Phase.REVERSING:
        return ()
    attempt = payment.reversal_attempt_count + 1
    transmission_time = format_transmission_time(fact.at)
    return (replace(fact, attempt=attempt, transmission_time=transmission_time),)


def _decide_repeat(fact: RepeatAttempted, book: PartitionBook) -> tuple[JournalEvent, ...]:
    payment = book.find_payment(fact.rrn)
    if payment is None or not payment.is_forwarding:
        return ()
    return (replace(fact, attempt=payment.repeat_attempt_count + 1),)


def _decide(
    fact: JournalEvent, book: PartitionBook, registry: RoutingView, rules: DecisionRules
) -> tuple[JournalEvent, ...] | None:
    if isinstance(fact, PaymentRequested):
        return decide_payment(fact, book, registry, rules)
    if isinstance(fact, ReversalRequested):
        original = book.find_original(fact.request)
        forgotten = book.is_batch_forgotten(fact.request, fact.at)
        chain = book.list_changed(original)
        return decide_reversal(fact, original, rules, chain, is_forgotten=forgotten)
    payment = book.find_payment(getattr(fact, "rrn", ""))
    if payment is None:
        return None
    if isinstance(fact, IssuerAnswered):
        original = book.find_payment(payment.original_rrn) if payment.original_rrn else None
        if payment.phase is Phase.ROUTED:
            return decide_issuer_answer(payment, fact, rules, original)
        return decide_repeat_answer(payment, fact, rules, original)
    if isinstance(fact, IssuerTimedOut):
        return decide_issuer_timeout(payment, fact)
    if isinstance(fact, ReversalAnswered):
        return decide_reversal_answer(payment, fact, rules)
    if isinstance(fact, LateAnswerReceived):
        is_approval = issuer_code(fact.response_code).outcome is IssuerOutcome.APPROVED
        return decide_late_answer(payment, fact, is_approval=is_approval)
    return None
