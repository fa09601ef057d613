"""The issuers' side of a partition: debits, their outcome, and reversals until answered."""

import heapq
from collections.abc import Iterable
from typing import Final

from switch.domain.clock import Now
from switch.domain.declines import IssuerOutcome, issuer_code
from switch.domain.payment.decide import NEVER_SENT, decide_issuer_answer, decide_issuer_timeout
from switch.domain.payment.events import (
    IssuerTimedOut,
    LateAnswerReceived,
    ReversalAnswered,
    ReversalAttempted,
)
from switch.domain.payment.reversals import (
    awaits_confirmation,
    decide_late_answer,
    decide_reversal_answer,
    is_final_reversal_code,
)
from switch.domain.payment.rules import format_transmission_time
from switch.domain.payment.state import Payment, Phase
from switch.domain.upstream import UpstreamAnswer
from switch.eventlog.journal import JournalEvent
from switch.handlers.actions import SendUpstream
from switch.handlers.book import PartitionBook
from switch.handlers.lanes import ReversalLane
from switch.handlers.recorder import Effects, Recorder
from switch.handlers.settings import PartitionSettings
from switch.handlers.translate import (
    match_key,
    read_issuer_answer,
    upstream_debit,
    upstream_reversal,
)
from switch.handlers.waiting import WaitingRoom

_TAKEN_OVER: Final = "taken-over"
_ANSWERED_KINDS: Final = frozenset({"payment", "reversal"})


