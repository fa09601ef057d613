"""What the issuer must hold for a payment, if the journal is right."""

from typing import Final, NamedTuple

from loadtest.trail import Journal, Trail

TAKING: Final = frozenset(
    {
        "sale",
        "instalment-sale",
        "completion",
        "completion-advice",
        "offline-advice",
        "adjustment-advice",
    }
)
RETURNING: Final = frozenset({"sale-void", "completion-void", "refund"})
VOIDS: Final = frozenset({"sale-void", "completion-void"})
MOVING: Final = TAKING | RETURNING | {"pre-authorization", "pre-authorization-void"}
_COMPLETIONS: Final = frozenset({"completion", "completion-advice"})


class Effect(NamedTuple):
    """By how much something changes what was taken from a cardholder, and what is held."""

    money_minor: int = 0
    held_minor: int = 0


NOTHING: Final = Effect()


def expect_effect(journal: Journal, trail: Trail) -> Effect:
    """Say what stands at the issuer, once everything has settled."""
    if not trail.stands:
        return NOTHING
    minor, kind = trail.approved_minor, trail.transaction
    if kind in TAKING:
        return Effect(minor, -_find_hold(journal, trail) if kind in _COMPLETIONS else 0)
    if kind in RETURNING:
        return Effect(-minor, _find_hold(journal, trail) if kind == "completion-void" else 0)
    if kind == "pre-authorization":
        return Effect(0, minor)
    if kind == "pre-authorization-void":
        return Effect(0, -minor)
    return NOTHING


def _find_hold(journal: Journal, trail: Trail) -> int:
    """Find what was held by the pre-authorization that a completion, or its void, concerns."""
    original = journal.trails.get(trail.original_rrn)
    while original is not None and original.transaction in _COMPLETIONS:
        original = journal.trails.get(original.original_rrn)
    return original.approved_minor if original is not None else 0
