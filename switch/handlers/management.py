"""What a terminal asks about itself: sign-on and sign-off, echo, notices, the end of its batch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from switch.domain.clock import Now
from switch.domain.identifiers import make_rrn
from switch.domain.payment.events import CaseOpened, DuplicateConflicted
from switch.domain.payment.outcomes import make_decline
from switch.domain.payment.requests import Answer
from switch.domain.payment.routing import RoutingView
from switch.domain.payment.rules import DecisionRules
from switch.domain.reasons import Reason
from switch.domain.registry.entities import SealedWorkingKeys
from switch.domain.terminal.batches import as_written, clearing_day
from switch.domain.terminal.decide import (
    DONE,
    Decision,
    check_sign_on,
    decide_terminal,
    find_handed_out,
)
from switch.domain.terminal.events import (
    BatchChangedLate,
    BatchClosed,
    BatchCutOff,
    TerminalAsked,
    TerminalSignedOn,
    UploadOverdue,
)
from switch.domain.terminal.requests import BatchTotals, Operation, TerminalRequest
from switch.domain.terminal.uploads import decide_late_change, decide_overdue, says_nothing_new
from switch.eventlog.journal import JournalEvent
from switch.handlers.book import PartitionBook
from switch.handlers.intake import Intake, Refused, Waiter
from switch.handlers.recorder import Recorder
from switch.handlers.settings import PartitionSettings
from switch.handlers.translate_management import write_sign_on, write_totals
from switch.handlers.waiting import WaitingRoom

LOOK_MS: Final = 1_000  # how often the clock's duties are looked for
CUT_OFFS_COUNT_MAX: Final = 100  # of one record
LATE_COUNT_MAX: Final = 100  # of one look

_NO_ADDITIONS: Final[Mapping[str, str]] = {}
_UPLOADS: Final = frozenset({Operation.UPLOAD, Operation.UPLOAD_END})
_STORED: Final = frozenset({Operation.SCRIPT_NOTICE, Operation.SETTLEMENT})


class Offer(NamedTuple):
    """Working keys for one sign-on, or the reason why there are none."""

    sealed: SealedWorkingKeys | None = None
    wrapped: bytes = b""
    fault: str = ""
    fault_detail: str = ""


class ManagementSide:
    """Takes messages that are no payments, and does what the clock wants of batches."""

    def __init__(
        self,
        *,
        index: int,
        settings: PartitionSettings,
        book: PartitionBook,
        registry: RoutingView,
        intake: Intake,
        recorder: Recorder,
        waiting: WaitingRoom,
    ) -> None:
        self._index = index
        self._settings = settings
        self._book = book
        self._registry = registry
        self._intake = intake
        self._recorder = recorder
        self._waiting = waiting
        self._look_due_boot_ms = 0
        self._cut_off_day = 0  # all of the days before it is closed

    def next_wake_ms(self) -> int:
        """Say at which boot time the clock's duties are looked for next."""
        return self._look_due_boot_ms

    # -- messages

    def take(
        self,
        offset: int,
        waiter: Waiter,
        refuse: Callable[[int, Waiter, Refused, Now], None],
        now: Now,
    ) -> None:
        """Take a message whose sender is proven, as far as its class can be."""
        request = self._intake.read_terminal(waiter)
        if isinstance(request, Refused):
            refuse(offset, waiter, request, now)
        elif request.operation is Operation.ECHO:
            self._recorder.say(self._waiting.tell(waiter, _done(now), None, now))
        elif request.operation in _STORED and self._answer_again(offset, waiter, request, now):
            return
        elif request.operation in _UPLOADS and self._is_on_record(request):
            self._recorder.say(self._waiting.tell(waiter, _done(now), None, now))
        else:
            self._decide(offset, waiter, request, now)

    def _is_on_record(self, request: TerminalRequest) -> bool:
        closed = self._book.find_closed_batch(request.till, request.batch)
        return closed is not None and says_nothing_new(closed, request)

    def _answer_again(
        self, offset: int, waiter: Waiter, request: TerminalRequest, now: Now
    ) -> bool:
        """
        Answer a repeat as the first was; say whether it was one.

        Of a batch that is closed the totals stay; whether they agree is said of what is claimed
        now, or a terminal that counts more than before would never upload it.
        """
        stored = self._book.tills.find_stored(request.idempotency_key)
        if stored is not None and stored.fingerprint != request.fingerprint:
            self._conflict(offset, waiter, request, stored.answer, now)
            return True
        answer = stored.answer if stored else None
        additions = _NO_ADDITIONS
        if request.operation is Operation.SETTLEMENT:
            closed = self._book.find_closed_batch(request.till, request.batch)
            if closed is None:
                return False
            assert waiter.dialect is not None
            answer = closed.answer
            is_balanced = as_written(closed.totals) == (request.claimed or BatchTotals())
            additions = write_totals(closed, waiter.dialect, is_balanced=is_balanced)
        if answer is None:
            return False
        self._recorder.say(self._waiting.tell(waiter, answer, None, now, additions=additions))
        return True

    def _conflict(
        self, offset: int, waiter: Waiter, request: TerminalRequest, first: Answer, now: Now
    ) -> None:
        answer = make_decline(Reason.DUPLICATE_CONFLICT, at=now.wall_ms, rrn=first.rrn)
        event = DuplicateConflicted(
            idempotency_key=request.idempotency_key,
            answer=answer,
            fingerprint=request.fingerprint,
            at=now.wall_ms,
            rrn=first.rrn,
        )
        effects = self._recorder.append((event,), now, offset)
        effects.reply(self._waiting.tell(waiter, answer, None, now))

    def _decide(self, offset: int, waiter: Waiter, request: TerminalRequest, now: Now) -> None:
        offer = self._offer_keys(request, now)
        fact = TerminalAsked(
            rrn=make_rrn(self._index, self._recorder.next_offset),
            request=request,
            at=now.wall_ms,
            offered=offer.sealed,
            fault=offer.fault,
            fault_detail=offer.fault_detail,
        )
        decisions = decide_terminal(fact, self._book, self._registry, self._settings.rules)
        effects = self._recorder.append((fact, *decisions), now, offset)
        additions = self._write_additions(waiter, request, decisions[0], offer)
        answer = _answer_of(decisions[0])
        effects.reply(self._waiting.tell(waiter, answer, None, now, additions=additions))

    def _offer_keys(self, request: TerminalRequest, now: Now) -> Offer:
        """Make working keys for a sign-on that nothing stands against."""
        if request.operation is not Operation.SIGN_ON:
            return Offer()
        state = self._book.find_terminal_state(request.till)
        rules = self._settings.rules
        if check_sign_on(request, state, self._registry, rules, now.wall_ms) is not None:
            return Offer()
        again = find_handed_out(request, state)
        if again is not None:
            wrapped = self._intake.wrap_again(request, again.keys, self._registry)
            if wrapped:
                return Offer(wrapped=wrapped)
        offered = self._intake.offer_keys(request, self._registry)
        if isinstance(offered, Refused):
            return Offer(fault=offered.reason.value, fault_detail=offered.detail)
        return Offer(offered.sealed, offered.wrapped) if offered else Offer()

    def _write_additions(
        self, waiter: Waiter, request: TerminalRequest, decision: Decision, offer: Offer
    ) -> Mapping[str, str]:
        assert waiter.dialect is not None
        if isinstance(decision, TerminalSignedOn):
            return write_sign_on(request, decision.batch, offer.wrapped, waiter.dialect)
        if isinstance(decision, BatchClosed):
            closed = self._book.find_closed_batch(request.till, request.batch)
            assert closed is not None
            return write_totals(closed, waiter.dialect, is_balanced=closed.is_balanced)
        return _NO_ADDITIONS

    # -- the clock

    def do_due(self, now: Now) -> None:
        """Do what has fallen due: days that are over, late uploads, approvals after the close."""
        if now.boot_ms < self._look_due_boot_ms:
            return
        self._look_due_boot_ms = now.boot_ms + LOOK_MS
        if self._cut_off(now) | self._note_late(now) | self._note_overdue(now):
            self._look_due_boot_ms = now.boot_ms  # there may be more

    def _cut_off(self, now: Now) -> bool:
        """Close for settlement what belongs to days that are over; say whether more is left."""
        today = clearing_day(now.wall_ms, self._settings.rules)
        if today == self._cut_off_day:
            return False
        cut_offs = self._book.tills.list_cut_offs(now.wall_ms, CUT_OFFS_COUNT_MAX)
        if cut_offs:
            self._recorder.append(tuple(cut_offs), now)
        if len(cut_offs) < CUT_OFFS_COUNT_MAX:
            self._cut_off_day = today
            return False
        return True

    def _note_late(self, now: Now) -> bool:
        """Open a case for each payment that was approved after its batch had been closed."""
        late = self._book.tills.list_late(LATE_COUNT_MAX)
        for rrn, ((acquirer, merchant_id, terminal_id), batch) in late:
            changed = BatchChangedLate(
                acquirer=acquirer,
                merchant_id=merchant_id,
                terminal_id=terminal_id,
                batch=batch,
                rrn=rrn,
                at=now.wall_ms,
            )
            decided = decide_late_change(changed, self._book.find_payment(rrn))
            self._recorder.append((changed, *decided), now)
        return len(late) == LATE_COUNT_MAX

    def _note_overdue(self, now: Now) -> bool:
        """Open a case for the upload that has been waited for longest, if that is too long."""
        overdue = self._book.tills.find_overdue(now.wall_ms)
        if overdue is None:
            return False
        ((acquirer, merchant_id, terminal_id), batch), closed = overdue
        fact = UploadOverdue(
            acquirer=acquirer,
            merchant_id=merchant_id,
            terminal_id=terminal_id,
            batch=batch,
            at=now.wall_ms,
        )
        self._recorder.append((fact, *decide_overdue(fact, closed)), now)
        return True


