"""What the tour says of a switch that is not as it must be."""

import pytest

from switch.demo.issuer_book import LedgerLine
from switch.demo.tour_story import FIRST_MINOR, OTHER_MINOR, Story
from switch.terminal.orders import SaleOrder

RRN = "010000000001"


def booked(op, outcome, *, rrn=RRN, amount_minor=FIRST_MINOR):
    return LedgerLine(
        op=op, outcome=outcome, at=1, rrn=rrn, amount_minor=amount_minor, currency="156"
    )


@pytest.fixture
def story(stand):
    def make_order(amount_minor):
        return SaleOrder(amount_minor=amount_minor, pan="6200000000000005", expiration_date="3012")

    return Story(stand.stage, make_order, stand.stage.terminal, "suspended")


def test_a_payment_that_is_debited_once_is_good(story, stand, scripted_switch):
    scripted_switch.codes = ["00"]
    stand.book(booked("debit", "approved"))
    assert story.pay().is_good
    assert story.check_whole_ledger() == []


def test_a_switch_that_debits_a_repeat_again_is_found_out(story, stand, scripted_switch):
    scripted_switch.codes = ["00", "00"]
    stand.book(booked("debit", "approved"))
    assert story.pay().is_good
    stand.book(booked("debit", "approved"))
    step = story.send_the_same_bytes()
    assert not step.is_good
    assert step.verdict == "2 debits"


def test_a_switch_that_debits_under_a_new_rrn_is_found_out(story, stand, scripted_switch):
    scripted_switch.codes = ["00"]
    stand.book(booked("debit", "approved"), booked("debit", "approved", rrn="010000000007"))
    assert story.pay().is_good
    assert "010000000007" in story.check_whole_ledger()[0]


def test_a_repeat_with_another_answer_is_found_out(story, stand, scripted_switch):
    scripted_switch.codes = ["00", "00"]
    stand.book(booked("debit", "approved"))
    story.pay()
    scripted_switch.rrn = "010000000008"
    step = story.send_the_same_bytes()
    assert not step.is_good
    assert "other bytes" in step.complaints[0]


def test_a_switch_that_takes_another_amount_under_the_same_key_is_found_out(
    story, stand, scripted_switch
):
    scripted_switch.codes = ["00", "00", "00"]
    stand.book(booked("debit", "approved"))
    story.pay()
    stand.book(booked("debit", "approved", amount_minor=OTHER_MINOR, rrn="010000000009"))
    step = story.bend_the_amount()
    assert not step.is_good
    assert any("instead of 94" in complaint for complaint in step.complaints)
    assert any("other amount" in complaint for complaint in step.complaints)


def test_an_inactive_merchant_that_is_debited_is_found_out(story, stand, scripted_switch):
    scripted_switch.codes = ["03"]
    stand.book(booked("debit", "approved"))
    step = story.meet_an_inactive_merchant()
    assert not step.is_good
    assert step.verdict == "one debit"
    assert any("gives no reason" in complaint for complaint in step.complaints)
