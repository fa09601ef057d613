"""Which course each payment takes and for how much, drawn from the scenario's seed."""

import random
from collections.abc import Iterator
from typing import Final

from loadtest.lean_terminal import CENTS, Course
from loadtest.scenario import Mix, Scenario

_HUNDRED: Final = 100


def draw_courses(scenario: Scenario, random_source: random.Random) -> Iterator[tuple[Course, int]]:
    """
    Yield course and amount (minor units) without end.

    Amounts are whole hundreds unless the course asks the issuer simulator for something, so that
    no plain payment carries an order by chance.
    """
    mix = scenario.mix
    shares = {
        Course.REPEAT: mix.repeats,
        Course.CONFLICT: mix.conflicts,
        Course.REVERSAL: mix.reversals,
        Course.DECLINE: mix.declines,
        Course.SILENT: mix.silent,
        **list_errands(mix),
    }
    courses = [*shares, Course.PLAIN]
    weights = [*shares.values(), max(1 - sum(shares.values()), 0.0)]
    low, high = scenario.amount_minor_min // _HUNDRED, scenario.amount_minor_max // _HUNDRED
    draw, below = random_source.random, high - low + 1
    cumulative = [sum(weights[: i + 1]) for i in range(len(weights))]
    while True:
        point = draw()
        course = next(
            (c for c, c_max in zip(courses, cumulative, strict=True) if point < c_max), courses[-1]
        )
        yield course, (low + int(draw() * below)) * _HUNDRED + CENTS.get(course, 0)


def list_errands(mix: Mix) -> dict[Course, float]:
    """Give the shares of what only a versatile terminal can do; empty if there is nothing."""
    shares = {
        Course.VOID: mix.voids,
        Course.REFUND: mix.refunds,
        Course.HOLD: mix.holds,
        Course.ADVICE: mix.advices,
        Course.INQUIRY: mix.inquiries,
        Course.LOST: mix.lost,
        Course.ODD: mix.odd,
    }
    return {course: share for course, share in shares.items() if share}
