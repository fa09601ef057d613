"""What an issuer's ledger comes to: a pure function of its lines, for auditors."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator

from switch.demo.issuer_accounts import IssuerAccounts, Movement
from switch.demo.issuer_line import BOOKED_OUTCOMES, LedgerLine


def standing_money(lines: Iterable[LedgerLine]) -> dict[str, int]:
    """
    Sum up by RRN what each payment's own messages moved, in minor units.

    Positive: the issuer took it from the cardholder and it stands; negative: a void or refund gave
    it back and stands. A payment that was reversed, declined or never seen is not in it. Works on
    `op`, `outcome`, `amount_minor` and `original_rrn` alone; the sum of all values is approved
    debits - voids - credits - reversals, and equals that of the lines' `moved_minor`.
    """
    return _sum((line.rrn, moved.money_minor) for line, moved in _movements(lines))


def standing_holds(lines: Iterable[LedgerLine]) -> dict[str, int]:
    """
    Sum up by RRN what each payment's messages changed of what is held on the card.

    Positive: a pre-authorization; negative: its void or completion. The sum of all values is what
    is held now.
    """
    return _sum((line.rrn, moved.held_minor) for line, moved in _movements(lines))


def standing_by_original(lines: Iterable[LedgerLine]) -> dict[str, int]:
    """
    Sum up what stands by the first payment of each piece of business.

    A sale with its voids, refunds and adjustments; a pre-authorization with its completions and
    theirs. No value is ever negative in a sound ledger: nobody is given back more than was taken.
    """
    originals: dict[str, str] = {}
    moved: dict[str, int] = defaultdict(int)
    for line, movement in _movements(lines):
        if line.original_rrn and line.outcome in BOOKED_OUTCOMES:
            originals.setdefault(line.rrn, line.original_rrn)
        if movement.money_minor:
            moved[line.rrn] += movement.money_minor
    return _sum((_find_root(originals, rrn), minor) for rrn, minor in moved.items())


def _find_root(originals: dict[str, str], rrn: str) -> str:
    for _ in range(len(originals)):
        if rrn not in originals:
            break
        rrn = originals[rrn]
    return rrn


def _movements(lines: Iterable[LedgerLine]) -> Iterator[tuple[LedgerLine, Movement]]:
    accounts = IssuerAccounts(remembered_count_max=sys.maxsize)
    for line in lines:
        yield line, accounts.apply(line)


def _sum(moved: Iterable[tuple[str, int]]) -> dict[str, int]:
    totals: dict[str, int] = defaultdict(int)
    for rrn, minor in moved:
        totals[rrn] += minor
    return {rrn: minor for rrn, minor in totals.items() if minor}
