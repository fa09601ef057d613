"""What the gateway counts; the shell turns it into metrics."""

from collections import Counter, deque
from typing import Final

from switch.domain.clock import Now
from switch.eventlog.inbound import RequestReceived

DELAY_COUNT_MAX: Final = 10_000  # between two looks of the shell, which come every second


class GatewayCounts:
    """
    Running totals since the start; `refused` by reason and `closed` by cause hold slugs only.

    `kept_silent`: requests at a bound that may be the second copy of one already handed over.
    """

    __slots__ = (
        "closed",
        "delays",
        "delivered",
        "foreign_replies",
        "handed",
        "kept_silent",
        "late_replies",
        "refused",
        "unanswered",
        "unopened_replies",
    )

    def __init__(self) -> None:
        self.handed = 0
        self.delivered = 0
        # channel and milliseconds of the answers that the shell has not counted yet
        self.delays: deque[tuple[str, int]] = deque(maxlen=DELAY_COUNT_MAX)
        self.late_replies = 0  # to a request that no longer waits
        self.foreign_replies = 0  # to another incarnation of the gateway
        self.unopened_replies = 0  # sealed under a key that is gone, or altered
        self.unanswered = 0  # waits that ended at their deadline
        self.kept_silent = 0
        self.refused: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()

    def take_delivered(self, request: RequestReceived, now: Now) -> None:
        """Count an answer, and how long after its request it is delivered."""
        self.delivered += 1
        self.delays.append((request.channel, max(0, now.wall_ms - request.received_at)))
