"""What the gateway counts; the shell turns it into metrics."""

from collections import Counter


class GatewayCounts:
    """
    Running totals since the start; `refused` by reason and `closed` by cause hold slugs only.

    `kept_silent`: requests at a bound that may be the second copy of one already handed over.
    """

    __slots__ = (
        "closed",
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
        self.late_replies = 0  # to a request that no longer waits
        self.foreign_replies = 0  # to another incarnation of the gateway
        self.unopened_replies = 0  # sealed under a key that is gone, or altered
        self.unanswered = 0  # waits that ended at their deadline
        self.kept_silent = 0
        self.refused: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
