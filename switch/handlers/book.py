"""What a handler remembers of its partition: the fold of its journal, and nothing else."""

from typing import Final

from switch.domain.card import Card
from switch.domain.payment.checks import DayTotals
from switch.domain.payment.events import (
    PaymentDeclined,
    PaymentRequested,
    PaymentReversed,
    PaymentRouted,
    ReversalAccepted,
    ReversalRequested,
    TombstoneSet,
)
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.payment.reversals import (
    fits_original,
    is_neighbouring_batch,
    original_keys,
)
from switch.domain.payment.rules import DecisionRules, business_day
from switch.domain.payment.state import FOLDED_EVENTS, Payment, Phase, evolve, open_payment
from switch.eventlog.journal import JournalEvent, JournalRecord

STAN_MAX: Final = 999_999
_OPEN: Final = frozenset({Phase.ROUTED, Phase.REVERSING})
_NO_TOTALS: Final = DayTotals()
DAYS_KEPT_COUNT: Final = 8  # business days with totals; counted, not dated: clocks may be wrong


class PartitionBook:
    """
    Payments, keys, tombstones, limits and trace numbers of one partition.

    Changed by `apply` alone, with valid records in the order of the journal; two books that were
    given the same records are equal.
    """

    def __init__(self, partition: int, partition_count: int, rules: DecisionRules) -> None:
        self._partition = partition
        self._partition_count = partition_count
        self._rules = rules
        self._payments: dict[str, Payment] = {}
        self._rrn_by_key: dict[str, str] = {}
        self._rrn_by_stan: dict[tuple[str, str, str, str], str] = {}
        self._latest_rrn: dict[tuple[str, str, str], str] = {}
        self._cards: dict[tuple[str, str], Card] = {}  # by merchant and token, the latest seal
        self._reversals: dict[str, tuple[str, Answer]] = {}
        self._tombstones: dict[str, int] = {}
        self._totals: dict[int, dict[str, DayTotals]] = {}  # business day -> merchant
        self._upstream_stans_open: set[str] = set()
        self._upstream_stan = partition - partition_count  # the next one is its own residue
        self.open_rrns: dict[str, None] = {}  # routed or going back, in the order of opening
        self.watermark = 0
        self.registry_position = 0
        self._decided_above_watermark: set[int] = set()

    # -- reading ------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Count the payments remembered."""
        return len(self._payments)

    def find_payment(self, rrn: str) -> Payment | None:
        """Return a payment by its RRN."""
        return self._payments.get(rrn)

    def find_by_key(self, idempotency_key: str) -> Payment | None:
        """Return the payment that was asked for under this key."""
        rrn = self._rrn_by_key.get(idempotency_key)
        return None if rrn is None else self._payments[rrn]

    def find_card(self, merchant_id: str, token: str) -> Card | None:
        """Return a card that this merchant was paid with before."""
        return self._cards.get((merchant_id, token))

    def is_tombstoned(self, idempotency_key: str, at: int) -> bool:
        """Say whether a reversal came first and its tombstone still stands at `at`."""
        return self._tombstones.get(idempotency_key, 0) > at

    def is_latest_of_terminal(self, payment: Payment) -> bool:
        """Say whether no later payment of the same terminal was asked for."""
        return self._latest_rrn.get(_terminal_of(payment.request)) == payment.rrn

    def find_reversal(self, reversal_key: str) -> tuple[str, Answer] | None:
        """Return fingerprint and stored answer of an 0400 that was already accepted."""
        return self._reversals.get(reversal_key)

    def find_original(self, request: PaymentRequest) -> Payment | None:
        """
        Find what an 0400 takes back: by key, else in a neighbouring batch.

        There STAN, card and amount must be the same: a trace number alone comes round again.
        """
        for key in original_keys(request):
            if (by_key := self.find_by_key(key)) is not None:
                return by_key
        quoted = request.original.stan if request.original else ""
        rrn = self._rrn_by_stan.get((*_terminal_of(request), quoted or request.stan))
        candidate = None if rrn is None else self._payments[rrn]
        if (
            candidate is None
            or request.card is None
            or not is_neighbouring_batch(request.batch, candidate.request.batch)
            or not fits_original(request, candidate)
        ):
            return None
        return candidate

    def day_totals(self, merchant_id: str, at: int) -> DayTotals:
        """Return what the merchant has been given on the business day of `at`."""
        merchants = self._totals.get(business_day(at, self._rules))
        return _NO_TOTALS if merchants is None else merchants.get(merchant_id, _NO_TOTALS)

    def next_upstream_stan(self) -> str:
        """
        Take the next free trace number of the partition's residue class (docs/design.md 4).

        Empty once half of the class belongs to open payments: issuers do not answer, and a search
        among ever fewer free numbers would stall everybody.
        """
        if len(self._upstream_stans_open) >= STAN_MAX // self._partition_count // 2:
            return ""
        stan = self._upstream_stan
        while True:
            stan += self._partition_count
            if not 0 < stan <= STAN_MAX:
                stan = self._partition or self._partition_count
            if (text := f"{stan:06d}") not in self._upstream_stans_open:
                return text

    def is_decided(self, inbound_offset: int) -> bool:
        """Say whether an inbound record was decided before (a take-over reads some again)."""
        return inbound_offset < self.watermark or inbound_offset in self._decided_above_watermark

    # -- folding ------------------------------------------------------------------------------

    def apply(self, record: JournalRecord) -> None:
        """Fold one valid record; raises nothing for records that `decide` could have made."""
        if record.watermark > self.watermark:
            self.watermark = record.watermark
            decided = self._decided_above_watermark
            self._decided_above_watermark = {n for n in decided if n >= record.watermark}
        if record.inbound_offset >= self.watermark:
            self._decided_above_watermark.add(record.inbound_offset)
        self.registry_position = max(self.registry_position, record.registry_position)
        request: PaymentRequest | None = None
        for event in record.events:
            if isinstance(event, PaymentRequested):
                self._open(event)
            elif isinstance(event, ReversalRequested):
                request = event.request
            elif isinstance(event, TombstoneSet):
                self._set_tombstone(event, record.at)
            else:
                self._apply_to_payment(event, request)

    def _set_tombstone(self, event: TombstoneSet, at: int) -> None:
        """Remember it, and forget those that are over (the oldest come first)."""
        tombstones = self._tombstones
        tombstones.pop(event.idempotency_key, None)
        tombstones[event.idempotency_key] = event.until
        while tombstones[oldest := next(iter(tombstones))] <= at:
            del tombstones[oldest]
            if not tombstones:
                return

    def _keep_reversal(self, event: ReversalAccepted, fingerprint: str) -> None:
        """Store the answer to an 0400 for its repeats; without it they are decided again."""
        reversals = self._reversals
        reversals.pop(event.reversal_key, None)
        reversals[event.reversal_key] = (fingerprint, event.answer)
        over_at = event.answer.at - self._rules.reversal_answer_ms
        while reversals[oldest := next(iter(reversals))][1].at < over_at:
            del reversals[oldest]

    def _open(self, event: PaymentRequested) -> None:
        request = event.request
        terminal = _terminal_of(request)
        self._payments[event.rrn] = open_payment(event)
        self._rrn_by_key[request.idempotency_key] = event.rrn
        self._rrn_by_stan[*terminal, request.stan] = event.rrn
        self._latest_rrn[terminal] = event.rrn
        if request.card is not None:
            self._cards[request.merchant_id, request.card.token] = request.card

    def _apply_to_payment(self, event: JournalEvent, request: PaymentRequest | None) -> None:
        """Fold an event that may concern one payment, and what follows from it."""
        if isinstance(event, ReversalAccepted) and request is not None:
            self._keep_reversal(event, request.fingerprint)
        rrn: str = getattr(event, "rrn", "")
        before = self._payments.get(rrn)
        if before is None or not isinstance(event, FOLDED_EVENTS):
            return
        after = evolve(before, event)
        self._payments[rrn] = after
        if isinstance(event, PaymentRouted):
            self._hold(after)
        elif isinstance(event, PaymentDeclined | PaymentReversed):
            self._release(before)
        if after.phase in _OPEN:
            self.open_rrns[rrn] = None
            self._upstream_stans_open.add(after.upstream_stan)
        elif before.phase in _OPEN:
            self.open_rrns.pop(rrn, None)
            self._upstream_stans_open.discard(after.upstream_stan)

    def _hold(self, payment: Payment) -> None:
        """Count a routed payment against today's limits; it is running, so it takes its room."""
        self._upstream_stan = int(payment.upstream_stan)
        self._add_to_totals(payment, 1)

    def _release(self, before: Payment) -> None:
        """Give the room back if the payment had taken any."""
        if before.upstream_stan:
            self._add_to_totals(before, -1)

    def _add_to_totals(self, payment: Payment, sign: int) -> None:
        request = payment.request
        day = business_day(request.received_at, self._rules)
        merchants = self._totals.get(day)
        if merchants is None:
            merchants = self._totals[day] = {}
            if len(self._totals) > DAYS_KEPT_COUNT:
                del self._totals[min(self._totals)]
        old = merchants.get(request.merchant_id, _NO_TOTALS)
        minor = request.amount.minor if request.amount else 0
        merchants[request.merchant_id] = DayTotals(
            old.amount_minor + sign * minor, old.count + sign
        )


def _terminal_of(request: PaymentRequest) -> tuple[str, str, str]:
    return (request.acquirer, request.merchant_id, request.terminal_id)
