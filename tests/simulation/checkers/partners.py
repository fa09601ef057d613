"""Invariants 2, 3, 5: what partners were told is what the journal and the issuers know."""

from collections.abc import Iterator

from tests.simulation.checkers.accounts import Account
from tests.simulation.checkers.money import NO_EXCUSE, NOTHING
from tests.simulation.checkers.trails import Journal
from tests.simulation.checkers.violation import Violation
from tests.simulation.partners import COMPLETED, UNKNOWN, Order

UPSTREAM_UNKNOWN = "upstream-unknown"


def check_partners(
    journal: Journal, accounts: dict[str, Account], orders: list[Order]
) -> Iterator[Violation]:
    for order in orders:
        yield from _check_told(journal, order)
        if order.kind != "reverse":
            yield from _check_end(journal, accounts, order)


def _check_told(journal: Journal, order: Order) -> Iterator[Violation]:
    was_unknown = False
    rrns = set()
    for told in order.told:
        body = told.body
        status = body.get("status")
        shown = f"told {told.status} {status} {body.get('reason_code', '')} at {told.at_ms}"
        rrn = body.get("rrn", "")
        if told.status == COMPLETED and rrn:
            rrns.add(rrn)
        if status == "approved":
            trail = journal.trails.get(rrn)
            end = trail and (trail.approved or trail.accepted)
            if not end or end[0] > told.ticket or trail.key != order.key:
                yield Violation(2, "approval-not-in-journal", shown, rrn, order.key)
            elif end[1]["answer"].get("authorization_id", "") != body.get("authorization_id", ""):
                yield Violation(2, "approval-with-other-content", shown, rrn, order.key)
            if was_unknown:
                yield Violation(5, "unknown-became-approved", shown, rrn, order.key)
        is_refund = order.kind == "refund"
        if body.get("reason_code") == UPSTREAM_UNKNOWN and not is_refund:
            was_unknown = True
    if len(rrns) > 1:
        yield Violation(5, "repeat-told-otherwise", f"{rrns}", key=order.key)


def _check_end(journal: Journal, accounts: dict[str, Account], order: Order) -> Iterator[Violation]:
    last = order.last
    trails = [journal.trails[rrn] for rrn in journal.rrns_of.get(order.key, ())]
    standing = [t for t in trails if accounts.get(t.rrn, NOTHING).stands]
    excused = any(t.cases.keys() - NO_EXCUSE for t in trails)
    shown = f"{order.kind} {last.status if last else 'never answered'}"
    if last is None:
        yield Violation(8, "partner-never-answered", shown, key=order.key)
        return
    status = last.body.get("status")
    taken_back = any(t.taken_back for t in trails)
    if status == "approved" and not standing and not excused and not taken_back:
        yield Violation(3, "approved-but-not-debited", shown, last.body.get("rrn", ""), order.key)
    if status == "declined" and standing and not excused:
        yield Violation(3, "declined-but-debited", shown, last.body.get("rrn", ""), order.key)
    if last.status == UNKNOWN and not any(t.cases for t in trails):
        yield Violation(8, "left-unknown-without-a-case", shown, key=order.key)
