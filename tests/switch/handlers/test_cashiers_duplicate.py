"""The same card and amount keyed in again under a new trace number (docs/rules.md 1)."""

import pytest

from switch.domain.registry.entities import DuplicatePolicy, StandIn

OTHER_PAN = "6243030000000001"


def unknown(world, till):
    first = till.ask()
    world.answer_of_issuer(first.rrn, "68")
    return first


def test_while_the_first_is_running_or_unknown_a_second_is_refused_and_names_the_first(world, till):
    first = till.ask()
    second = till.ask()
    assert (till.told(second), till.why(second)) == ("94", "suspected-duplicate")
    assert world.remark(second.inbound_id).endswith(f"first {first.rrn}")
    world.answer_of_issuer(first.rrn, "68")
    third = till.ask()
    assert till.told(third) == "94"
    assert world.remark(third.inbound_id).endswith(f"first {first.rrn}"), "a refusal hides nothing"
    assert world.sent_kinds() == ["0200"]


@pytest.mark.parametrize("code", ["00", "51"])
def test_once_the_first_has_an_outcome_the_same_again_is_a_new_payment(world, till, code):
    first = till.ask()
    world.answer_of_issuer(first.rrn, code)
    assert till.told(till.get()) == "00"


def test_once_the_money_of_the_first_is_back_the_same_again_is_a_new_payment(world, till):
    first = unknown(world, till)
    world.pass_ms(200)
    world.answer_of_issuer(first.rrn, "00", kind="reversal")
    assert till.told(till.get()) == "00"


def test_a_first_that_its_terminal_took_back_is_over_for_the_cashier(world, till):
    first = till.ask()
    till.take_back(first)
    second = till.get()
    assert till.told(second) == "00"
    world.answer_of_issuer(first.rrn, "00")
    assert till.payment(first).phase.value == "reversing"


@pytest.mark.parametrize("change", [{"amount": 101}, {"pan": OTHER_PAN}], ids=["amount", "card"])
def test_another_card_or_amount_is_another_purchase(world, till, change):
    unknown(world, till)
    second = till.ask(**change)
    assert till.told(second) == ""
    assert second.rrn in {action.request.match.rrn for action in world.sent}


def test_another_terminal_is_another_cashier(world, till, other_till):
    unknown(world, till)
    assert other_till.told(other_till.get()) == "00"


def test_within_its_window_a_merchant_is_spared_a_second_approval(world, till):
    world.change_merchant(duplicate_window_s=60)
    till.get()
    second = till.ask()
    assert till.told(second) == "94"
    world.jump(60_000)
    assert till.told(till.get()) == "00"


def test_a_merchant_that_wants_to_be_warned_gets_the_payment_and_a_warning(world, till):
    world.change_merchant(duplicate_policy=DuplicatePolicy.WARN)
    first = unknown(world, till)
    second = till.get()
    assert till.told(second) == "00"
    [routed] = [
        event
        for record in world.journal
        for event in record.events
        if type(event).__name__ == "PaymentRouted" and event.rrn == second.rrn
    ]
    assert routed.warning == f"suspected-duplicate: first {first.rrn}"
    told = f"suspected-duplicate: first {first.rrn}"
    assert world.remark(second.inbound_id) == told, "the cashier is told, in DE 63"
    assert till.payment(second).answer.detail == told, "and a partner in detail"
    assert world.remark(till.repeat(second).inbound_id) == told
    other = till.get(amount=7_700)
    assert world.remark(other.inbound_id) == ""


def test_a_warning_is_also_given_where_the_switch_stands_in(world, till):
    world.change_merchant(duplicate_policy=DuplicatePolicy.WARN)
    first = unknown(world, till)
    world.change_issuer(stand_in=StandIn(floor_limit_minor=100, bins=("6200",)))
    world.set_line(is_up=False)
    second = till.ask()
    assert till.told(second) == "00"
    assert world.remark(second.inbound_id) == f"suspected-duplicate: first {first.rrn}"


def test_a_merchant_that_does_not_care_gets_the_payment(world, till):
    world.change_merchant(duplicate_policy=DuplicatePolicy.OFF)
    unknown(world, till)
    assert till.told(till.get()) == "00"


def test_a_repeat_is_never_a_cashiers_duplicate(world, till):
    first = till.ask()
    assert till.told(till.repeat(first)) == "", "it joins the first"
    assert world.sent_kinds() == ["0200"]


def test_a_pre_authorization_on_top_of_a_sale_is_as_suspicious(world, till):
    unknown(world, till)
    assert till.told(till.ask("pre-auth")) == "94"


def test_the_suspicion_survives_a_take_over(world, till):
    first = unknown(world, till)
    world.restart()
    second = till.ask()
    assert world.remark(second.inbound_id).endswith(f"first {first.rrn}")
