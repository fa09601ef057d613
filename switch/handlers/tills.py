"""The terminals of a partition and their batches: the fold of their events and payments."""

from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec.structs import replace

from switch.domain.payment.batch_order import precedes
from switch.domain.payment.payment import Payment, Phase
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.payment.rules import DecisionRules
from switch.domain.terminal.batches import (
    Counted,
    change_totals,
    clearing_day,
    count_payment,
    cut_off,
    find_cut_off,
    name_day,
    with_payment,
)
from switch.domain.terminal.events import (
    BatchChangedLate,
    BatchClosed,
    BatchCutOff,
    ScriptNoticeTaken,
    TerminalAsked,
    TerminalEvent,
    TerminalSignedOff,
    TerminalSignedOn,
    UploadCompared,
    UploadOverdue,
    UploadTaken,
)
from switch.domain.terminal.evolve import evolve, prove_keys
from switch.domain.terminal.requests import BatchTotals, TerminalRequest
from switch.domain.terminal.state import ClosedBatch, OpenBatch, TerminalState
from switch.handlers.folded import Folded
from switch.handlers.forgetting import pop_oldest

BATCH_DIGITS: Final = 6  # a batch number; a dialect without one has the local date there
_NEW: Final = OpenBatch()

Till = tuple[str, str, str]
Place = tuple[Till, str]  # a terminal and a batch of it


_OfBatch = (
    BatchClosed | UploadTaken | UploadCompared | UploadOverdue | BatchChangedLate | BatchCutOff
)


class Stored(NamedTuple):
    """What a message was told, for its repeats."""

    fingerprint: str
    answer: Answer


