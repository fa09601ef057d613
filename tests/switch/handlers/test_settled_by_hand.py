"""What operators settle, beside what terminals and issuers still say of the same payment."""

import pytest

from tests.switch.handlers.test_cases_side import Desk


@pytest.fixture
def desk(world):
    return Desk(world)


def cases(world):
    return [
        event.kind
        for record in world.journal
        for event in record.events
        if type(event).__name__ == "CaseOpened"
    ]


def settled(world):
    """Add up what the merchant is owed, gross and fee, after everything."""
    found = [
        event.line
        for record in world.journal
        for event in record.events
        if getattr(event, "line", None) is not None
    ]
    return sum(line.gross_minor for line in found), sum(line.fee_minor for line in found)


@pytest.mark.parametrize(("resolution", "gross"), [("returned", 0), ("stands", 10_000)])
def test_a_void_that_was_taken_back_in_vain_is_settled_once_whatever_is_found_out(
    world, till, desk, resolution, gross
):
    sale = till.get(amount=10_000)
    void = till.get("void", 10_000, of=sale)
    till.take_back(void)
    world.pass_ms(200)
    world.answer_of_issuer(void.rrn, "25", kind="reversal")
    assert cases(world) == ["reversal-not-found"]
    desk.resolve(f"reversal-not-found-{void.rrn}", resolution)
    assert settled(world) == (gross, gross * 6 // 1_000)


def test_an_adjustment_that_stands_after_all_no_longer_keeps_its_sale_from_being_refunded(
    world, till, desk
):
    sale = till.get(amount=1_000)
    adjustment = till.ask("adjustment", 1_150, of=sale)
    world.pass_ms(100)
    world.answer_of_issuer(adjustment.rrn, "51")
    assert till.why(till.ask("refund", 1_000, of=sale)) == "original-held"
    desk.resolve(f"advice-refused-{adjustment.rrn}", "stands")
    assert till.told(till.get("refund", 1_000, of=sale)) == "00"
    assert till.told(till.get("refund", 150, of=sale)) == "00"
    assert settled(world)[0] == 0


def test_an_advice_that_became_a_case_is_not_returned_whole_once_it_was_adjusted(world, till, desk):
    advice = till.ask("offline", 1_000)
    till.ask("adjustment", 1_150, of=advice)
    world.pass_ms(100)
    world.answer_of_issuer(advice.rrn, "51")
    status, problem = desk.resolve(f"advice-refused-{advice.rrn}", "return-money")
    assert (status, "adjustment" in problem["detail"]) == (409, True)


def test_a_refund_called_not_booked_that_its_issuer_then_approves_is_a_case_again(
    world, till, desk
):
    sale = till.get(amount=10_000)
    refund = till.ask("refund", 10_000, of=sale)
    world.pass_ms(4_000)
    for _ in range(5):
        world.pass_ms(5_100)
        world.answer_of_issuer(refund.rrn, "06")
    assert cases(world) == ["repeat-poisoned"]
    desk.resolve(f"repeat-poisoned-{refund.rrn}", "stands")
    for _ in range(2):
        world.answer_of_issuer(refund.rrn, "00")
    assert cases(world) == ["repeat-poisoned", "late-answer-contradicts"]
    assert till.payment(refund).phase.value == "reversed"
