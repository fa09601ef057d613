"""The terminals' side of a partition: what an inbound message leads to (docs/rules.md 1, 5, 7)."""

from msgspec.structs import replace

from switch.domain.clock import Now
from switch.domain.identifiers import make_rrn
from switch.domain.payment.decide import decide_payment
from switch.domain.payment.events import (
    DuplicateConflicted,
    PaymentRequested,
    PaymentRouted,
    RequestRefused,
    ReversalAccepted,
    ReversalRequested,
)
from switch.domain.payment.outcomes import make_decline
from switch.domain.payment.payment import Payment
from switch.domain.payment.repeats import KeyCheck, Verdict, check_key
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.payment.reversals import decide_reversal
from switch.domain.payment.routing import RoutingView
from switch.domain.reasons import Reason
from switch.domain.terminal.state import TerminalState
from switch.domain.transactions import TRAITS
from switch.eventlog.inbound import RequestReceived
from switch.eventlog.journal import InboundParked
from switch.handlers.book import PartitionBook
from switch.handlers.cases_side import OPERATOR_CHANNEL, CasesSide
from switch.handlers.intake import NO_PIN, Intake, Refused, Waiter
from switch.handlers.issuers_side import IssuersSide
from switch.handlers.management import ManagementSide
from switch.handlers.recalls import Asked, Recalling, Recalls
from switch.handlers.recorder import Recorder
from switch.handlers.settings import PartitionSettings
from switch.handlers.translate import JSON_CHANNEL, complete_request, is_reversal, mark_of
from switch.handlers.translate_management import is_management
from switch.handlers.waiting import WaitingRoom