class Tills(Folded):
    """
    What each terminal has said of itself, and what its batches come to.

    A batch that is open is counted payment by payment; one that was closed is remembered for its
    repeats and its upload as long as its payments are.
    """

    def __init__(self, rules: DecisionRules) -> None:
        self._rules = rules
        self._states: dict[Till, TerminalState] = {}
        self._open: dict[Place, OpenBatch] = {}
        self._unsettled: dict[Place, None] = {}  # open, and the clock has something to close
        self._closed: dict[Place, ClosedBatch] = {}  # oldest first
        self._rrns: dict[Place, list[str]] = {}  # of closed batches that are not uploaded yet
        self._awaited: dict[Place, int] = {}  # closed unbalanced, their upload is to come; since
        self._late: dict[str, Place] = {}  # RRNs approved after their batch was closed
        self._stored: dict[str, Stored] = {}

    # -- terminals

    def find(self, acquirer: str, merchant_id: str, terminal_id: str) -> TerminalState | None:
        """Return what a terminal has said of itself; None if it never did."""
        return self._states.get((acquirer, merchant_id, terminal_id))

    def find_of(self, request: PaymentRequest) -> TerminalState | None:
        """Return the state of the terminal that asks."""
        return self._states.get((request.acquirer, request.merchant_id, request.terminal_id))

    def find_stored(self, idempotency_key: str) -> Stored | None:
        """Return what a message of a terminal was told before."""
        return self._stored.get(idempotency_key)

    # -- batches

    def total_batch(self, till: Till, batch: str) -> BatchTotals:
        """Return what counts in a batch that is not closed."""
        found = self._open.get((till, batch))
        return found.totals if found else BatchTotals()

    def is_open(self, till: Till, batch: str) -> bool:
        """Say whether something counts, or may yet, in a batch that nobody has closed."""
        return (till, batch) in self._open

    def find_closed(self, till: Till, batch: str) -> ClosedBatch | None:
        """Return a batch that its terminal has closed, while it is remembered."""
        return self._closed.get((till, batch))

    def rrns_of_closed(self, till: Till, batch: str) -> list[str]:
        """Return the RRNs of a closed batch whose upload has not ended."""
        return self._rrns.get((till, batch), [])

    # -- what the clock finds to do

    def list_late(self, count_max: int) -> list[tuple[str, Place]]:
        """List payments that were approved after their batch had been closed."""
        found = self._late.items()
        return [pair for _, pair in zip(range(count_max), found, strict=False)]

    def find_overdue(self, at: int) -> tuple[Place, ClosedBatch] | None:
        """Return the batch that has waited longest for its upload, if that is too long."""
        place = next(iter(self._awaited), None)
        if place is None or at - self._awaited[place] < self._rules.terminals.upload_late_ms:
            return None
        return place, self._closed[place]

    def list_cut_offs(self, at: int, count_max: int) -> list[BatchCutOff]:
        """List what the clock has to close of open batches at `at`: days that are over."""
        today = clearing_day(at, self._rules)
        found: list[BatchCutOff] = []
        for till, batch in self._unsettled:
            due = find_cut_off(self._open[till, batch], today)
            if due is None:
                continue
            acquirer, merchant_id, terminal_id = till
            found.append(
                BatchCutOff(
                    acquirer=acquirer,
                    merchant_id=merchant_id,
                    terminal_id=terminal_id,
                    batch=batch,
                    settlement_date=name_day(due.day),
                    totals=due.totals,
                    at=at,
                )
            )
            if len(found) >= count_max:
                break
        return found

    def find_cut_off(self, event: BatchCutOff) -> BatchCutOff | None:
        """Say what the clock has to close of the batch of `event` at its time."""
        place = _place_of(event)
        found = self._open.get(place)
        due = find_cut_off(found, clearing_day(event.at, self._rules)) if found else None
        if due is None:
            return None
        return replace(event, settlement_date=name_day(due.day), totals=due.totals)

    # -- folding payments

    def note_proof(self, request: PaymentRequest | TerminalRequest) -> None:
        """Take note of a right MAC under the keys of a sign-on (a version above 0)."""
        till = (request.acquirer, request.merchant_id, request.terminal_id)
        state = self._states.get(till)
        if state is not None and request.key_version > state.proven_version:
            self._states[till] = prove_keys(state, request.key_version)

    def note_opened(self, request: PaymentRequest, rrn: str) -> bool:
        """Take note of a new payment; say whether its batch is over: its terminal has another."""
        if request.key_version:
            self.note_proof(request)
        till = (request.acquirer, request.merchant_id, request.terminal_id)
        state = self._states.get(till)
        if state is None or request.batch == state.batch:
            return False
        place = (till, request.batch)
        if place in self._rrns:
            self._rrns[place].append(rrn)
        return bool(state.batch) or place in self._closed

    def note_change(self, before: Payment, after: Payment, at: int) -> None:
        """
        Count a payment in its batch, or take it out again.

        It was approved just now and was not before, or the other way round.
        """
        is_approved = after.phase is Phase.APPROVED
        counted = count_payment(after if is_approved else before)
        request = after.request
        if counted is None or not (request.terminal_id and request.batch):
            return
        place = ((request.acquirer, request.merchant_id, request.terminal_id), request.batch)
        known = self._open.get(place)  # then it is not among the closed ones
        if known is None and (place in self._closed or self._is_over(place)):
            if not is_approved:
                self._late.pop(after.rrn, None)
            elif before.phase is not Phase.CASE:  # else a person has just seen to it
                self._late[after.rrn] = place
        elif known is not None or is_approved:  # else it counted in a batch that nobody remembers
            self._recount(place, known or _NEW, counted, 1 if is_approved else -1, at)

    def _is_over(self, place: Place) -> bool:
        """Say whether a batch was closed so long ago that this is forgotten."""
        till, batch = place
        state = self._states.get(till)
        return state is not None and precedes(batch, state.batch)

    def _recount(
        self, place: Place, known: OpenBatch, counted: Counted, sign: int, at: int
    ) -> None:
        totals = with_payment(known.totals, counted, sign)
        changed = change_totals(known, totals, clearing_day(at, self._rules))
        if changed.is_empty:
            self._open.pop(place, None)  # what does not count any more leaves nothing behind
            self._unsettled.pop(place, None)
        else:
            self._put_open(place, changed)

    def _put_open(self, place: Place, batch: OpenBatch) -> None:
        self._open[place] = batch
        if batch.is_settled:
            self._unsettled.pop(place, None)
        else:
            self._unsettled[place] = None  # one that is there already keeps its place

    # -- folding events of terminals

    def apply(self, event: TerminalEvent, asked: TerminalAsked | None, rrns: list[str]) -> None:
        """
        Fold one event; `asked` is the fact of its record, `rrns` are those of a batch that closes.

        Raises:
            KeyError: not an event of a terminal.
        """
        _FOLDS[type(event)](self, event, asked, rrns)

    def _ask(self, event: TerminalAsked, _asked: object, _rrns: object) -> None:
        if event.request.key_version:
            self.note_proof(event.request)

    def _change_state(
        self,
        event: TerminalSignedOn | TerminalSignedOff | BatchClosed,
        asked: TerminalAsked | None,
        _rrns: object,
    ) -> None:
        till = (event.acquirer, event.merchant_id, event.terminal_id)
        self._states[till] = evolve(self._states.get(till), event, asked)

    def _take_notice(self, event: ScriptNoticeTaken, _asked: object, _rrns: object) -> None:
        self._store(event.idempotency_key, event.fingerprint, event.answer)

    def _store(self, idempotency_key: str, fingerprint: str, answer: Answer) -> None:
        self._stored.pop(idempotency_key, None)
        self._stored[idempotency_key] = Stored(fingerprint, answer)

    def _close(self, event: BatchClosed, asked: TerminalAsked | None, rrns: list[str]) -> None:
        self._change_state(event, asked, rrns)
        place = _place_of(event)
        self._open.pop(place, None)
        self._unsettled.pop(place, None)
        self._closed.pop(place, None)  # a number that has come round goes to the end
        self._closed[place] = ClosedBatch(
            batch=event.batch,
            stan=event.stan,
            fingerprint=event.fingerprint,
            totals=event.totals,
            is_balanced=event.is_balanced,
            answer=event.answer,
            at=event.answer.at,
        )
        self._rrns[place] = rrns
        if not event.is_balanced:
            self._awaited[place] = event.answer.at
        if asked is not None:
            self._store(asked.request.idempotency_key, event.fingerprint, event.answer)

    def _upload(self, event: UploadTaken, _asked: object, _rrns: object) -> None:
        place = _place_of(event)
        closed = self._closed.get(place)
        if closed is not None:
            self._closed[place] = replace(closed, items=(*closed.items, *event.items))

    def _end_upload(self, event: UploadCompared, _asked: object, _rrns: object) -> None:
        place = _place_of(event)
        self._awaited.pop(place, None)
        self._rrns.pop(place, None)
        closed = self._closed.get(place)
        if closed is not None:
            self._closed[place] = replace(closed, items=(), is_uploaded=True)

    def _note_overdue(self, event: UploadOverdue, _asked: object, _rrns: object) -> None:
        place = _place_of(event)
        self._awaited.pop(place, None)
        closed = self._closed.get(place)
        if closed is not None:
            self._closed[place] = replace(closed, is_overdue=True)

    def _note_late(self, event: BatchChangedLate, _asked: object, _rrns: object) -> None:
        self._late.pop(event.rrn, None)

    def _cut_off(self, event: BatchCutOff, _asked: object, _rrns: object) -> None:
        place = _place_of(event)
        known = self._open.get(place)
        if known is None:
            return
        self._put_open(place, batch := cut_off(known, event.totals))
        state = self._states.get(place[0])
        is_dated = len(event.batch) != BATCH_DIGITS
        is_left = state is not None and state.batch not in {"", event.batch}
        if batch.is_settled and (is_dated or is_left):
            del self._open[place]  # nobody will ever close it

    def forget_due(self, at: int) -> None:
        """Forget closed batches and stored answers that are as old as payments may be."""
        over_at = at - self._rules.payment_memory_ms
        for place in pop_oldest(self._closed, lambda closed: closed.at < over_at):
            self._rrns.pop(place, None)
            self._awaited.pop(place, None)
        pop_oldest(self._stored, lambda stored: stored.answer.at < over_at)


def _place_of(event: _OfBatch) -> Place:
    return (event.acquirer, event.merchant_id, event.terminal_id), event.batch


_FOLDS: Final[dict[type, Callable[..., None]]] = {
    TerminalAsked: Tills._ask,  # noqa: SLF001 - this table is a part of the class
    TerminalSignedOn: Tills._change_state,  # noqa: SLF001
    TerminalSignedOff: Tills._change_state,  # noqa: SLF001
    ScriptNoticeTaken: Tills._take_notice,  # noqa: SLF001
    BatchClosed: Tills._close,  # noqa: SLF001
    UploadTaken: Tills._upload,  # noqa: SLF001
    UploadCompared: Tills._end_upload,  # noqa: SLF001
    UploadOverdue: Tills._note_overdue,  # noqa: SLF001
    BatchChangedLate: Tills._note_late,  # noqa: SLF001
    BatchCutOff: Tills._cut_off,  # noqa: SLF001
}
TERMINAL_EVENTS: Final = frozenset(_FOLDS)
