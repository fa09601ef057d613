import datetime as dt

import pytest

from switch.domain.payment.payment import Phase
from switch.domain.payment.rules import settlement_day
from switch.domain.terminal.batches import (
    Counted,
    CutOff,
    as_written,
    change_totals,
    clearing_day,
    count_payment,
    cut_off,
    find_cut_off,
    following_batch,
    name_day,
    with_payment,
)
from switch.domain.terminal.requests import BatchTotals
from switch.domain.terminal.state import OpenBatch
from switch.domain.transactions import Side, TransactionType

from .conftest import AT, RULES

ONE = BatchTotals(debit_minor=100, debit_count=1)
TWO = BatchTotals(debit_minor=250, debit_count=2)
DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("batch", "want"), [("000001", "000002"), ("000999", "001000"), ("999999", "000001")]
)
def test_after_the_last_batch_comes_the_first(batch, want):
    assert following_batch(batch) == want


@pytest.mark.parametrize(
    ("transaction", "side"),
    [
        (TransactionType.SALE, Side.DEBIT),
        (TransactionType.COMPLETION, Side.DEBIT),
        (TransactionType.COMPLETION_ADVICE, Side.DEBIT),
        (TransactionType.OFFLINE_ADVICE, Side.DEBIT),
        (TransactionType.ADJUSTMENT_ADVICE, Side.DEBIT),
        (TransactionType.SALE_VOID, Side.CREDIT),
        (TransactionType.COMPLETION_VOID, Side.CREDIT),
        (TransactionType.REFUND, Side.CREDIT),
    ],
)
def test_each_kind_counts_on_its_side(pay, transaction, side):
    assert count_payment(pay(transaction=transaction)) == Counted(side, 100)


@pytest.mark.parametrize(
    "transaction",
    [
        TransactionType.BALANCE_INQUIRY,
        TransactionType.PRE_AUTHORIZATION,
        TransactionType.PRE_AUTHORIZATION_VOID,
    ],
)
def test_an_inquiry_and_a_hold_count_on_neither(pay, transaction):
    assert count_payment(pay(transaction=transaction)) is None


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.APPROVED])
def test_what_is_not_approved_counts_nothing(pay, phase):
    assert count_payment(pay(phase=phase)) is None


def test_a_partial_approval_counts_what_was_approved(pay):
    assert count_payment(pay(minor=100, approved=60)) == Counted(Side.DEBIT, 60)


def test_an_adjustment_counts_what_its_message_says_not_what_it_adds(pay):
    adjusted = pay(transaction=TransactionType.ADJUSTMENT_ADVICE, minor=120, sent=20)
    assert count_payment(adjusted) == Counted(Side.DEBIT, 120)


def test_what_is_added_and_taken_out_again_leaves_the_totals(pay):
    for transaction in (TransactionType.SALE, TransactionType.REFUND):
        counted = count_payment(pay(transaction=transaction))
        added = with_payment(TWO, counted, 1)
        assert added != TWO
        assert with_payment(added, counted, -1) == TWO


def test_totals_beyond_the_room_of_the_message_are_cut_to_it():
    huge = BatchTotals(
        debit_minor=10**13, debit_count=1_000, credit_minor=10**12, credit_count=20_000
    )
    assert as_written(huge) == BatchTotals(
        debit_minor=10**12 - 1, debit_count=999, credit_minor=10**12 - 1, credit_count=999
    )
    assert as_written(TWO) == TWO


@pytest.mark.parametrize("hours", range(0, 48, 3))
def test_a_clearing_day_is_the_settlement_day(hours):
    at = AT + hours * 3_600_000
    assert name_day(clearing_day(at, RULES)) == settlement_day(at, RULES).isoformat()


def test_a_clearing_day_begins_at_the_cut_over():
    eleven = dt.datetime(2024, 3, 5, 15, 0, tzinfo=dt.UTC)  # 23:00 in China
    at = int(eleven.timestamp() * 1000)
    assert name_day(clearing_day(at - 1, RULES)) == "2024-03-05"
    assert name_day(clearing_day(at, RULES)) == "2024-03-06"


# -- cut-off --------------------------------------------------------------------------------------


def test_a_day_that_is_over_is_cut_off_with_all_that_the_batch_came_to():
    batch = change_totals(OpenBatch(), ONE, 10)
    assert find_cut_off(batch, 10) is None
    assert find_cut_off(batch, 11) == CutOff(10, ONE)
    assert cut_off(batch, ONE).is_settled


def test_what_came_after_the_day_ended_belongs_to_the_next():
    batch = change_totals(change_totals(OpenBatch(), ONE, 10), TWO, 11)
    assert find_cut_off(batch, 11) == CutOff(10, ONE)
    batch = cut_off(batch, ONE)
    assert find_cut_off(batch, 11) is None
    assert find_cut_off(batch, 12) == CutOff(11, TWO)


def test_days_that_nobody_cut_off_are_closed_with_the_oldest_first():
    batch = OpenBatch()
    for day, totals in ((10, ONE), (11, TWO), (12, BatchTotals(debit_minor=900, debit_count=9))):
        batch = change_totals(batch, totals, day)
    assert find_cut_off(batch, 13) == CutOff(10, ONE)
    batch = cut_off(batch, ONE)
    assert find_cut_off(batch, 13).totals.debit_count == 9


def test_a_batch_without_news_is_not_cut_off_again():
    batch = cut_off(change_totals(OpenBatch(), ONE, 10), ONE)
    assert find_cut_off(batch, 15) is None


def test_a_clock_that_falls_back_does_not_open_an_old_day():
    batch = change_totals(change_totals(OpenBatch(), ONE, 10), TWO, 9)
    assert batch.day == 10
    assert find_cut_off(batch, 10) is None
