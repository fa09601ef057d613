"""Decide recorded facts again: the same state and registry must give the same decisions."""

from typing import NamedTuple

from switch.domain.declines import IssuerOutcome, issuer_code
from switch.domain.payment.decide import (
    RoutingView,
    decide_issuer_answer,
    decide_issuer_timeout,
    decide_payment,
)
from switch.domain.payment.events import (
    IssuerAnswered,
    IssuerTimedOut,
    LateAnswerReceived,
    PaymentRequested,
    ReversalAnswered,
    ReversalRequested,
)
from switch.domain.payment.reversals import (
    decide_late_answer,
    decide_reversal,
    decide_reversal_answer,
)
from switch.domain.payment.rules import DecisionRules
from switch.eventlog.journal import JournalEvent, JournalRecord
from switch.handlers.book import PartitionBook


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
    return ReplayedStep(record, recorded, _decide(fact, book, registry, rules))


def _decide(
    fact: JournalEvent, book: PartitionBook, registry: RoutingView, rules: DecisionRules
) -> tuple[JournalEvent, ...] | None:
    if isinstance(fact, PaymentRequested):
        return decide_payment(fact, book, registry)
    if isinstance(fact, ReversalRequested):
        return decide_reversal(fact, book.find_original(fact.request), rules)
    payment = book.find_payment(getattr(fact, "rrn", ""))
    if payment is None:
        return None
    if isinstance(fact, IssuerAnswered):
        return decide_issuer_answer(payment, fact, rules)
    if isinstance(fact, IssuerTimedOut):
        return decide_issuer_timeout(payment, fact)
    if isinstance(fact, ReversalAnswered):
        return decide_reversal_answer(payment, fact, rules)
    if isinstance(fact, LateAnswerReceived):
        is_approval = issuer_code(fact.response_code).outcome is IssuerOutcome.APPROVED
        return decide_late_answer(payment, fact, is_approval=is_approval)
    return None
