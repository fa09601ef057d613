"""What is to become of a payment, drawn before it begins."""

from random import Random
from typing import NamedTuple

from tests.simulation.kinds import KINDS, SALE, WEIGHTS, Kind
from tests.simulation.memory import Belief, PaymentMemory
from tests.simulation.options import Options

# endings of amounts that tell the demo issuer to misbehave (docs/demo-world.md)
BAD_ENDINGS = (51, 55, 61, 91, 96, 97, 97, 98, 98, 94, 93)
SILENT_REVERSALS_MINOR = 6_666
COMPLETION_MAX_PERCENT = 115

# what a terminal does beside waiting for its answer
MISCHIEF = {
    "repeat": 3.0,  # sends the same again although it was answered
    "take-back": 4.0,  # a fault of its own after the approval: reason 96
    "conflict": 2.0,  # the same trace number with another amount
    "conflict-storm": 1.0,  # both at once, on two lines
    "reversal-first": 1.5,  # gives up at once and reverses over another line
    "impatient": 1.0,  # sends a copy every few hundred milliseconds
    "power-cut": 1.0,  # loses power while it waits; what it owes is stored
    "re-key": 2.0,  # the cashier keys the same payment again under a new number
    "wrong-reversal": 1.0,  # an 0400 with another amount
    "old-repeat": 1.0,  # the payment before the last one again
    "wrong-mac": 0.5,
    "too-late": 1.0,  # an 0400 of a payment that was voided, refunded or completed since
}
_MISCHIEF, _MISCHIEF_WEIGHTS = list(MISCHIEF), list(MISCHIEF.values())
# what makes no sense for a message that is never reversed
_ONLY_REVERSIBLE = frozenset(
    {"take-back", "reversal-first", "power-cut", "wrong-reversal", "conflict-storm"}
)
_KINDS, _KIND_WEIGHTS = list(WEIGHTS), list(WEIGHTS.values())


class Course(NamedTuple):
    """How one payment is to go, as far as it depends on its terminal."""

    kind: Kind
    amount_minor: int
    original: PaymentMemory | None = None
    mischief: str = ""
    repeat_count: int = 0  # copies sent after silence, before anything else is done
    marks_repeats: bool = False  # as 0201
    pan: str = ""  # empty: any card will do


def draw_course(
    options: Options, random: Random, own: list[PaymentMemory], shop: list[PaymentMemory]
) -> Course:
    """Draw a payment; `own` are the terminal's payments, `shop` those of its whole merchant."""
    chance = random.random
    kind, original = SALE, None
    if chance() < options.kinds_rate:
        [name] = random.choices(_KINDS, _KIND_WEIGHTS)
        kind = KINDS[name]
        if kind.originals:
            original = pick_original(kind, random, own, shop)
            kind = kind if original else SALE
    amount = _draw_amount(kind, original, options, chance)
    mischief = ""
    if chance() < options.mischief_rate:
        [mischief] = random.choices(_MISCHIEF, _MISCHIEF_WEIGHTS)
        if kind.silence is not SALE.silence and mischief in _ONLY_REVERSIBLE:
            mischief = ""
    return Course(kind, amount, original, mischief, int(chance() * 3), chance() < 0.5)


def pick_original(
    kind: Kind, random: Random, own: list[PaymentMemory], shop: list[PaymentMemory]
) -> PaymentMemory | None:
    """Find something to change: mostly what can be changed, now and then what cannot."""
    payments = own if kind.is_void or kind.needs_code else shop
    fits = [p for p in payments[-40:] if p.kind.name in kind.originals and p.rrn]
    if random.random() < 0.85:
        fits = [p for p in fits if p.belief is Belief.APPROVED]
    if random.random() < 0.75:
        fits = [p for p in fits if not p.touches or kind.name == "refund"]
    return fits[int(random.random() * len(fits))] if fits else None


def _draw_amount(kind: Kind, original: PaymentMemory | None, options: Options, chance) -> int:
    if original is None:
        amount = 100 * (1 + int(chance() * 5_000))
        if chance() < options.bad_ending_rate:
            amount += BAD_ENDINGS[int(chance() * len(BAD_ENDINGS))]
            if chance() < 0.08:
                amount = SILENT_REVERSALS_MINOR
        return amount
    whole = original.amount_minor
    if kind.is_void:
        return whole if chance() < 0.95 else whole + 1
    if kind.name == "refund":
        tips = [p.amount_minor for p in original.touches if p.kind.name == "adjustment-advice"]
        whole = max(whole, *tips) if tips else whole
        return whole if chance() < 0.3 else max(1, int(whole * chance() * 0.7))
    if kind.name == "adjustment-advice":
        return max(1, int(whole * (0.95 + chance() * 0.25)))
    return max(1, int(whole * (0.6 + chance() * 0.6)))  # a completion, now and then too much
