"""The payments that a partition remembers, found by RRN, key, trace number, card; and forgotten."""

from collections.abc import Callable
from typing import Final, TypeVar

from switch.domain.card import Card
from switch.domain.identifiers import make_idempotency_key
from switch.domain.payment.batch_order import is_neighbouring_batch
from switch.domain.payment.checks import BatchSize
from switch.domain.payment.originals import Standing, standing_of
from switch.domain.payment.payment import Payment, Phase
from switch.domain.payment.requests import PaymentRequest
from switch.domain.payment.reversals import (
    fits_original,
    original_keys,
    original_stan,
)
from switch.domain.payment.rules import DecisionRules, format_local_time
from switch.domain.transactions import TRAITS, TransactionType, WhenUnknown
from switch.handlers.folded import Folded
from switch.handlers.forgetting import Reminders, SpentOriginals

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000
_BATCH_DIGITS: Final = 6
_PRE_AUTHORIZATION: Final = TransactionType.PRE_AUTHORIZATION
_PARTLY_LEFT: Final = frozenset({Standing.HELD, Standing.PARTLY_REFUNDED, Standing.ADJUSTED})
_ALL_LEFT: Final = frozenset({Standing.NORMAL, Standing.PRE_AUTHORIZATION_OPEN})

_Key = TypeVar("_Key")
Terminal = tuple[str, str, str]


