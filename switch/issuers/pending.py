"""Requests on their way to an issuer: who waits, who no longer does."""

import enum
from collections import OrderedDict

from switch.domain.upstream import MatchKey


class Match(enum.Enum):
    """How an answer stands to what was asked."""

    FIRST = "first"
    LATE = "late"
    UNKNOWN = "unknown"


class PendingRequests:
    """
    Match keys of the requests that wait, and of those lately done with; both bounded.

    A request that nobody answers in `wait_ms` counts as late from then on; the memory of late ones
    ends after `late_count_max` further ones.
    """

    __slots__ = ("_late", "_late_count_max", "_wait_ms", "_waiting")

    def __init__(self, *, wait_ms: int, late_count_max: int) -> None:
        self._wait_ms = wait_ms
        self._late_count_max = late_count_max
        self._waiting: OrderedDict[MatchKey, int] = OrderedDict()  # until when, boot ms
        self._late: OrderedDict[MatchKey, None] = OrderedDict()

    def __len__(self) -> int:
        """Count the requests that wait."""
        return len(self._waiting)

    def __contains__(self, match: MatchKey) -> bool:
        """Tell whether this request was ever sent, as far as is remembered."""
        return match in self._waiting or match in self._late

    def add(self, match: MatchKey, boot_ms: int) -> None:
        """Begin to wait; a repeat (same key) begins anew."""
        self._late.pop(match, None)
        self._waiting.pop(match, None)
        self._waiting[match] = boot_ms + self._wait_ms

    def settle(self, match: MatchKey) -> Match:
        """Take an answer; from now on others to the same request are late."""
        if self._waiting.pop(match, None) is not None:
            self._remember(match)
            return Match.FIRST
        return Match.LATE if match in self._late else Match.UNKNOWN

    def expire(self, boot_ms: int) -> None:
        """Give up the requests whose time is over."""
        while self._waiting:
            match, until = next(iter(self._waiting.items()))
            if until > boot_ms:
                return
            del self._waiting[match]
            self._remember(match)

    def next_deadline(self) -> int | None:
        """Return the boot time at which `expire` has something to do."""
        return next(iter(self._waiting.values()), None)

    def give_up(self) -> tuple[MatchKey, ...]:
        """Give up everything that waits and return it: the connection is gone."""
        unanswered = tuple(self._waiting)
        self._waiting.clear()
        for match in unanswered:
            self._remember(match)
        return unanswered

    def _remember(self, match: MatchKey) -> None:
        self._late[match] = None
        if len(self._late) > self._late_count_max:
            self._late.popitem(last=False)
