"""The cases of a partition, the commands about them, and the outcomes that are still awaited."""

import heapq
from collections.abc import Callable
from itertools import islice
from typing import Final, get_args

from switch.domain.cases.commands import CaseCommand, read_command
from switch.domain.cases.events import (
    CaseAssigned,
    CaseClosed,
    CaseEvent,
    CaseResolutionProposed,
    CaseResolved,
)
from switch.domain.cases.rules import CaseRules
from switch.domain.cases.state import (
    INBOUND_PARKED,
    OUTCOME_OPEN,
    Case,
    evolve,
    outcome_case_id,
    parked_case_id,
    start_case,
    waiting_case_ids,
)
from switch.domain.money import Money
from switch.domain.payment.events import CaseOpened
from switch.domain.payment.payment import Payment
from switch.eventlog.journal import InboundParked, JournalEvent
from switch.handlers.folded import Folded
from switch.handlers.forgetting import pop_oldest

FindPayment = Callable[[str], Payment | None]


class CaseShelf(Folded):
    """
    Open cases, and those that ended within a week; changed only by the records it is given.

    An open case is never forgotten, and keeps its payment in memory.
    """

    def __init__(self, partition: int, rules: CaseRules) -> None:
        self._partition = partition
        self._rules = rules
        self._cases: dict[str, Case] = {}
        self._ended: dict[str, int] = {}  # when, in the order of their ends
        self._open_counts: dict[str, int] = {}  # by RRN
        self._commands: dict[tuple[str, str], CaseCommand] = {}
        self._waiting: dict[str, int] = {}  # RRN -> since when its issuer is being told
        self._oldest: list[tuple[int, str]] = []  # the same as a heap; entries may be over
        self._settled: dict[str, None] = {}  # cases whose payment needs nobody any more

    # -- reading

    def __len__(self) -> int:
        """Count the open cases."""
        return len(self._cases) - len(self._ended)

    def find(self, case_id: str) -> Case | None:
        """Return a case that is open, or ended not long ago."""
        return self._cases.get(case_id)

    def find_command(self, command: CaseCommand) -> CaseCommand | None:
        """Return what was carried out under the same id, if it was."""
        known = self._commands.get(command.key)
        is_over = known is not None and known.at + self._rules.memory_ms <= command.at
        return None if is_over else known

    def has_open(self, rrn: str) -> bool:
        """Say whether a payment has an open case."""
        return rrn in self._open_counts

    def find_overdue(self, at: int) -> str:
        """Name the payment that has waited longest for its issuer; empty if none has too long."""
        if not self._oldest or self._oldest[0][0] + self._rules.open_after_ms > at:
            return ""
        return self._oldest[0][1]

    def list_settled(self, count_max: int) -> list[Case]:
        """Return cases that wait for an answer which has come."""
        return [self._cases[case_id] for case_id in islice(self._settled, count_max)]

    # -- folding

    def apply(self, events: tuple[JournalEvent, ...], at: int, find_payment: FindPayment) -> None:
        """Fold what a record says about cases; called for every record, so it looks quickly."""
        for event in events:
            if type(event) in _CASE_EVENTS:
                self._take(event, find_payment)
        if type(events[0]) in _CASE_EVENTS:
            command = read_command(events)
            if command is not None:
                self._commands.pop(command.key, None)
                self._commands[command.key] = command
            self._forget(at)

    def note_change(self, before: Payment, after: Payment, at: int) -> None:
        """Take note that an issuer begins, or ends, to be told something until it answers."""
        is_told = after.is_forwarding
        if is_told == before.is_forwarding:
            return
        rrn = after.rrn
        if not is_told:
            self._stop_waiting(rrn)
        elif not self._is_open(outcome_case_id(rrn)):
            self._waiting[rrn] = at
            heapq.heappush(self._oldest, (at, rrn))
        for case_id in waiting_case_ids(rrn):
            if is_told:
                self._settled.pop(case_id, None)
            elif self._is_open(case_id):
                self._settled[case_id] = None

    def _is_open(self, case_id: str) -> bool:
        case = self._cases.get(case_id)
        return case is not None and not case.is_ended

    def _take(self, event: JournalEvent, find_payment: FindPayment) -> None:
        match event:
            case CaseOpened():
                payment = find_payment(event.rrn) if event.rrn else None
                self._put(start_case(event, None if payment is None else _amount_of(payment)))
                if event.kind == OUTCOME_OPEN:
                    self._stop_waiting(event.rrn)
            case InboundParked():
                case_id = parked_case_id(self._partition, event.inbound_offset, event.mark)
                self._put(Case(case_id=case_id, kind=INBOUND_PARKED, opened_at=event.at))
            case CaseAssigned() | CaseResolutionProposed() | CaseResolved() | CaseClosed():
                self._change(event)
            case _:
                pass  # a note changes nothing

    def _change(self, event: CaseEvent) -> None:
        case = self._cases.get(event.case_id)
        if case is None or case.is_ended:
            return
        after = evolve(case, event)
        self._cases[event.case_id] = after
        if after.is_ended:
            self._end(after, event.at)

    def _put(self, case: Case) -> None:
        """Take a case in; one that had ended is taken up again, one that is open stays as it is."""
        known = self._cases.get(case.case_id)
        if known is not None and not known.is_ended:
            return
        self._cases[case.case_id] = case
        self._ended.pop(case.case_id, None)
        if case.rrn:
            self._open_counts[case.rrn] = self._open_counts.get(case.rrn, 0) + 1

    def _end(self, case: Case, at: int) -> None:
        self._ended[case.case_id] = at
        self._settled.pop(case.case_id, None)
        if not case.rrn:
            return
        left = self._open_counts[case.rrn] - 1
        if left:
            self._open_counts[case.rrn] = left
        else:
            del self._open_counts[case.rrn]

    def _stop_waiting(self, rrn: str) -> None:
        """Take a payment out of the waiting ones; what heads the heap is always one that waits."""
        self._waiting.pop(rrn, None)
        oldest = self._oldest
        while oldest and self._waiting.get(oldest[0][1]) != oldest[0][0]:
            heapq.heappop(oldest)

    def _forget(self, at: int) -> None:
        over = at - self._rules.memory_ms
        for case_id in pop_oldest(self._ended, lambda ended_at: ended_at <= over):
            del self._cases[case_id]
        pop_oldest(self._commands, lambda command: command.at <= over)


def _amount_of(payment: Payment) -> Money | None:
    amount = payment.amount
    if amount is None or not payment.approved_minor:
        return amount
    return Money(payment.approved_minor, amount.currency)


_CASE_EVENTS: Final = frozenset({CaseOpened, InboundParked, *get_args(CaseEvent)})
