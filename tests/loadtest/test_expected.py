import pytest

from loadtest.expected import MOVING, Effect, expect_effect
from loadtest.trail import Journal, Place, Trail
from switch.domain.transactions import TransactionType

PLACE = Place(0, 1, 1)


def journal_of(*trails):
    """Build a journal of (rrn, transaction, amount, original) that are all approved."""
    journal = Journal()
    for rrn, transaction, minor, original in trails:
        trail = journal.trails[rrn] = Trail(rrn)
        trail.transaction, trail.original_rrn = transaction, original
        trail.amount_minor = trail.sent_minor = minor
        trail.approved = {"response_code": "00"}
    return journal


HOLD = ("1", "pre-authorization", 100, "")
COMPLETION = ("2", "completion", 115, "1")


@pytest.mark.parametrize(
    ("trails", "effect"),
    [
        ((("1", "sale", 100, ""),), Effect(100, 0)),
        ((("1", "sale", 100, ""), ("2", "sale-void", 100, "1")), Effect(-100, 0)),
        ((("1", "sale", 100, ""), ("2", "refund", 30, "1")), Effect(-30, 0)),
        ((("1", "offline-advice", 100, ""),), Effect(100, 0)),
        ((("1", "balance-inquiry", 0, ""),), Effect(0, 0)),
        ((HOLD,), Effect(0, 100)),
        ((HOLD, COMPLETION), Effect(115, -100)),
        ((HOLD, ("2", "completion-advice", 80, "1")), Effect(80, -100)),
        ((HOLD, COMPLETION, ("3", "completion-void", 115, "2")), Effect(-115, 100)),
        ((HOLD, ("2", "pre-authorization-void", 100, "1")), Effect(0, -100)),
    ],
)
def test_what_an_approval_comes_to(trails, effect):
    journal = journal_of(*trails)
    assert expect_effect(journal, journal.trails[trails[-1][0]]) == effect


def test_what_was_declined_or_taken_back_comes_to_nothing():
    journal = journal_of(("1", "sale", 100, ""))
    trail = journal.trails["1"]
    trail.reversed = PLACE
    assert expect_effect(journal, trail) == Effect()
    trail.reversed, trail.approved = None, None
    assert expect_effect(journal, trail) == Effect()


def test_a_partial_approval_and_an_adjustment_come_to_less_than_was_asked():
    journal = journal_of(("1", "sale", 100, ""), ("2", "adjustment-advice", 150, "1"))
    journal.trails["1"].approved = {"response_code": "10", "amount": {"minor": 40}}
    journal.trails["2"].sent_minor = 50
    assert expect_effect(journal, journal.trails["1"]) == Effect(40, 0)
    assert expect_effect(journal, journal.trails["2"]) == Effect(50, 0)


def test_every_kind_of_transaction_of_the_switch_is_known_here():
    others = {"balance-inquiry", "unknown"}
    assert MOVING | others == {each.value for each in TransactionType}