class IssuersSide:
    """Sends debits within their window, settles every silence, repeats reversals until answered."""

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
        self._lanes: dict[str, ReversalLane] = {}
        self._timers: list[tuple[int, str, str]] = []
        self._attempting: set[str] = set()  # a reversal's record is on its way, nothing sent yet
        self._inherited: set[str] = set()  # routed by a predecessor that may still send them
        self.links_up: tuple[str, ...] = ()

    @property
    def reversal_count(self) -> int:
        """Reversals that an issuer has not finally answered."""
        return sum(len(lane) for lane in self._lanes.values())

    @property
    def routed_count(self) -> int:
        """Payments whose issuer has not spoken yet."""
        return sum(payment.phase is Phase.ROUTED for payment in self._open_payments())

    def next_wake_ms(self) -> int | None:
        """Say at which boot time something falls due; None if nothing will."""
        times = [
            due
            for link, lane in self._lanes.items()
            if link in self.links_up and (due := lane.next_due()) is not None
        ]
        if self._timers:
            times.append(self._timers[0][0])
        return min(times, default=None)

    # -- taking over ----------------------------------------------------------------------------

    def resume(self, claim_acked_boot_ms: int, now: Now) -> None:
        """
        Take over what a predecessor left open.

        A debit that it routed may have been sent: its outcome is called unknown once nobody can
        send it any more. Reversals go on at once; one that is only to be confirmed waits anew, for
        how long it had waited is not known.
        """
        settings = self._settings
        in_doubt_ms = claim_acked_boot_ms + settings.send_window_ms + settings.send_margin_ms
        for payment in self._open_payments():
            if payment.phase is Phase.ROUTED:
                self._inherited.add(payment.rrn)
                self._set_timer(in_doubt_ms, _TAKEN_OVER, payment.rrn)
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
        request = upstream_debit(payment, settings.rules, settings.institution_id, effects.secrets)
        self._set_timer(now.boot_ms + settings.issuer_timeout_ms, "timeout", payment.rrn)
        self._recorder.actions.append(SendUpstream(request, effects.send_before_boot_ms))

    def not_sent(self, rrn: str, now: Now) -> None:
        """Learn that a debit missed its window or its link, and was certainly never sent."""
        payment = self._find(rrn, Phase.ROUTED)
        if payment is not None:
            self._settle_silence(payment, NEVER_SENT, now)

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
            decisions = decide_issuer_answer(payment, fact, self._settings.rules)
            self._conclude(payment, (fact, *decisions), now)
        elif not fact.fault:
            self._take_late_answer(payment, fact.response_code, now)

    def _settle_silence(self, payment: Payment, cause: str, now: Now) -> None:
        fact = IssuerTimedOut(rrn=payment.rrn, cause=cause, at=now.wall_ms)
        self._conclude(payment, (fact, *decide_issuer_timeout(payment, fact)), now)

    def _conclude(self, payment: Payment, events: tuple[JournalEvent, ...], now: Now) -> None:
        """Record how a debit ended; tell everyone who waits once that is durable."""
        effects = self._recorder.append(events, now)
        after = self._book.find_payment(payment.rrn)
        assert after is not None
        assert after.answer is not None
        for waiter in self._waiting.leave(payment.rrn):
            effects.reply(self._waiting.tell(waiter, after.answer, after, now))
        if after.phase is Phase.REVERSING:
            self._lane_of(after).put(after.rrn, now.boot_ms)

    def _take_late_answer(self, payment: Payment, code: str, now: Now) -> None:
        """
        Keep what an issuer says too late, and the first time that it contradicts itself.

        What says nothing new leaves no record: an issuer may repeat itself for ever.
        """
        fact = LateAnswerReceived(rrn=payment.rrn, response_code=code, at=now.wall_ms)
        is_approval = issuer_code(code).outcome is IssuerOutcome.APPROVED
        decisions = decide_late_answer(payment, fact, is_approval=is_approval)
        settled = payment.phase in {Phase.APPROVED, Phase.DECLINED}
        if payment.debit_answered and not (settled and decisions):
            return
        if not payment.debit_contradicted:
            self._recorder.append((fact, *decisions), now)

    # -- reversals ------------------------------------------------------------------------------

    def reverse(self, rrn: str, now: Now) -> None:
        """Begin to give back an approved payment; one that still runs waits for its issuer."""
        payment = self._find(rrn, Phase.REVERSING)
        if payment is not None:
            self._lane_of(payment).put(rrn, now.boot_ms)

    def do_due(self, now: Now) -> None:
        """Do what has fallen due: time-outs, then reversals whose link is in service."""
        while self._timers and self._timers[0][0] <= now.boot_ms:
            _, cause, rrn = heapq.heappop(self._timers)
            if cause == _TAKEN_OVER:
                self._inherited.discard(rrn)
            payment = self._find(rrn, Phase.ROUTED)
            if payment is not None:
                self._settle_silence(payment, cause, now)
        for link, lane in self._lanes.items():
            if link in self.links_up:
                for rrn in lane.take_due(now.boot_ms):
                    self._attempt_reversal(rrn, now)

    def _attempt_reversal(self, rrn: str, now: Now) -> None:
        """Record the attempt, then send it; so the count survives a restart."""
        payment = self._find(rrn, Phase.REVERSING)
        if payment is None:
            return
        event = ReversalAttempted(
            rrn=rrn,
            attempt=payment.reversal_attempt_count + 1,
            at=now.wall_ms,
            transmission_time=format_transmission_time(now.wall_ms),
        )
        self._attempting.add(rrn)
        self._recorder.append((event,), now).reversal_rrn = rrn

    def send_reversal(self, rrn: str, now: Now) -> None:
        """Send the attempt that is durable now."""
        self._attempting.discard(rrn)
        payment = self._find(rrn, Phase.REVERSING)
        if payment is None:
            return
        attempt, settings = payment.reversal_attempt_count, self._settings
        self._lane_of(payment).sent(rrn, attempt, now.boot_ms)
        request = upstream_reversal(
            payment,
            attempt,
            payment.reversal_times[-1],
            settings.rules,
            settings.institution_id,
        )
        self._recorder.actions.append(SendUpstream(request, 0))

    def _take_reversal_answer(self, payment: Payment, answer: UpstreamAnswer, now: Now) -> None:
        if payment.phase is not Phase.REVERSING or not payment.reversal_attempt_count:
            return
        if payment.confirm_after_attempt and not self._confirms(payment, answer):
            return
        code = "" if answer.fault else answer.fields.get("response_code", "")
        fact = ReversalAnswered(rrn=payment.rrn, response_code=code, at=now.wall_ms)
        decisions = decide_reversal_answer(payment, fact, self._settings.rules)
        self._recorder.append((fact, *decisions), now)
        lane = self._lane_of(payment)
        if decisions:
            lane.remove(payment.rrn)
        elif is_final_reversal_code(code):
            lane.postpone(payment.rrn, now.boot_ms + self._settings.lanes.issuer_delay_max_ms)

    def _confirms(self, payment: Payment, answer: UpstreamAnswer) -> bool:
        """Tell whether this answers the confirming attempt, as far as can be told: not earlier."""
        if awaits_confirmation(payment) or payment.rrn in self._attempting:
            return False  # that attempt is still to be sent
        *earlier, last = payment.reversal_times
        quoted = answer.fields.get("transmission_time", last)
        return quoted == last or quoted not in earlier

    # -- small ----------------------------------------------------------------------------------

    def _find(self, rrn: str, phase: Phase) -> Payment | None:
        payment = self._book.find_payment(rrn)
        return payment if payment is not None and payment.phase is phase else None

    def _lane_of(self, payment: Payment) -> ReversalLane:
        assert payment.terms is not None
        link = payment.terms.link
        lane = self._lanes.get(link)
        if lane is None:
            lane = self._lanes[link] = ReversalLane(self._settings.lanes)
        return lane

    def _set_timer(self, due_boot_ms: int, cause: str, rrn: str) -> None:
        heapq.heappush(self._timers, (due_boot_ms, cause, rrn))