class Drawer(Folded):
    """What leads to the payments of one terminal: RRNs, each the latest of its kind."""

    def __init__(self) -> None:
        self.by_stan: dict[str, str] = {}
        self.alike: dict[tuple[str, int], str] = {}  # debits by card and amount
        self.latest = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing of this terminal is remembered."""
        return not (self.by_stan or self.alike or self.latest)


class Shelf(Folded):
    """Payments and their indexes; what is forgotten when is docs/rules.md 2."""

    def __init__(self, rules: DecisionRules) -> None:
        self._rules = rules
        self._payments: dict[str, Payment] = {}
        self._rrn_by_key: dict[str, str] = {}
        self._rrn_by_card: dict[tuple[str, str], str] = {}  # merchant and token, the latest
        self._drawers: dict[Terminal, Drawer] = {}
        self._holds: dict[tuple[str, str, str, str], list[str]] = {}  # pre-authorizations by code
        self._batches: dict[tuple[str, str, str, str], list[str]] = {}  # open, oldest first
        self._swept_hour = 0
        self._reminders = Reminders()
        self._spent = SpentOriginals(rules.refund_days)

    # -- reading

    def __len__(self) -> int:
        """Count the payments remembered."""
        return len(self._payments)

    def find(self, rrn: str) -> Payment | None:
        """Return a payment by its RRN."""
        return self._payments.get(rrn)

    def find_by_key(self, idempotency_key: str) -> Payment | None:
        """Return the payment that was asked for under this key."""
        rrn = self._rrn_by_key.get(idempotency_key)
        return None if rrn is None else self._payments[rrn]

    def find_card(self, merchant_id: str, token: str) -> Card | None:
        """Return a card that this merchant was paid with before."""
        rrn = self._rrn_by_card.get((merchant_id, token))
        return None if rrn is None else self._payments[rrn].request.card

    def is_latest_of_terminal(self, payment: Payment) -> bool:
        """Say whether no later payment of the same terminal was asked for."""
        drawer = self._drawers.get(_terminal_of(payment.request))
        return drawer is not None and drawer.latest == payment.rrn

    def is_spent(self, rrn: str) -> bool:
        """Say whether a payment that is no longer remembered has nothing left to be changed."""
        return rrn in self._spent

    def find_alike(self, request: PaymentRequest) -> Payment | None:
        """Return the terminal's last debit with the same card and amount."""
        card, amount = request.card, request.amount
        drawer = self._drawers.get(_terminal_of(request))
        if drawer is None or card is None or amount is None:
            return None
        rrn = drawer.alike.get((card.lasting_token, amount.minor))
        return None if rrn is None else self._payments[rrn]

    def find_reversed(self, request: PaymentRequest) -> Payment | None:
        """
        Find what an 0400 takes back: by RRN (a partner's), by key, else in a neighbouring batch.

        There STAN, card and amount must be the same: a trace number alone comes round again.
        """
        quoted = request.original
        if not request.terminal_id:
            payment = self._payments.get(quoted.rrn) if quoted else None
            is_theirs = payment is not None and _shop_of(payment.request) == _shop_of(request)
            return payment if is_theirs else None
        for key in original_keys(request):
            if (by_key := self.find_by_key(key)) is not None:
                return by_key
        drawer = self._drawers.get(_terminal_of(request))
        rrn = drawer.by_stan.get(original_stan(request)) if drawer else None
        candidate = None if rrn is None else self._payments[rrn]
        if (
            candidate is None
            or request.card is None
            or not is_neighbouring_batch(request.batch, candidate.request.batch)
            or not fits_original(request, candidate)
        ):
            return None
        return candidate

    def find_referred(self, request: PaymentRequest) -> Payment | None:
        """
        Find the payment that a void, refund, completion or adjustment wants to change.

        By its RRN if one is quoted; a hold by card, authorization and day; else by trace number.
        """
        quoted = request.original
        if quoted is None:
            return None
        if quoted.rrn:
            return self._payments.get(quoted.rrn)
        if _PRE_AUTHORIZATION in TRAITS[request.transaction].originals:
            return self._find_hold(request, quoted.authorization_id, quoted.date)
        return self.find_by_key(
            make_idempotency_key(
                acquirer=request.acquirer,
                merchant_id=request.merchant_id,
                terminal_id=request.terminal_id,
                batch=quoted.batch or quoted.date or request.batch,
                stan=quoted.stan,
                message_class="payment",
            )
        )

    def _find_hold(self, request: PaymentRequest, code: str, mmdd: str) -> Payment | None:
        if request.card is None:
            return None
        rrns = self._holds.get((*_shop_of(request), request.card.lasting_token, code), ())
        for rrn in reversed(rrns):  # the latest first: codes come round
            payment = self._payments[rrn]
            day = (
                payment.request.local_date
                or format_local_time(payment.opened_at, self._rules).local_date
            )
            if not mmdd.strip("0") or mmdd == day:
                return payment
        return None

    # -- changing

    def put(self, payment: Payment, recalled: Payment | None, *, is_batch_over: bool) -> None:
        """Take a new payment in, with the original that was read back for it."""
        if recalled is not None and recalled.rrn not in self._payments:
            self._payments[recalled.rrn] = recalled
            self._remind(recalled)
        request, rrn = payment.request, payment.rrn
        terminal = _terminal_of(request)
        self._payments[rrn] = payment
        self._rrn_by_key[request.idempotency_key] = rrn
        drawer = self._drawers.get(terminal)
        if drawer is None:
            drawer = self._drawers[terminal] = Drawer()
        drawer.by_stan[request.stan] = rrn
        if TRAITS[request.transaction].when_unknown is not WhenUnknown.END:
            # an inquiry is asked anew by every copy of it, however late: it says nothing about
            # which purchase was the last
            drawer.latest = rrn
        card = request.card
        if card is not None:
            self._rrn_by_card[request.merchant_id, card.token] = rrn
        if len(request.batch) == _BATCH_DIGITS and not is_batch_over:
            batch = self._batches.get((*terminal, request.batch))
            if batch is None:
                batch = self._batches[*terminal, request.batch] = []
            batch.append(rrn)
        else:
            self._remind(payment)

    def replace(self, payment: Payment) -> None:
        """Take the new state of a payment."""
        self._payments[payment.rrn] = payment
        if payment.request.transaction is _PRE_AUTHORIZATION:
            self.index_hold(payment)

    def note_debit(self, payment: Payment) -> None:
        """
        Keep a debit that was routed as the last with its card and amount.

        Not one that was refused: it would hide an earlier one that is still open.
        """
        request = payment.request
        card, amount = request.card, request.amount
        if card is not None and amount is not None and payment.traits.takes_limits:
            drawer = self._drawers[_terminal_of(request)]
            drawer.alike[card.lasting_token, amount.minor] = payment.rrn

    def index_hold(self, payment: Payment) -> None:
        """Let an approved pre-authorization be found by card and authorization."""
        answer, card = payment.answer, payment.request.card
        if payment.transaction is not _PRE_AUTHORIZATION or card is None or answer is None:
            return
        if payment.phase is Phase.APPROVED:
            place = (*_shop_of(payment.request), card.lasting_token, answer.authorization_id)
            rrns = self._holds.setdefault(place, [])
            if payment.rrn not in rrns:
                rrns.append(payment.rrn)

    # -- batches

    def rrns_of_batch(self, terminal: Terminal, batch: str) -> list[str]:
        """Return the RRNs of a batch that is remembered."""
        return self._batches.get((*terminal, batch), [])

    def measure_batch(self, request: PaymentRequest) -> BatchSize | None:
        """Return how large the request's batch is; None if it is empty, or there is none."""
        rrns = self._batches.get(
            (request.acquirer, request.merchant_id, request.terminal_id, request.batch)
        )
        return BatchSize(len(rrns), self._payments[rrns[0]].opened_at) if rrns else None

    def set_aside(self, payment: Payment) -> None:
        """Take a payment that was refused for its batch out of it: nobody may ever close that."""
        request = payment.request
        place = (*_terminal_of(request), request.batch)
        rrns = self._batches.get(place)
        if rrns and rrns[-1] == payment.rrn:
            rrns.pop()
            if not rrns:
                del self._batches[place]
            self._remind(payment)

    def close_batch(self, terminal: Terminal, batch: str, at: int) -> None:
        """Let the payments of a closed batch be forgotten in their time, changes first."""
        rrns = self._batches.pop((*terminal, batch), None)
        if rrns:
            self._reminders.add_all(at + self._rules.payment_memory_ms, rrns[::-1])

    # -- forgetting

    def forget_due(self, at: int, is_kept: Callable[[str], bool]) -> None:
        """Forget some of what is over; what is open, can be changed or is kept, stays."""
        if at // _HOUR_MS != self._swept_hour:
            self._swept_hour = at // _HOUR_MS
            self._leave_batches(at)
        for rrn in self._reminders.take_due(at):
            payment = self._payments.get(rrn)
            if payment is not None:
                self._forget(payment, at, is_kept)

    @property
    def has_due(self) -> bool:
        """Whether there is more to forget already."""
        return self._reminders.has_due

    def _leave_batches(self, at: int) -> None:
        """
        Let go of batches that were opened so long ago that nothing in them can be changed.

        Their terminals have vanished. The first payment stays: it says since when the batch is
        open, so that a terminal that comes back must settle before anything else.
        """
        opened_before = at - self._rules.refund_days * _DAY_MS
        for rrns in self._batches.values():
            if self._payments[rrns[0]].opened_at >= opened_before:
                return
            if len(rrns) > 1:
                self._reminders.add_all(at + self._rules.payment_memory_ms, rrns[1:])
                del rrns[1:]

    def _remind(self, payment: Payment) -> None:
        self._reminders.add(payment.opened_at + self._rules.payment_memory_ms, payment.rrn)

    def _forget(self, payment: Payment, at: int, is_kept: Callable[[str], bool]) -> None:
        standing = standing_of(payment)
        if payment.is_open or is_kept(payment.rrn) or self._is_needed(payment, standing, at):
            self._reminders.add(at + _DAY_MS, payment.rrn)
            return
        was_approved = payment.line is not None or payment.approved_minor
        if was_approved and standing not in _ALL_LEFT:
            self._spent.add(payment.rrn, payment.opened_at, at)
        self._drop(payment)

    def _is_needed(self, payment: Payment, standing: Standing, at: int) -> bool:
        """
        Holds live for their days, payments that are partly left for those of a refund.

        Also whatever was given up or completed, as long as that is remembered: it may be undone.
        """
        if any(touch.rrn in self._payments for touch in payment.touches):
            return True
        age_days = (at - payment.opened_at) // _DAY_MS
        if payment.transaction is _PRE_AUTHORIZATION and payment.phase is Phase.APPROVED:
            return age_days <= self._rules.pre_authorization_days
        return standing in _PARTLY_LEFT and age_days <= self._rules.refund_days

    def _drop(self, payment: Payment) -> None:
        request, rrn = payment.request, payment.rrn
        del self._payments[rrn]
        _drop_if(self._rrn_by_key, request.idempotency_key, rrn)
        self._drop_from_drawer(request, rrn)
        card = request.card
        if card is None:
            return
        _drop_if(self._rrn_by_card, (request.merchant_id, card.token), rrn)
        if payment.transaction is _PRE_AUTHORIZATION and payment.answer is not None:
            code = payment.answer.authorization_id
            place = (*_shop_of(request), card.lasting_token, code)
            rrns = [other for other in self._holds.get(place, ()) if other != rrn]
            if rrns:
                self._holds[place] = rrns
            else:
                self._holds.pop(place, None)

    def _drop_from_drawer(self, request: PaymentRequest, rrn: str) -> None:
        terminal = _terminal_of(request)
        drawer = self._drawers.get(terminal)
        if drawer is None:
            return  # it was read back from the journal, and nothing else of its terminal is here
        _drop_if(drawer.by_stan, request.stan, rrn)
        if request.card is not None and request.amount is not None:
            _drop_if(drawer.alike, (request.card.lasting_token, request.amount.minor), rrn)
        if drawer.latest == rrn:
            drawer.latest = ""
        if drawer.is_empty:
            del self._drawers[terminal]


def _drop_if(index: dict[_Key, str], key: _Key, rrn: str) -> None:
    """Drop an index entry if it still leads to this payment."""
    if index.get(key) == rrn:
        del index[key]


def _terminal_of(request: PaymentRequest) -> Terminal:
    return (request.acquirer, request.merchant_id, request.terminal_id)


def _shop_of(request: PaymentRequest) -> tuple[str, str]:
    return (request.acquirer, request.merchant_id)
