"""Finding the highest rate that still holds an objective: pure, fed with what a level reached."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

LEVEL_COUNT_MAX: Final = 16


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One constant rate and what came of it."""

    rate_per_s: float
    answered_per_s: float
    p50_ms: float
    p99_ms: float
    faults: dict[str, int]
    client_us_per_payment: float
    switch_us_per_payment: float | None = None
    switch_processes: dict[str, float] = {}  # name and pid -> cores in use

    def holds(self, *, p99_ms_max: float, rate_share_min: float = 0.99) -> bool:
        """Whether (nearly) everything was answered, fast enough, and nothing went wrong."""
        reached = self.answered_per_s >= rate_share_min * self.rate_per_s
        return reached and self.p99_ms <= p99_ms_max and not self.faults


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """The best level that held (None if not even the lowest did), and every level tried."""

    best: Level | None
    levels: tuple[Level, ...]


async def search_rate(
    run_level: Callable[[float], Awaitable[Level]],
    *,
    low_per_s: float,
    high_per_s: float,
    p99_ms_max: float,
    precision: float = 0.08,
) -> SearchResult:
    """
    Double the rate from `low_per_s` until a level fails, then halve the gap between good and bad.

    Stops when the gap is at most `precision` of the good rate, or after LEVEL_COUNT_MAX levels.
    A level fails twice before it counts: a neighbour's moment on a shared machine is no verdict.
    """
    levels: list[Level] = []

    async def attempt(rate_per_s: float) -> Level | None:
        for _ in range(2):
            level = await run_level(rate_per_s)
            levels.append(level)
            if level.holds(p99_ms_max=p99_ms_max):
                return level
        return None

    best, good_per_s, bad_per_s = None, 0.0, high_per_s * (1 + precision)
    rate_per_s = low_per_s
    while len(levels) < LEVEL_COUNT_MAX and rate_per_s <= high_per_s:
        level = await attempt(rate_per_s)
        if level:
            best, good_per_s = level, rate_per_s
        else:
            bad_per_s = rate_per_s
        if not good_per_s or bad_per_s - good_per_s <= precision * good_per_s:
            break
        doubled = good_per_s * 2
        rate_per_s = doubled if doubled < bad_per_s else (good_per_s + bad_per_s) / 2
    return SearchResult(best=best, levels=tuple(levels))
