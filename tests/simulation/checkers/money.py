"""Invariants 1, 3, 7, 8: issuers hold what the journal says, and everything has ended."""

from collections.abc import Iterator

from tests.simulation.checkers.accounts import Account
from tests.simulation.checkers.trails import Journal, Trail
from tests.simulation.checkers.violation import Violation
from tests.simulation.memory import REMEMBERED_MS

NOTHING = Account(-1)
INQUIRY = "balance-inquiry"  # it moves nothing, so it may be asked again under its key
# cases that leave no debit behind: the issuer's delay is below what a confirmation waits for, some
# close by themselves once all is back, and some do not ask where the money is
NO_EXCUSE = frozenset(
    {
        "reversal-not-found",
        "late-approval",
        "outcome-open",
        "batch-late-approval",
        "batch-host-only",
        "batch-terminal-only",
        "batch-amount-differs",
        "batch-card-differs",
    }
)


def check_money(journal: Journal, accounts: dict[str, Account]) -> Iterator[Violation]:
    for key, rrns in journal.rrns_of.items():
        yield from _check_decided_once(key, [journal.trails[rrn] for rrn in rrns])
        booked = [seen for rrn in rrns for seen in accounts.get(rrn, NOTHING).booked]
        if len(booked) > 1:
            yield Violation(1, "debited-twice", f"{[s.line.rrn for s in booked]}", rrns[0], key)
    for rrn, account in accounts.items():
        if rrn not in journal.trails and account.booked:
            yield Violation(3, "debit-without-payment", "no valid record opened it", rrn)
    for trail in journal.trails.values():
        yield from _check_trail(trail, accounts.get(trail.rrn, NOTHING))


def _check_decided_once(key: str, trails: list[Trail]) -> Iterator[Violation]:
    """One key is one payment; what was forgotten may be refused anew, or accepted as a case."""
    first = trails[0]
    if first.kind == INQUIRY:
        return
    for later in trails[1:]:
        if later.requested_ms - first.requested_ms < REMEMBERED_MS:
            yield Violation(5, "key-decided-twice", f"again as {later.rrn}", first.rrn, key)
        elif later.routed or (later.accepted and not later.cases):
            yield Violation(1, "old-key-debited-anew", f"again as {later.rrn}", first.rrn, key)


def _check_trail(trail: Trail, account: Account) -> Iterator[Violation]:
    def violation(invariant: int, kind: str, evidence: str) -> Violation:
        return Violation(invariant, kind, evidence, trail.rrn, trail.key)

    excuses = trail.cases.keys() - NO_EXCUSE
    if trail.routed and not trail.outcome_ticket:
        yield violation(8, "outcome-missing", "routed and nothing more")
    if (trail.unknown or trail.taken_back) and trail.routed:
        ended = trail.reversed or trail.cases or trail.declined
        if not ended:
            yield violation(8, "reversal-unfinished", f"{trail.attempts} attempts")
    if trail.accepted and not (trail.confirmed or trail.cases or trail.taken_back):
        yield violation(8, "advice-unfinished", "its issuer never took it")
    expected = _should_stand(trail)
    if expected is not None and account.stands != expected and not excuses and _moves(trail):
        kind = "debit-unaccounted-for" if account.stands else "approval-without-debit"
        yield violation(3, kind, f"issuer {'holds' if account.stands else 'lacks'} it")
    for seen in account.booked:
        asked = trail.amount_minor
        if seen.line.amount_minor != asked and not (trail.accepted or trail.routed) and asked:
            yield violation(3, "debit-of-another-amount", f"{seen.line.amount_minor} not {asked}")
    yield from _check_lines(trail, violation)


def _moves(trail: Trail) -> bool:
    return trail.kind != INQUIRY


def _should_stand(trail: Trail) -> bool | None:
    """Say whether the issuer must hold this; None where that is not decided here."""
    if trail.reversed or trail.taken_back or trail.unknown:
        return False
    if trail.approved:
        return True
    if trail.accepted:
        return True if trail.confirmed else None
    return False


def _check_lines(trail: Trail, violation) -> Iterator[Violation]:
    for line in trail.lines:
        if line["gross_minor"] and not trail.routed and not trail.accepted:
            yield violation(7, "line-without-route", str(line))
    if trail.approved and trail.reversed and trail.lines:
        gross = sum(line["gross_minor"] for line in trail.lines)
        fee = sum(line["fee_minor"] for line in trail.lines)
        if gross or fee or len(trail.lines) % 2:
            left = f"{len(trail.lines)} lines leave gross {gross}, fee {fee}"
            yield violation(7, "reversal-not-mirrored", left)
