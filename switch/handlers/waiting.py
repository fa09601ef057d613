"""Who waits for which payment, and how they are told."""

from collections.abc import Mapping
from typing import Final

from switch.domain.clock import Now
from switch.domain.payment.payment import Payment
from switch.domain.payment.requests import Answer
from switch.eventlog.inbound import Reply
from switch.handlers.answers import Answerer
from switch.handlers.intake import Waiter

WAITER_COUNT_MAX: Final = 8  # requests that wait for one payment; a ninth repeat stays silent


class WaitingRoom:
    """Requests that wait for the outcome of a payment, in memory only, bounded per payment."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._waiters: dict[str, list[Waiter]] = {}
        self.fault_count = 0

    def __len__(self) -> int:
        """Count the payments that somebody waits for."""
        return len(self._waiters)

    def join(self, rrn: str, waiter: Waiter) -> None:
        """Wait for a payment; beyond the bound a repeat stays without an answer and comes again."""
        waiters = self._waiters.setdefault(rrn, [])
        if len(waiters) < WAITER_COUNT_MAX:
            waiters.append(waiter)

    def leave(self, rrn: str) -> list[Waiter]:
        """Take out everyone who waits for a payment."""
        return self._waiters.pop(rrn, [])

    def tell(
        self,
        waiter: Waiter,
        answer: Answer,
        payment: Payment | None,
        now: Now,
        *,
        ends_wait_of: str = "",
        additions: Mapping[str, str] | None = None,
    ) -> Reply | None:
        """
        Build the reply for one who waits; None if it cannot be built.

        `additions` are elements that only this answer has (keys, totals).

        What was decided stands even if nobody can be told: the fault is counted, and the repeat
        asks again.
        """
        try:
            return self._answerer.reply(
                waiter, answer, payment, now, ends_wait_of=ends_wait_of, additions=additions
            )
        except Exception:  # noqa: BLE001 - an answer that cannot be built must not stop the partition
            self.fault_count += 1
            return None

    def tell_in_progress(self, waiter: Waiter, payment: Payment) -> Reply:
        """Tell a partner that the first request still runs."""
        return self._answerer.in_progress(waiter, payment)