def _answer_of(decision: Decision) -> Answer:
    assert not isinstance(decision, CaseOpened), "the first decision is the answer"
    return decision.answer


def _done(now: Now) -> Answer:
    return Answer(response_code=DONE, at=now.wall_ms)


TERMINAL_FACTS: Final = (TerminalAsked, BatchChangedLate, UploadOverdue, BatchCutOff)


def decide_terminal_again(
    events: Sequence[JournalEvent],
    book: PartitionBook,
    registry: RoutingView,
    rules: DecisionRules,
) -> tuple[JournalEvent, ...]:
    """
    Give the record that today's code would write for the fact of this one, over the same state.

    That a time had come is the clock's word; what was to be done then is decided again.
    """
    fact = events[0]
    match fact:
        case TerminalAsked():
            return (fact, *decide_terminal(fact, book, registry, rules))
        case BatchChangedLate():
            return (fact, *decide_late_change(fact, book.find_payment(fact.rrn)))
        case UploadOverdue():
            till = (fact.acquirer, fact.merchant_id, fact.terminal_id)
            closed = book.find_closed_batch(till, fact.batch)
            return (fact, *decide_overdue(fact, closed))
        case _:
            cut_offs = [one for one in events if isinstance(one, BatchCutOff)]
            found = [book.tills.find_cut_off(one) for one in cut_offs]
            return tuple(one for one in found if one is not None)
