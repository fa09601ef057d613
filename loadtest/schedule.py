"""When each payment is meant to be sent: fixed before the run, whatever the switch does."""

import random
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

RATE_PER_S_MAX: Final = 50_000  # beyond what one load process can send
DURATION_S_MAX: Final = 3_600
PAYMENT_COUNT_MAX: Final = 5_000_000  # what a run remembers of each fits into a few GB

Arrivals = Literal["even", "poisson"]


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A constant rate for some time."""

    rate_per_s: float
    duration_s: float

    def __post_init__(self) -> None:
        """
        Check the bounds.

        Raises:
            ValueError: a rate or duration outside them.
        """
        if not 0 < self.rate_per_s <= RATE_PER_S_MAX:
            raise ValueError(f"rate_per_s must be above 0 and at most {RATE_PER_S_MAX}")
        if not 0 < self.duration_s <= DURATION_S_MAX:
            raise ValueError(f"duration_s must be above 0 and at most {DURATION_S_MAX}")


def parse_steps(text: str) -> tuple[Step, ...]:
    """
    Read ``500x10,1000x20``: 500/s for 10 s, then 1,000/s for 20 s.

    Raises:
        ValueError: not of that form, or outside the bounds.
    """
    steps = []
    for part in text.split(","):
        rate, separator, duration = part.strip().partition("x")
        if not separator:
            raise ValueError(f"{part!r} is not RATExSECONDS, as in 500x10")
        steps.append(Step(rate_per_s=float(rate), duration_s=float(duration)))
    return tuple(steps)


def total_duration_s(steps: Sequence[Step]) -> float:
    """Return how long the steps take together."""
    return sum(step.duration_s for step in steps)


def total_count(steps: Sequence[Step]) -> int:
    """Return how many payments evenly spaced steps hold."""
    return sum(int(step.rate_per_s * step.duration_s) for step in steps)


def intended_times(
    steps: Sequence[Step], arrivals: Arrivals, random_source: random.Random
) -> Iterator[float]:
    """
    Yield the seconds from the start at which each payment is meant to be sent, rising.

    `even` spaces them equally within a step; `poisson` draws independent gaps with the same mean,
    as many terminals that know nothing of each other do.
    """
    start_s = 0.0
    for step in steps:
        if arrivals == "even":
            for index in range(int(step.rate_per_s * step.duration_s)):
                yield start_s + index / step.rate_per_s
        else:
            time_s = start_s + random_source.expovariate(step.rate_per_s)
            while time_s < start_s + step.duration_s:
                yield time_s
                time_s += random_source.expovariate(step.rate_per_s)
        start_s += step.duration_s
