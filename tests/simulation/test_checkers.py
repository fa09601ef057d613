"""What the checkers of money say of a payment that ended one way and is booked another way."""

import pytest

from switch.demo.issuer_line import LedgerLine
from tests.simulation.checkers.accounts import Account
from tests.simulation.checkers.money import check_money
from tests.simulation.checkers.settled import check_settled
from tests.simulation.checkers.trails import Journal, Trail
from tests.simulation.witness import Booked

RRN = "000000000001"


def make_journal(**fields):
    journal, trail = Journal(), Trail(RRN)
    trail.request = {"transaction": "sale", "amount": {"minor": 100}}
    trail.routed = (1, {})
    for name, value in fields.items():
        setattr(trail, name, value)
    journal.trails[RRN] = trail
    return journal


@pytest.mark.parametrize(
    ("cases", "found"),
    [
        (("late-approval", "reversal-not-found"), ["debit-unaccounted-for"]),
        (("late-approval", "reversal-poisoned"), []),
    ],
)
def test_a_case_that_asks_for_no_money_excuses_no_debit_that_was_given_up(cases, found):
    journal = make_journal(unknown=(2, {}), cases={kind: {} for kind in cases})
    account = Account(0)
    account.stands = True
    assert [one.kind for one in check_money(journal, {RRN: account})] == found


@pytest.mark.parametrize(
    ("lines", "moved", "found"),
    [
        (((100, 6),), 100, []),
        (((100, 6),), 0, ["settled-is-not-moved"]),
        (((100, 6), (-100, -6)), 0, []),
        (((100, 6), (-99, -6)), 0, ["settled-is-not-moved"]),
        (((100, 6), (-100, -5)), 0, ["fee-without-payment"]),
    ],
)
def test_what_is_settled_is_held_against_what_the_issuer_moved(lines, moved, found):
    settled = [{"gross_minor": gross, "fee_minor": fee} for gross, fee in lines]
    journal = make_journal(approved=(2, {}), lines=settled)
    line = LedgerLine(op="debit", outcome="approved", at=0, rrn=RRN, moved_minor=moved)
    ledger = [Booked(0, 0, 0, line)]
    assert [one.kind for one in check_settled(journal, ledger)] == found
