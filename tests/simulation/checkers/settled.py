"""Invariant 7: what is settled is what the issuers moved, a payment with all that changed it."""

from collections.abc import Iterator

from tests.simulation.checkers.money import NO_EXCUSE
from tests.simulation.checkers.trails import Journal, Trail
from tests.simulation.checkers.violation import Violation

# they leave nothing to be settled by a person: nothing was done, or it closes by itself; what its
# issuer does not know to be reversed keeps its line until somebody has found out
NO_EXCUSE_HERE = (NO_EXCUSE - {"reversal-not-found"}) | {
    "advice-unroutable",
    "reversal-forgotten",
    "reversal-mismatch",
    "reversal-obstructed",
}
ADJUSTMENT, REFUND = "adjustment-advice", "refund"


def check_settled(journal: Journal, ledger) -> Iterator[Violation]:
    """Add up lines and ledger by the payment that began it; a case of money excuses the whole."""
    families: dict[str, list[Trail]] = {}
    for trail in journal.trails.values():
        families.setdefault(_find_root(journal, trail.rrn), []).append(trail)
    moved: dict[str, int] = {}
    for seen in ledger:
        root = _find_root(journal, seen.line.rrn)
        moved[root] = moved.get(root, 0) + seen.line.moved_minor
    for root, family in families.items():
        kinds = {kind for trail in family for kind in trail.cases}
        if not kinds - NO_EXCUSE_HERE:
            yield from _check_family(root, family, moved.get(root, 0))


def _find_root(journal: Journal, rrn: str) -> str:
    trail = journal.trails.get(rrn)
    end = trail and (trail.routed or trail.accepted)
    original_rrn = end[1].get("original_rrn") if end else ""
    return _find_root(journal, original_rrn) if original_rrn else rrn


def _check_family(root: str, family: list[Trail], moved: int) -> Iterator[Violation]:
    lines = [line for trail in family for line in trail.lines]
    gross = sum(line["gross_minor"] for line in lines)
    fee = sum(line["fee_minor"] for line in lines)
    shown = ", ".join(f"{t.kind} {[one['gross_minor'] for one in t.lines]}" for t in family)
    if gross != moved:
        yield Violation(7, "settled-is-not-moved", f"{gross}, moved {moved}: {shown}", root)
    if fee < 0 or (fee and not gross and not _may_leave_a_rest(family)):
        yield Violation(7, "fee-without-payment", f"{fee} of {gross}: {shown}", root)


def _may_leave_a_rest(family: list[Trail]) -> bool:
    """Say whether an adjustment was taken back beside a refund: what was rounded may be left."""
    kinds = {trail.kind for trail in family if trail.reversed}
    return ADJUSTMENT in kinds and any(trail.kind == REFUND for trail in family)
