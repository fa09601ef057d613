"""What is to become of a payment, drawn before it begins."""

from random import Random
from typing import NamedTuple

from tests.simulation.options import Options

# endings of amounts that tell the demo issuer to misbehave (docs/demo-world.md)
BAD_ENDINGS = (51, 55, 61, 91, 96, 97, 97, 98, 98, 94, 93)
SILENT_REVERSALS_MINOR = 6_666

# what a terminal does beside waiting for its answer
MISCHIEF = {
    "repeat": 3.0,  # sends the same again although it was answered
    "take-back": 4.0,  # a fault of its own after the approval: reason 96
    "conflict": 2.0,  # the same trace number with another amount
    "conflict-storm": 1.0,  # both at once, on two lines
    "reversal-first": 1.5,  # gives up at once and reverses over another line
    "impatient": 2.0,  # sends a copy every few hundred milliseconds
    "power-cut": 1.0,  # loses power while it waits; what it owes is stored
    "re-key": 2.0,  # the cashier keys the same payment again under a new number
    "wrong-reversal": 1.0,  # an 0400 with another amount
    "old-repeat": 1.0,  # the payment before the last one again
    "wrong-mac": 0.5,
}
_KINDS, _WEIGHTS = list(MISCHIEF), list(MISCHIEF.values())


class Course(NamedTuple):
    """How one payment is to go, as far as it depends on its terminal."""

    amount_minor: int
    mischief: str  # empty: none
    repeat_count: int  # copies sent after silence, before it is reversed
    marks_repeats: bool  # as 0201


def draw_course(options: Options, random: Random) -> Course:
    chance = random.random
    amount = 100 * (1 + int(chance() * 5_000))
    if chance() < options.bad_ending_rate:
        amount += BAD_ENDINGS[int(chance() * len(BAD_ENDINGS))]
        if chance() < 0.08:
            amount = SILENT_REVERSALS_MINOR
    mischief = ""
    if chance() < options.mischief_rate:
        [mischief] = random.choices(_KINDS, _WEIGHTS)
    return Course(amount, mischief, int(chance() * 3), chance() < 0.5)
