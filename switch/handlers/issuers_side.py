"""The issuers' side of a partition: requests, their outcome, and what is sent until answered."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

import msgspec

from switch.domain.clock import Now
from switch.domain.declines import IssuerOutcome, issuer_code
from switch.domain.payment.events import (
    IssuerAnswered,
    IssuerTimedOut,
    LateAnswerReceived,
    RepeatAttempted,
    ReversalAnswered,
    ReversalAttempted,
)
from switch.domain.payment.outcomes import (
    NEVER_SENT,
    decide_issuer_answer,
    decide_issuer_timeout,
    decide_repeat_answer,
)
from switch.domain.payment.payment import Payment, Phase
from switch.domain.payment.reversals import (
    awaits_confirmation,
    decide_late_answer,
    decide_reversal_answer,
    is_final_reversal_code,
    says_it_is_done,
)
from switch.domain.payment.rules import format_transmission_time
from switch.domain.payment.state import TRY_LATER_CODES
from switch.domain.upstream import UpstreamAnswer
from switch.eventlog.journal import JournalEvent
from switch.handlers.actions import SendUpstream
from switch.handlers.book import PartitionBook
from switch.handlers.lanes import ForwardingLane, repeat_delay_ms
from switch.handlers.recorder import Effects, Recorder
from switch.handlers.settings import PartitionSettings
from switch.handlers.translate_upstream import (
    match_key,
    read_issuer_answer,
    upstream_request,
    upstream_reversal,
)
from switch.handlers.waiting import WaitingRoom

_TAKEN_OVER: Final = "taken-over"
_TIMEOUT: Final = "timeout"
_ANSWERED_KINDS: Final = frozenset({"payment", "reversal"})


class IssuersSide:
    """Sends requests within their window, settles every silence, repeats what must be answered."""

    def __init__(
        self,
        settings: PartitionSettings,
        book: PartitionBook,
        recorder: Recorder,
        waiting: WaitingRoom,
    ) -> None:
        self._settings = settings
        self._book = book
        self._recorder = recorder
        self._waiting = waiting
        self._lanes: dict[str, ForwardingLane] = {}
        # debits whose answer is waited for, and until when, boot ms; all wait equally long, so the
        # first is due first, and only an ordered dict finds it without walking over answered ones
        self._waits: OrderedDict[str, int] = OrderedDict()
        self._attempting: set[str] = set()  # an attempt's record is on its way, nothing sent yet
        self._put_off: set[str] = set()  # their last sending was answered by "try again"
        self._inherited: set[str] = set()  # routed by a predecessor that may still send them
        self._in_doubt_boot_ms = 0  # until when it may
        self.links_up: tuple[str, ...] = ()

    @property
    def forwarding_counts(self) -> dict[str, int]:
        """By link: reversals, advices and repeated refunds that no issuer has finally answered."""
        return {link: len(lane) for link, lane in self._lanes.items()}

    @property
    def routed_count(self) -> int:
        """Payments whose issuer has not spoken yet."""
        return sum(payment.phase is Phase.ROUTED for payment in self._open_payments())

    def next_wake_ms(self) -> int | None:
        """Say at which boot time something falls due; None if nothing will."""
        first = next(iter(self._waits.values()), None)
        if self._inherited and (first is None or self._in_doubt_boot_ms < first):
            first = self._in_doubt_boot_ms
        for link, lane in self._lanes.items():
            due = lane.next_due() if link in self.links_up else None
            if due is not None and (first is None or due < first):
                first = due
        return first

    # -- taking over ----------------------------------------------------------------------------

    def resume(self, claim_acked_boot_ms: int, now: Now) -> None:
        """
        Take over what a predecessor left open.

        A debit that it routed may have been sent: its outcome is called unknown once nobody can
        send it any more. Reversals go on at once; one that is only to be confirmed waits anew, for
        how long it had waited is not known.
        """
        settings = self._settings
        in_doubt_ms = settings.send_window_ms + settings.send_margin_ms
        self._in_doubt_boot_ms = claim_acked_boot_ms + in_doubt_ms
        for payment in self._open_payments():
            if payment.phase is Phase.ROUTED:
                self._inherited.add(payment.rrn)
                continue
            wait_ms = settings.lanes.issuer_delay_max_ms if awaits_confirmation(payment) else 0
            self._lane_of(payment).put(payment.rrn, now.boot_ms + wait_ms)

    def change_links(self, links_up: tuple[str, ...], lost: frozenset[str], now: Now) -> None:
        """
        Take note of the links in service; a debit sent over a lost link is not waited for.

        A link that merely cannot be written to (its issuer does not read) is not lost: what it was
        sent may still be answered. A debit not yet sent, or one that a predecessor may still send,
        is settled in its own time.
        """
        self.links_up = links_up
        if not lost:
            return
        not_ours = self._recorder.list_waiting_debits() | self._inherited
        for payment in self._open_payments():
            if payment.phase is not Phase.ROUTED or payment.terms is None:
                continue
            if payment.terms.link in lost and payment.rrn not in not_ours:
                self._settle_silence(payment, "link-lost", now)

    def _open_payments(self) -> Iterable[Payment]:
        payments = [self._book.find_payment(rrn) for rrn in self._book.open_rrns]
        return [payment for payment in payments if payment is not None]

    # -- debits ---------------------------------------------------------------------------------

    def send_debit(self, effects: Effects, now: Now) -> None:
        """Send a durably routed debit, within its window only; else it is declined as not sent."""
        payment = self._find(effects.debit_rrn, Phase.ROUTED)
        if payment is None:
            return
        if now.boot_ms > effects.send_before_boot_ms or payment.reverse_requested:
            self._settle_silence(payment, NEVER_SENT, now)
            return
        settings = self._settings
        request = upstream_request(
            payment,
            self._find_original(payment),
            settings.rules,
            settings.institution_id,
            effects.secrets,
        )
        self._waits[payment.rrn] = now.boot_ms + settings.issuer_timeout_ms
        self._recorder.actions.append(SendUpstream(request, effects.send_before_boot_ms))

    def not_sent(self, rrn: str, now: Now) -> None:
        """Learn that a debit missed its window or its link, and was certainly never sent."""
        self._end_wait(rrn, NEVER_SENT, now)

    def take_answer(self, answer: UpstreamAnswer, now: Now) -> None:
        """Take an issuer's message; only one that repeats the whole match key is looked at."""
        payment = self._book.find_payment(answer.match.rrn)
        if payment is None or payment.terms is None or payment.terms.link != answer.link:
            return
        kind = answer.match.message_class
        if kind not in _ANSWERED_KINDS or match_key(payment, kind) != answer.match:
            return
        if kind == "reversal":
            self._take_reversal_answer(payment, answer, now)
            return
        fact = read_issuer_answer(answer, payment, now.wall_ms)
        if payment.phase is Phase.ROUTED:
            original = self._find_original(payment)
            decisions = decide_issuer_answer(payment, fact, self._settings.rules, original)
            self._conclude(payment, (fact, *decisions), now)
        elif payment.advice_open or payment.phase is Phase.REPEATING:
            self._take_repeat_answer(payment, fact, now)
        elif not fact.fault:
            self._take_late_answer(payment, fact.response_code, now)

    def _settle_silence(self, payment: Payment, cause: str, now: Now) -> None:
        fact = IssuerTimedOut(rrn=payment.rrn, cause=cause, at=now.wall_ms)
        self._conclude(payment, (fact, *decide_issuer_timeout(payment, fact)), now)

    def _conclude(self, payment: Payment, events: tuple[JournalEvent, ...], now: Now) -> None:
        """Record how a debit ended; tell everyone who waits once that is durable."""
        self._waits.pop(payment.rrn, None)
        effects = self._recorder.append(events, now)
        after = self._book.find_payment(payment.rrn)
        assert after is not None
        assert after.answer is not None
        for waiter in self._waiting.leave(payment.rrn):
            effects.reply(self._waiting.tell(waiter, after.answer, after, now))
        if after.is_forwarding:
            self._lane_of(after).put(after.rrn, now.boot_ms)

    def _take_late_answer(self, payment: Payment, code: str, now: Now) -> None:
        """
        Keep what an issuer says too late, and the first time that it contradicts itself.

        What says nothing new leaves no record: an issuer may repeat itself for ever.
        """
        fact = LateAnswerReceived(rrn=payment.rrn, response_code=code, at=now.wall_ms)
        is_approval = issuer_code(code).outcome is IssuerOutcome.APPROVED
        decisions = decide_late_answer(payment, fact, is_approval=is_approval)
        if payment.debit_answered and not decisions:
            return
        if not payment.debit_contradicted:
            self._recorder.append((fact, *decisions), now)

    # -- store and forward ----------------------------------------------------------------------

    def forward(self, rrn: str, now: Now) -> None:
        """Begin to tell an issuer what it must be told; a payment that runs waits for its word."""
        payment = self._book.find_payment(rrn)
        if payment is not None and payment.is_forwarding:
            self._lane_of(payment).put(rrn, now.boot_ms)
        elif payment is not None and payment.terms is not None:
            self._leave_lane(payment)

    def do_due(self, now: Now) -> None:
        """Do what has fallen due: time-outs, then attempts whose link is in service."""
        if self._inherited and self._in_doubt_boot_ms <= now.boot_ms:
            inherited, self._inherited = self._inherited, set()
            for rrn in sorted(inherited):
                self._end_wait(rrn, _TAKEN_OVER, now)
        while self._waits:
            rrn, due = next(iter(self._waits.items()))
            if due > now.boot_ms:
                break
            del self._waits[rrn]
            self._end_wait(rrn, _TIMEOUT, now)
        for link, lane in self._lanes.items():
            if link in self.links_up:
                for rrn in lane.take_due(now.boot_ms):
                    self._attempt(rrn, now)

    def _end_wait(self, rrn: str, cause: str, now: Now) -> None:
        payment = self._find(rrn, Phase.ROUTED)
        if payment is not None:
            self._settle_silence(payment, cause, now)

    def _attempt(self, rrn: str, now: Now) -> None:
        """Record the attempt, then send it; so the count survives a restart."""
        payment = self._book.find_payment(rrn)
        if payment is None or not payment.is_forwarding:
            return
        at = now.wall_ms
        event: ReversalAttempted | RepeatAttempted
        if payment.phase is Phase.REVERSING:
            attempt = payment.reversal_attempt_count + 1
            event = ReversalAttempted(
                rrn=rrn,
                attempt=attempt,
                at=at,
                transmission_time=format_transmission_time(at),
                next_at=at + repeat_delay_ms(rrn, attempt, self._settings.lanes),
            )
        else:
            attempt = payment.repeat_attempt_count + 1
            next_at = at + repeat_delay_ms(rrn, attempt, self._settings.lanes)
            event = RepeatAttempted(rrn=rrn, attempt=attempt, at=at, next_at=next_at)
        self._attempting.add(rrn)
        self._recorder.append((event,), now).attempted = event

    def send_attempt(self, attempted: ReversalAttempted | RepeatAttempted, now: Now) -> None:
        """
        Send the attempt that is durable now.

        Not one that is overtaken: an advice that was taken back since, or an attempt after which
        another was decided, whose own record is on its way.
        """
        rrn = attempted.rrn
        self._attempting.discard(rrn)
        payment = self._book.find_payment(rrn)
        if payment is None or not payment.is_forwarding:
            return
        rules, institution_id = self._settings.rules, self._settings.institution_id
        is_reversal = payment.phase is Phase.REVERSING
        count = payment.reversal_attempt_count if is_reversal else payment.repeat_attempt_count
        if (
            is_reversal is not isinstance(attempted, ReversalAttempted)
            or count != attempted.attempt
        ):
            return
        if is_reversal:
            request = upstream_reversal(payment, rules, institution_id)
        else:
            original = self._find_original(payment)
            request = upstream_request(payment, original, rules, institution_id, {})
        self._put_off.discard(rrn)
        self._lane_of(payment).sent(rrn, count, now.boot_ms)
        self._recorder.actions.append(SendUpstream(request, 0))

    def _take_repeat_answer(self, payment: Payment, fact: IssuerAnswered, now: Now) -> None:
        """Take the word on an advice or a repeated refund; what settles nothing waits its turn."""
        code = "" if fact.fault else fact.response_code
        if self._is_put_off_again(payment.rrn, code):
            return
        original = self._find_original(payment)
        decisions = decide_repeat_answer(payment, fact, self._settings.rules, original)
        self._recorder.append((fact, *decisions), now)
        if decisions:
            self._leave_lane(payment)

    def _is_put_off_again(self, rrn: str, code: str) -> bool:
        """Say whether an issuer only repeats itself: it may for ever, so that leaves no record."""
        is_again = code in TRY_LATER_CODES and rrn in self._put_off
        if code in TRY_LATER_CODES:
            self._put_off.add(rrn)
        return is_again

    def _leave_lane(self, payment: Payment) -> None:
        self._lane_of(payment).remove(payment.rrn)
        self._put_off.discard(payment.rrn)

    def _take_reversal_answer(self, payment: Payment, answer: UpstreamAnswer, now: Now) -> None:
        if payment.phase is not Phase.REVERSING or not payment.reversal_attempt_count:
            return
        code = "" if answer.fault else answer.fields.get("response_code", "")
        fact = ReversalAnswered(rrn=payment.rrn, response_code=code, at=now.wall_ms)
        if payment.confirm_after_attempt and not self._confirms(payment, answer):
            if says_it_is_done(payment, code):
                self._recorder.append((fact,), now)
            return
        if self._is_put_off_again(payment.rrn, code):
            return
        decisions = decide_reversal_answer(payment, fact, self._settings.rules)
        wait_ms = self._settings.lanes.issuer_delay_max_ms
        is_to_confirm = not decisions and is_final_reversal_code(code)
        if is_to_confirm:
            fact = msgspec.structs.replace(fact, next_at=now.wall_ms + wait_ms)
        self._recorder.append((fact, *decisions), now)
        if decisions:
            self._leave_lane(payment)
        elif is_to_confirm:
            self._lane_of(payment).postpone(payment.rrn, now.boot_ms + wait_ms)

    def _confirms(self, payment: Payment, answer: UpstreamAnswer) -> bool:
        """Tell whether this answers the confirming attempt, as far as can be told: not earlier."""
        if awaits_confirmation(payment) or payment.rrn in self._attempting:
            return False  # that attempt is still to be sent
        *earlier, last = payment.reversal_times
        quoted = answer.fields.get("transmission_time", last)
        return quoted == last or quoted not in earlier

    # -- small ----------------------------------------------------------------------------------

    def _find_original(self, payment: Payment) -> Payment | None:
        return self._book.find_payment(payment.original_rrn) if payment.original_rrn else None

    def _find(self, rrn: str, phase: Phase) -> Payment | None:
        payment = self._book.find_payment(rrn)
        return payment if payment is not None and payment.phase is phase else None

    def _lane_of(self, payment: Payment) -> ForwardingLane:
        assert payment.terms is not None
        link = payment.terms.link
        lane = self._lanes.get(link)
        if lane is None:
            lane = self._lanes[link] = ForwardingLane(self._settings.lanes)
        return lane
