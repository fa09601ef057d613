"""What a handler remembers of its partition: the fold of its journal, and nothing else."""

from collections import OrderedDict
from typing import Any, Final, cast

from switch.domain.card import Card
from switch.domain.payment.batch_order import is_of_these_days, precedes
from switch.domain.payment.checks import BatchSize, DayTotals
from switch.domain.payment.events import (
    AdviceAccepted,
    CaseOpened,
    IssuerAnswered,
    IssuerTimedOut,
    LateAnswerReceived,
    PaymentDeclined,
    PaymentRequested,
    PaymentReversed,
    PaymentRouted,
    RepeatAttempted,
    ReversalAccepted,
    ReversalAnswered,
    ReversalAttempted,
    ReversalRequested,
    TombstoneSet,
)
from switch.domain.payment.originals import touch_of, with_touch
from switch.domain.payment.payment import Payment, Phase
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.payment.rules import DecisionRules
from switch.domain.payment.state import FOLDS, Fold, open_payment
from switch.domain.reasons import Reason
from switch.domain.terminal.events import BatchClosed, BatchCutOff, TerminalAsked, TerminalEvent
from switch.domain.terminal.requests import BatchTotals
from switch.domain.terminal.state import ClosedBatch, TerminalState
from switch.eventlog.journal import JournalRecord
from switch.handlers.case_shelf import CaseShelf
from switch.handlers.folded import Folded
from switch.handlers.forgetting import pop_oldest
from switch.handlers.limits import DailyTotals
from switch.handlers.shelf import Shelf, Terminal
from switch.handlers.tills import BATCH_DIGITS, TERMINAL_EVENTS, Tills
from switch.handlers.upstream_stans import UpstreamStans

_APPROVED: Final = Phase.APPROVED
_ROUTED: Final = Phase.ROUTED
_ROUTING_EVENTS: Final = frozenset({PaymentRouted, AdviceAccepted})
_WITHOUT_OUTCOME: Final = frozenset({Phase.ROUTED, Phase.REPEATING})
_RELEASING_EVENTS: Final = frozenset({PaymentDeclined, PaymentReversed})
# they change the payment itself and neither its phase nor what its issuer must still be told
_QUIET_EVENTS: Final = frozenset(
    {
        IssuerAnswered,
        IssuerTimedOut,
        LateAnswerReceived,
        RepeatAttempted,
        ReversalAnswered,
        ReversalAttempted,
    }
)
FORGET_EVERY_MS: Final = 1_000
# refused before it was anything of its batch, which nobody may ever close
_NOT_OF_THE_BATCH: Final = frozenset(
    reason.value
    for reason in (
        Reason.MERCHANT_NOT_FOUND,
        Reason.TERMINAL_NOT_BOUND,
        Reason.TERMINAL_MISMATCH,
        Reason.TERMINAL_INACTIVE,
        Reason.SIGN_ON_REQUIRED,
        Reason.BATCH_MISMATCH,
        Reason.BATCH_FULL,
    )
)


