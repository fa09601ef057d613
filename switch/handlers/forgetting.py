"""When a partition may forget what it remembers (docs/rules.md 2)."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from switch.handlers.folded import Folded

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000
# Shops close their day together, and a week later all of it falls due together. Looking at one
# takes microseconds: where records come fast, a few are looked at with each, else as many as the
# time since the last look has room for.
LOOKED_AT_COUNT_MIN: Final = 4
LOOKED_AT_COUNT_MAX: Final = 200
_MS_FOR_ONE: Final = 5

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def pop_oldest(held: dict[_Key, _Value], is_over: Callable[[_Value], bool]) -> list[_Key]:
    """
    Take the first entries out as long as they are over; return their keys.

    In one pass: to look at the front of a dict again and again costs, each time, as much as all
    that was taken from there before; twenty thousand that are over at once took a second.
    """
    over: list[_Key] = []
    for key, value in held.items():
        if not is_over(value):
            break
        over.append(key)
    for key in over:
        del held[key]
    return over


class Reminders(Folded):
    """
    RRNs by the hour at which they are to be looked at again.

    An hour, not a moment: what falls due together is kept together, so that a day of payments is a
    few lists. Times are those of records, so two folds of one journal forget alike; a clock that
    jumps makes something be remembered longer, never shorter than its own record says.
    """

    def __init__(self) -> None:
        self._hours: dict[int, list[str]] = {}
        self._next_hour = 0  # nothing falls due before
        self._due: deque[str] = deque()  # their hour has passed
        self._looked_at = 0  # epoch ms

    def __len__(self) -> int:
        """Count the RRNs that wait."""
        return sum(map(len, self._hours.values())) + len(self._due)

    @property
    def has_due(self) -> bool:
        """Whether more has fallen due than was taken."""
        return bool(self._due)

    def add(self, due_at: int, rrn: str) -> None:
        """Look at one payment once `due_at` (epoch ms) has passed."""
        self._list_of(due_at).append(rrn)

    def add_all(self, due_at: int, rrns: list[str]) -> None:
        """Look at many payments once `due_at` (epoch ms) has passed."""
        self._list_of(due_at).extend(rrns)

    def take_due(self, at: int) -> Iterator[str]:
        """Yield, and drop, some of what has fallen due at `at`; cheap when nothing has."""
        hour = at // _HOUR_MS
        if self._hours and hour >= self._next_hour:
            for passed in sorted(one for one in self._hours if one <= hour):
                self._due.extend(self._hours.pop(passed))
            self._next_hour = min(self._hours, default=hour + 1)
        since_ms, self._looked_at = max(at - self._looked_at, 0), at
        count = min(LOOKED_AT_COUNT_MIN + since_ms // _MS_FOR_ONE, LOOKED_AT_COUNT_MAX)
        for _ in range(min(len(self._due), count)):
            yield self._due.popleft()

    def _list_of(self, due_at: int) -> list[str]:
        hour = due_at // _HOUR_MS + 1  # the whole hour must have passed
        rrns = self._hours.get(hour)
        if rrns is None:
            rrns = self._hours[hour] = []
            self._next_hour = min(self._next_hour, hour) if self._next_hour else hour
        return rrns


class SpentOriginals(Folded):
    """
    RRNs of payments that were approved and have nothing left: reversed, voided, fully refunded.

    Forgotten as payments, they could be read back from the journal as approved; this says no. One
    number each, dropped when the payment is too old to be changed anyway.
    """

    def __init__(self, days: int) -> None:
        self._days = days
        self._by_day: dict[int, set[int]] = {}

    def __len__(self) -> int:
        """Count the RRNs."""
        return sum(map(len, self._by_day.values()))

    def add(self, rrn: str, opened_at: int, at: int) -> None:
        """Note that nothing of a payment is left; forget those that are too old."""
        self._by_day.setdefault(opened_at // _DAY_MS, set()).add(int(rrn))
        oldest = at // _DAY_MS - self._days - 1
        for day in [day for day in self._by_day if day < oldest]:
            del self._by_day[day]

    def __contains__(self, rrn: str) -> bool:
        """Say whether nothing of this payment is left."""
        number = int(rrn)
        return any(number in rrns for rrns in self._by_day.values())
