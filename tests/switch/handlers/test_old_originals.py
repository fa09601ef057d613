"""What was forgotten of a payment, and what still comes about it (docs/rules.md 2)."""

import pytest

from tests.switch.handlers.conftest import ACQUIRER, MERCHANT, TERMINAL
from tests.switch.handlers.test_cases_side import Desk
from tests.switch.handlers.test_partner_requests import Partner

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


@pytest.fixture
def settle(world, till):
    """Close the open batch as its terminal would; the next one has the following number."""

    def close():
        place = (ACQUIRER, MERCHANT, TERMINAL)
        world.book._shelf.close_batch(place, till.batch, world.now.wall_ms)
        till.batch = f"{int(till.batch) + 1:06d}"
        world.change_terminal(batch=till.batch)

    return close


def test_a_payment_is_remembered_as_long_as_its_void_that_may_be_taken_back(world):
    partner = Partner(world)
    _, sale = partner.pay()
    world.jump(10 * HOUR_MS)
    _, void = partner.change("void", sale["rrn"])
    world.jump(7 * DAY_MS - 8 * HOUR_MS)
    partner.pay("another")  # by now the sale alone would be forgotten
    partner.change("reverse", void["rrn"], "reverse", code="")
    world.pass_ms(200)
    world.answer_of_issuer(void["rrn"], "00", kind="reversal")
    status, refund = partner.refund(sale["rrn"], 1_000)
    assert (status, refund["status"]) == (201, "approved")


def test_a_payment_given_up_is_refused_though_one_of_the_batch_before_was_taken_for_it(
    world, till, settle
):
    first = till.get()
    settle()
    again = {**first.fields, "batch_data": f"22{till.batch}00050"}
    till._send("0400", again)  # it overtakes its sale, whose trace number began anew
    assert till.payment(first).phase.value == "reversing"
    late = till._send("0200", again)
    assert (till.told(late), till.why(late)) == ("94", "late-after-reversal")
    world.restart()
    assert till.why(till._send("0200", again)) == "late-after-reversal"


def close_batch(world, make_message):
    """Let the terminal settle its batch with whatever totals."""
    message = make_message(
        "0500",
        processing_code="",
        amount_transaction="",
        pos_entry_mode="",
        pos_condition_code="",
        expiration_date="",
        additional_data_private="0" * 62,
        batch_data="00000001201",
    )
    world.send(message)
    assert "BatchClosed" in world.tags()


def cases(world):
    return [
        event.kind
        for record in world.journal
        for event in record.events
        if type(event).__name__ == "CaseOpened"
    ]


@pytest.mark.parametrize(("days", "kinds"), [(6, []), (9, ["advice-unroutable"])])
def test_an_advice_whose_key_may_be_forgotten_is_never_debited_again(
    world, till, make_message, days, kinds
):
    advice = till.ask("offline")
    world.pass_ms(200)
    world.answer_of_issuer(advice.rrn, "00")
    close_batch(world, make_message)
    world.jump(days * DAY_MS)
    till.batch = "000002"
    till.ask("inquiry")
    sent = len(world.sent)
    assert till.told(till.repeat(advice)) == "00"
    world.pass_ms(200)
    assert (len(world.sent) - sent, cases(world)) == (0, kinds)


def test_an_advice_of_a_batch_that_was_just_closed_is_told(world, till, make_message):
    till.get()
    close_batch(world, make_message)
    late = till.ask("offline")
    world.pass_ms(200)
    assert world.sent[-1].request.match.rrn == late.rrn


def test_an_advice_of_the_batch_that_comes_next_is_told(world, till):
    till.batch = "000002"  # its terminal has closed the other, and the 0500 is still to come
    advice = till.ask("offline")
    world.pass_ms(200)
    assert world.sent[-1].request.match.rrn == advice.rrn


def test_what_changes_in_a_batch_closed_long_ago_opens_no_batch_for_it(world, till, make_message):
    sale, other = till.get(amount=1_000), till.get(amount=500)
    refund = till.ask("refund", 400, of=other)
    close_batch(world, make_message)
    world.pass_ms(4_000)
    world.jump(25 * DAY_MS)
    till.batch = "000002"
    till.ask("inquiry")
    world.answer_of_issuer(refund.rrn, "00")
    Desk(world).ask("open", rrn=sale.rrn, text="not served")
    Desk(world).send(
        "resolve", key="r", case_id=f"not-served-{sale.rrn}", resolution="return-money"
    )
    world.pass_ms(2_000)
    place = (ACQUIRER, MERCHANT, TERMINAL)
    assert not world.book.tills.is_open(place, "000001")
    assert "batch-late-approval" in cases(world)
