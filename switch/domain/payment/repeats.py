"""Same key, same content: the stored answer. Same key, other content: refused (docs/rules.md 1)."""

import enum
from typing import NamedTuple, Protocol

from switch.domain.payment.payment import Payment, Phase
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.reasons import Reason
from switch.domain.transactions import TransactionType, WhenUnknown


class RepeatMemory(Protocol):
    """What the partition remembers of keys."""

    def find_by_key(self, idempotency_key: str) -> Payment | None:
        """Return the payment that was asked for under this key."""
        ...

    def is_tombstoned(self, idempotency_key: str, at: int) -> bool:
        """Say whether a reversal came before its original and has set a tombstone for it."""
        ...

    def is_latest_of_terminal(self, payment: Payment) -> bool:
        """Say whether no later payment of the same terminal was decided."""
        ...


class Verdict(enum.Enum):
    """What an incoming key turned out to be."""

    FRESH = "fresh"
    REPLAY = "replay"
    JOIN = "join"
    CONFLICT = "conflict"


class KeyCheck(NamedTuple):
    """The verdict with what it rests on: the stored answer, the first payment, the reason."""

    verdict: Verdict
    payment: Payment | None = None
    answer: Answer | None = None
    reason: Reason | None = None


FRESH = KeyCheck(Verdict.FRESH)


def _is_told_again(request: PaymentRequest, known: Payment) -> bool:
    """
    Tell the explicit repeat of an advice or a refund from a trace number that came round.

    A terminal repeats these (0221) until they are answered, between its other payments; no goods
    are handed over for the answer.
    """
    return known.traits.when_unknown is WhenUnknown.REPEAT and request.mti.endswith("1")


def check_key(request: PaymentRequest, memory: RepeatMemory, at: int) -> KeyCheck:
    """Decide what a payment request is before any business rule sees it."""
    known = memory.find_by_key(request.idempotency_key)
    if known is None:
        if memory.is_tombstoned(request.idempotency_key, at):
            return KeyCheck(Verdict.CONFLICT, reason=Reason.LATE_AFTER_REVERSAL)
        return FRESH
    if known.request.fingerprint != request.fingerprint:
        return KeyCheck(Verdict.CONFLICT, known, reason=Reason.DUPLICATE_CONFLICT)
    is_approved = known.phase is Phase.APPROVED
    if known.reverse_requested or (is_approved and known.is_taken_for_reversed):
        return KeyCheck(Verdict.CONFLICT, known, reason=Reason.ALREADY_REVERSED)
    if known.answer is None:
        return KeyCheck(Verdict.JOIN, known)
    if known.transaction is TransactionType.BALANCE_INQUIRY:
        return FRESH  # it moves nothing and its answer is of that moment: it is asked again
    if (
        is_approved
        and request.terminal_id
        and not _is_told_again(request, known)
        and not memory.is_latest_of_terminal(known)
    ):
        return KeyCheck(Verdict.CONFLICT, known, reason=Reason.STAN_REUSED)
    return KeyCheck(Verdict.REPLAY, known, known.answer)