class PartitionBook(Folded):
    """
    Payments, terminals, tombstones, limits and trace numbers of one partition.

    Changed by `apply` alone, with valid records in the order of the journal; two books that were
    given the same records are equal.
    """

    def __init__(self, partition: int, partition_count: int, rules: DecisionRules) -> None:
        self._rules = rules
        self._shelf = Shelf(rules)
        self.tills = Tills(rules)
        self.cases = CaseShelf(partition, rules.cases)
        self._reversals: dict[str, tuple[str, Answer]] = {}
        self._tombstones: dict[str, int] = {}
        self._totals = DailyTotals(rules)
        self._stans = UpstreamStans(partition, partition_count)
        self.open_rrns: dict[str, None] = {}  # something is still to happen, in order of opening
        self.watermark = 0
        self.registry_position = 0
        # in the order of their decision; the first is looked at with almost every record, and only
        # an ordered dict finds it without walking over all that were taken out before it
        self._decided_above_watermark: OrderedDict[int, None] = OrderedDict()
        self._forgot_at = 0
        self._forget_at = 0

    # -- reading ------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Count the payments remembered."""
        return len(self._shelf)

    def find_payment(self, rrn: str) -> Payment | None:
        """Return a payment by its RRN."""
        return self._shelf.find(rrn)

    def find_by_key(self, idempotency_key: str) -> Payment | None:
        """Return the payment that was asked for under this key."""
        return self._shelf.find_by_key(idempotency_key)

    def find_card(self, merchant_id: str, token: str) -> Card | None:
        """Return a card that this merchant was paid with before."""
        return self._shelf.find_card(merchant_id, token)

    def is_tombstoned(self, idempotency_key: str, at: int) -> bool:
        """Say whether a reversal came first and its tombstone still stands at `at`."""
        return self._tombstones.get(idempotency_key, 0) > at

    def is_latest_of_terminal(self, payment: Payment) -> bool:
        """Say whether no later payment of the same terminal was asked for."""
        return self._shelf.is_latest_of_terminal(payment)

    def find_reversal(self, reversal_key: str) -> tuple[str, Answer] | None:
        """Return fingerprint and stored answer of an 0400 that was already accepted."""
        return self._reversals.get(reversal_key)

    def find_original(self, request: PaymentRequest) -> Payment | None:
        """Find what an 0400 takes back."""
        return self._shelf.find_reversed(request)

    def list_changed(self, payment: Payment | None) -> tuple[Payment, ...]:
        """Return the payment that this one has changed, and the one which that one has changed."""
        changed: list[Payment] = []
        while payment is not None and payment.original_rrn:
            payment = self._shelf.find(payment.original_rrn)
            if payment is not None:
                changed.append(payment)
        return tuple(changed)

    def find_referred(self, request: PaymentRequest) -> Payment | None:
        """Return the payment that a void, refund, completion or adjustment wants to change."""
        return self._shelf.find_referred(request)

    def find_alike(self, request: PaymentRequest) -> Payment | None:
        """Return the terminal's last payment with the same card and amount."""
        return self._shelf.find_alike(request)

    def is_spent(self, rrn: str) -> bool:
        """Say whether a payment that is no longer remembered has nothing left to be changed."""
        return self._shelf.is_spent(rrn)

    def find_till(self, request: PaymentRequest) -> TerminalState | None:
        """Return what the request's terminal has said: sign-on, batch, keys."""
        return self.tills.find_of(request)

    def measure_batch(self, request: PaymentRequest) -> BatchSize | None:
        """Return how large the request's batch is; None if it is empty, or there is none."""
        return self._shelf.measure_batch(request)

    def rrns_of_batch(self, terminal: Terminal, batch: str) -> list[str]:
        """Return the RRNs of a batch that is remembered."""
        return self._shelf.rrns_of_batch(terminal, batch)

    def find_terminal_state(self, till: Terminal) -> TerminalState | None:
        """Return what a terminal has said of itself; None if it never did."""
        return self.tills.find(*till)

    def total_batch(self, till: Terminal, batch: str) -> BatchTotals:
        """Return what counts in a batch that is not closed."""
        return self.tills.total_batch(till, batch)

    def holds_batch(self, till: Terminal, batch: str) -> bool:
        """Say whether payments of a batch that is not closed are remembered."""
        return bool(self._shelf.rrns_of_batch(till, batch))

    def count_running(self, till: Terminal, batch: str) -> int:
        """Count the payments of a batch whose outcome is not known."""
        payments = map(self._shelf.find, self._shelf.rrns_of_batch(till, batch))
        return sum(one is not None and one.phase in _WITHOUT_OUTCOME for one in payments)

    def is_batch_forgotten(self, request: PaymentRequest, at: int) -> bool:
        """Say whether an 0400 quotes a batch, or a day, of which nothing is remembered any more."""
        if not request.terminal_id:
            return False
        if len(request.batch) != BATCH_DIGITS:
            day = (request.original.date if request.original else "") or request.batch
            return not is_of_these_days(day, at, self._rules)
        till = (request.acquirer, request.merchant_id, request.terminal_id)
        is_known = self._shelf.measure_batch(request) or self.tills.find_closed(till, request.batch)
        state = self.tills.find_of(request)
        return not is_known and state is not None and precedes(request.batch, state.batch)

    def find_closed_batch(self, till: Terminal, batch: str) -> ClosedBatch | None:
        """Return a batch that its terminal has closed, while it is remembered."""
        return self.tills.find_closed(till, batch)

    def payments_of_closed(self, till: Terminal, batch: str) -> list[Payment]:
        """Return the payments of a closed batch whose upload has not ended, oldest first."""
        payments = map(self._shelf.find, self.tills.rrns_of_closed(till, batch))
        return [payment for payment in payments if payment is not None]

    def day_totals(self, merchant_id: str, at: int) -> DayTotals:
        """Return what the merchant has been given on the business day of `at`."""
        return self._totals.of(merchant_id, at)

    def next_upstream_stan(self) -> str:
        """Return the next trace number towards issuers; empty if too many are in use."""
        return self._stans.next()

    def is_decided(self, inbound_offset: int) -> bool:
        """Say whether an inbound record was decided before (a take-over reads some again)."""
        return inbound_offset < self.watermark or inbound_offset in self._decided_above_watermark

    # -- folding ------------------------------------------------------------------------------

    def apply(self, record: JournalRecord) -> None:
        """Fold one valid record; raises nothing for records that `decide` could have made."""
        if record.watermark > self.watermark:
            self.watermark = record.watermark
            decided = self._decided_above_watermark
            while decided and (first := next(iter(decided))) < record.watermark:
                del decided[first]
        if record.inbound_offset >= self.watermark:
            self._decided_above_watermark[record.inbound_offset] = None
        self.registry_position = max(self.registry_position, record.registry_position)
        self._apply_events(record)
        if record.at >= self._forget_at or record.at < self._forgot_at:
            self._forget(record.at)

    def _apply_events(self, record: JournalRecord) -> None:
        """Fold the events in turn; what almost every record holds is looked for first."""
        at = record.at
        request: PaymentRequest | None = None
        asked: TerminalAsked | None = None
        has_cases = False
        for event in record.events:
            kind = type(event)
            fold = FOLDS.get(kind)
            if fold is not None:
                self._apply_to_payment(event, kind, fold, at)
                has_cases = has_cases or kind is CaseOpened
                if kind is ReversalAccepted and request is not None:
                    self._keep_reversal(cast("ReversalAccepted", event), request.fingerprint)
            elif isinstance(event, PaymentRequested):
                self._open(event)
            elif isinstance(event, ReversalRequested):
                request = event.request
                if request.key_version:
                    self.tills.note_proof(request)
            elif isinstance(event, TombstoneSet):
                self._set_tombstone(event)
            elif kind in TERMINAL_EVENTS:
                asked = event if isinstance(event, TerminalAsked) else asked
                self._apply_to_terminal(cast("TerminalEvent", event), asked, at)
            else:
                has_cases = True
        if has_cases:
            self.cases.apply(record.events, at, self._shelf.find)

    def _forget(self, at: int) -> None:
        """Forget what is over, once in a while: by the times of records, so every fold does."""
        self._shelf.forget_due(at, self.cases.has_open)
        self._forgot_at = at
        self._forget_at = at if self._shelf.has_due else at + FORGET_EVERY_MS
        self.tills.forget_due(at)
        over_at = at - self._rules.reversal_answer_ms
        pop_oldest(self._tombstones, lambda until: until <= at)
        pop_oldest(self._reversals, lambda reversal: reversal[1].at < over_at)

    def _open(self, event: PaymentRequested) -> None:
        """Take a new payment in; the batch of one that comes late is not open again for it."""
        is_batch_over = self.tills.note_opened(event.request, event.rrn)
        self._shelf.put(open_payment(event), event.recalled, is_batch_over=is_batch_over)
        if event.recalled is not None:
            self._forget_at = 0  # where nothing came of it, it goes with this record

    def _apply_to_terminal(
        self, event: TerminalEvent, asked: TerminalAsked | None, at: int
    ) -> None:
        rrns: list[str] = []
        if isinstance(event, BatchClosed):
            till = (event.acquirer, event.merchant_id, event.terminal_id)
            rrns = self._shelf.rrns_of_batch(till, event.batch)
            self._shelf.close_batch(till, event.batch, at)
        self.tills.apply(event, asked, rrns)
        if isinstance(event, BatchCutOff):
            till = (event.acquirer, event.merchant_id, event.terminal_id)
            if not self.tills.is_open(till, event.batch):
                self._shelf.close_batch(till, event.batch, at)  # its terminal has left it behind

    def _set_tombstone(self, event: TombstoneSet) -> None:
        """Remember it as the latest: the oldest come first."""
        self._tombstones.pop(event.idempotency_key, None)
        self._tombstones[event.idempotency_key] = event.until

    def _keep_reversal(self, event: ReversalAccepted, fingerprint: str) -> None:
        """Store the answer to an 0400 for its repeats; without it they are decided again."""
        self._reversals.pop(event.reversal_key, None)
        self._reversals[event.reversal_key] = (fingerprint, event.answer)

    def _apply_to_payment(self, event: Any, kind: type, fold: Fold, at: int) -> None:  # noqa: ANN401 - of FOLDS
        """Fold an event that may concern one payment, and what follows from it."""
        before = self._shelf.find(event.rrn)
        if before is None:
            return
        after = fold(before, event)
        self._shelf.replace(after)
        if kind in _QUIET_EVENTS:
            return
        if kind in _ROUTING_EVENTS:
            if after.upstream_stan:
                self._stans.use(after.upstream_stan)
                self._totals.add(after, 1)
                self._shelf.note_debit(after)
        elif kind in _RELEASING_EVENTS and before.upstream_stan:
            self._totals.add(before, -1)
        elif kind is PaymentDeclined and event.answer.reason in _NOT_OF_THE_BATCH:
            self._shelf.set_aside(after)
        self._note_open(before, after, at)
        if (after.phase is _APPROVED) is not (before.phase is _APPROVED):
            self.tills.note_change(before, after, at)
        if after.original_rrn:
            self._touch_original(after)

    def _note_open(self, before: Payment, after: Payment, at: int) -> None:
        """Keep what is open with an issuer; tell the cases who is told until it answers."""
        was_forwarding, is_forwarding = before.is_forwarding, after.is_forwarding
        if is_forwarding or after.phase is _ROUTED:
            self.open_rrns[after.rrn] = None
            self._stans.hold(after.upstream_stan)
        elif was_forwarding or before.phase is _ROUTED:
            self.open_rrns.pop(after.rrn, None)
            self._stans.release(after.upstream_stan)
        if was_forwarding is not is_forwarding:
            self.cases.note_change(before, after, at)

    def _touch_original(self, payment: Payment) -> None:
        """Let an original know what is done to it, and the original's own original likewise."""
        original = self._shelf.find(payment.original_rrn)
        if original is None:
            return
        touched = with_touch(original, payment.rrn, touch_of(payment))
        self._shelf.replace(touched)
        self._shelf.index_hold(touched)
        if touched.original_rrn:
            self._touch_original(touched)