class RequestsSide:
    """Takes inbound messages one by one; each leaves a record, an answer, both, or silence."""

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
        issuers: IssuersSide,
        cases: CasesSide,
        management: ManagementSide,
    ) -> None:
        self._index = index
        self._settings = settings
        self._book = book
        self._registry = registry
        self._intake = intake
        self._recorder = recorder
        self._waiting = waiting
        self._issuers = issuers
        self._cases = cases
        self._management = management
        self._recalls = Recalls(index, book, recorder)
        self.registry_confirmed_boot_ms = 0

    def take(self, offset: int, received: RequestReceived, now: Now) -> None:
        """
        Take the next inbound record.

        A record whose decision raises is parked as a case: one bad record stops nobody else.
        """
        if self._book.is_decided(offset):
            self._recorder.next_inbound = offset + 1
            return
        mark = self._recorder.begin_inbound(offset)
        try:
            self._take(offset, received, now)
        except Exception as error:  # noqa: BLE001 - parked with its kind, never with its content
            self._append_parked(offset, received, type(error).__name__, now)
        self._recorder.end_inbound(offset, mark)

    def park(self, offset: int, inbound_id: str, fault: str, now: Now) -> None:
        """Set an inbound record aside that cannot even be read."""
        if not self._book.is_decided(offset):
            self._recorder.begin_inbound(offset)
            event = InboundParked(
                inbound_offset=offset, inbound_id=inbound_id, fault=fault, at=now.wall_ms
            )
            self._recorder.append((event,), now, offset)
        self._recorder.next_inbound = offset + 1

    def _append_parked(self, offset: int, received: RequestReceived, fault: str, now: Now) -> None:
        event = InboundParked(
            inbound_offset=offset,
            inbound_id=received.inbound_id,
            fault=fault,
            at=now.wall_ms,
            mark=mark_of(received),
        )
        self._recorder.append((event,), now, offset)

    def _take(self, offset: int, received: RequestReceived, now: Now) -> None:
        """Follow the order of checks up to idempotency (docs/rules.md 7)."""
        if received.channel == OPERATOR_CHANNEL:
            self._cases.take(offset, received, now)
            return
        waiter = self._intake.unseal(received)
        if waiter is None:
            # older than any terminal waits; a repeat comes with a key of its own minute
            stale = make_decline(Reason.REQUEST_STALE, at=now.wall_ms, detail="its key is gone")
            self._recorder.append((refused_event(received, stale, now),), now, offset)
            return
        proven = self._intake.prove(waiter, self._registry, self._find_till(received), now.wall_ms)
        if isinstance(proven, Refused):
            self._refuse(offset, waiter, proven, now)
            return
        waiter = proven
        if is_management(received):
            self._management.take(offset, waiter, self._refuse, now)
            return
        request = self._intake.read(waiter)
        if not isinstance(request, Refused) and request.card is None:
            request = self._recall_card(request, received.fields.get("card_token", ""))
        if isinstance(request, Refused):
            self._refuse(offset, waiter, request, now)
        elif is_reversal(received):
            self._take_reversal(offset, waiter, request, now)
        else:
            self._take_payment(offset, waiter, request, now)

    def _find_till(self, received: RequestReceived) -> TerminalState | None:
        fields = received.fields
        return self._book.tills.find(
            received.acquirer, fields.get("merchant_id", ""), fields.get("terminal_id", "")
        )

    def _recall_card(self, request: PaymentRequest, token: str) -> PaymentRequest | Refused:
        """Find the card that a partner names by its token; a terminal's 0400 may name none."""
        if not token:
            return request
        card = self._book.find_card(request.merchant_id, token)
        if card is None:
            return Refused(Reason.FORMAT_ERROR, "card_token: no card of this merchant's payments")
        return replace(request, card=card)

    def _take_payment(self, offset: int, waiter: Waiter, request: PaymentRequest, now: Now) -> None:
        check = self._check_key(request, now)
        match check.verdict:
            case Verdict.FRESH:  # almost always: so it is asked first
                self._refer(offset, waiter, request, now)
            case Verdict.REPLAY:
                assert check.answer is not None
                self._recorder.say(self._waiting.tell(waiter, check.answer, check.payment, now))
            case Verdict.JOIN:
                assert check.payment is not None
                self._join(waiter, check.payment)
            case Verdict.CONFLICT:
                self._conflict(offset, waiter, request, check, now)

    def _check_key(self, request: PaymentRequest, now: Now) -> KeyCheck:
        """Look the key up; a partner may have used it for a reversal before."""
        check = check_key(request, self._book, now.wall_ms)
        if (
            check.verdict is Verdict.FRESH
            and request.channel == JSON_CHANNEL
            and self._book.find_reversal(request.idempotency_key) is not None
        ):
            return KeyCheck(Verdict.CONFLICT, reason=Reason.DUPLICATE_CONFLICT)
        return check

    def _refer(self, offset: int, waiter: Waiter, request: PaymentRequest, now: Now) -> None:
        """Find the payment that a request wants to change; one long past is read back first."""
        if not TRAITS[request.transaction].originals:
            self._open(offset, waiter, request, None, now)
            return
        original = self._book.find_referred(request)
        if original is not None:
            self._open(offset, waiter, complete_request(request, original), None, now)
            return
        asked = Asked(offset, waiter, request)
        match self._recalls.ask(asked, self._recorder.next_offset):
            case Recalling.BEGUN | Recalling.JOINED:
                self._recorder.hold_inbound(offset)
            case Recalling.NOT_OURS:
                self._open(offset, waiter, request, None, now)
            case Recalling.REPEATED:
                pass  # a refusal would be taken for the word on those that wait
            case Recalling.TOO_MANY:
                refused = Refused(Reason.ORIGINAL_UNREADABLE, "too many are being read")
                self._refuse(offset, waiter, refused, now)

    def recalled(self, rrn: str, payment: Payment | None, fault: str, now: Now) -> None:
        """
        Go on with the requests that waited for an original to be read from the journal.

        As in `take`, one whose decision raises is parked as a case.
        """
        for offset, waiter, request in self._recalls.take(rrn):
            mark = self._recorder.begin_inbound_again(offset)
            try:
                if fault:
                    refused = Refused(Reason.ORIGINAL_UNREADABLE, fault)
                    self._refuse(offset, waiter, refused, now)
                else:
                    self._take_recalled(offset, waiter, request, payment, now)
            except Exception as error:  # noqa: BLE001 - parked with its kind, never with its content
                self._append_parked(offset, waiter.received, type(error).__name__, now)
            self._recorder.end_inbound(offset, mark)

    def _take_recalled(
        self,
        offset: int,
        waiter: Waiter,
        request: PaymentRequest,
        recalled: Payment | None,
        now: Now,
    ) -> None:
        """Check the key again: while the original was read, a repeat may have been decided."""
        if self._check_key(request, now).verdict is not Verdict.FRESH:
            self._take_payment(offset, waiter, request, now)
            return
        original = self._book.find_referred(request) or recalled
        if original is not None:
            request = complete_request(request, original)
        self._open(offset, waiter, request, recalled, now)

    def _open(
        self,
        offset: int,
        waiter: Waiter,
        request: PaymentRequest,
        recalled: Payment | None,
        now: Now,
    ) -> None:
        """Decide a new payment; whatever is decided, its key is taken from here on."""
        age_ms = now.boot_ms - self.registry_confirmed_boot_ms
        pin = NO_PIN
        if waiter.received.has_pin:
            till = self._book.find_till(request)
            pin = self._intake.translate_pin(waiter, request, self._registry, till)
        fact = PaymentRequested(
            rrn=make_rrn(self._index, self._recorder.next_offset),
            request=request,
            at=now.wall_ms,
            links_up=self._issuers.links_up,
            registry_confirmed=age_ms <= self._settings.registry_age_max_ms,
            recalled=recalled,
            pin_fault=pin.fault,
        )
        decisions = decide_payment(fact, self._book, self._registry, self._settings.rules)
        if isinstance(decisions[-1], PaymentRouted):
            # may raise: before anything is written
            secrets = self._intake.upstream_secrets(waiter, pin)
            self._waiting.join(fact.rrn, waiter)
            effects = self._recorder.append((fact, *decisions), now, offset)
            effects.debit_rrn = fact.rrn
            effects.secrets = secrets
            effects.send_before_boot_ms = now.boot_ms + self._settings.send_window_ms
            return
        effects = self._recorder.append((fact, *decisions), now, offset)
        payment = self._book.find_payment(fact.rrn)
        assert payment is not None
        assert payment.answer is not None
        effects.reply(self._waiting.tell(waiter, payment.answer, payment, now))
        if payment.is_forwarding:
            self._issuers.forward(payment.rrn, now)

    def _join(self, waiter: Waiter, payment: Payment) -> None:
        """A POS repeat gets the first's answer or silence; a partner is told to ask again."""
        if waiter.received.channel == JSON_CHANNEL:
            self._recorder.say(self._waiting.tell_in_progress(waiter, payment))
        else:
            self._waiting.join(payment.rrn, waiter)

    def _conflict(
        self, offset: int, waiter: Waiter, request: PaymentRequest, check: KeyCheck, now: Now
    ) -> None:
        """Refuse, record it, leave the first result untouched."""
        assert check.reason is not None
        rrn = check.payment.rrn if check.payment else ""
        answer = make_decline(check.reason, at=now.wall_ms, rrn=rrn)
        event = DuplicateConflicted(
            idempotency_key=request.idempotency_key,
            answer=answer,
            fingerprint=request.fingerprint,
            at=now.wall_ms,
            rrn=rrn,
        )
        effects = self._recorder.append((event,), now, offset)
        effects.reply(self._waiting.tell(waiter, answer, check.payment, now))

    def _refuse(self, offset: int, waiter: Waiter, refused: Refused, now: Now) -> None:
        """Answer a message that is not even a payment, and keep the refusal for the audit."""
        answer = make_decline(refused.reason, at=now.wall_ms, detail=refused.detail)
        event = refused_event(waiter.received, answer, now)
        effects = self._recorder.append((event,), now, offset)
        effects.reply(self._waiting.tell(waiter, answer, None, now))

    def _take_reversal(
        self, offset: int, waiter: Waiter, request: PaymentRequest, now: Now
    ) -> None:
        """Answer an 0400; a repeat of it gets the stored answer."""
        stored = self._book.find_reversal(request.idempotency_key)
        if stored is not None and stored[0] == request.fingerprint:
            self._recorder.say(self._waiting.tell(waiter, stored[1], None, now))
            return
        if request.channel == JSON_CHANNEL:
            first = self._book.find_by_key(request.idempotency_key)
            if stored is not None or first is not None:
                used = KeyCheck(Verdict.CONFLICT, first, reason=Reason.DUPLICATE_CONFLICT)
                self._conflict(offset, waiter, request, used, now)
                return
        original = self._book.find_original(request)
        fact = ReversalRequested(
            request=request, at=now.wall_ms, rrn=original.rrn if original else ""
        )
        chain = self._book.list_changed(original)
        forgotten = self._book.is_batch_forgotten(request, now.wall_ms)
        rules = self._settings.rules
        decisions = decide_reversal(fact, original, rules, chain, is_forgotten=forgotten)
        accepted = decisions[-1]
        assert isinstance(accepted, ReversalAccepted)
        ended = self._end_wait(accepted) if request.terminal_id else ""
        effects = self._recorder.append((fact, *decisions), now, offset)
        effects.reply(self._waiting.tell(waiter, accepted.answer, None, now, ends_wait_of=ended))
        if accepted.upstream:
            self._issuers.forward(accepted.rrn, now)

    def _end_wait(self, accepted: ReversalAccepted) -> str:
        """
        Let an 0400 end the wait for its original: that answer must never be delivered.

        A partner that waits still is told that its payment was reversed.
        """
        waiters = self._waiting.leave(accepted.rrn) if accepted.answer.is_approval else []
        return waiters[0].received.inbound_id if waiters else ""


def refused_event(received: RequestReceived, answer: Answer, now: Now) -> RequestRefused:
    """Record that a message was refused before it was anything."""
    return RequestRefused(
        channel=received.channel,
        acquirer=received.acquirer,
        merchant_id=received.fields.get("merchant_id", ""),
        terminal_id=received.fields.get("terminal_id", ""),
        stan=received.fields.get("stan", ""),
        mti=received.mti,
        answer=answer,
        at=now.wall_ms,
    )
