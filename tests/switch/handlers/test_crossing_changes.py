"""Changes of one payment that cross: with each other, with its 0400, with its own advice."""

import pytest

from switch.domain.payment.events import CaseOpened
from switch.domain.registry.entities import StandIn
from switch.security.cards import TOKEN_FAMILY, CardVault
from switch.security.keystore import start_next_version
from tests.switch.handlers.test_cases_side import Desk


@pytest.fixture
def stood_in(world, till):
    """A sale that the switch approved while the issuer's line was down; the line is up again."""
    world.change_issuer(stand_in=StandIn(floor_limit_minor=100, bins=("6200",)))
    world.set_line(is_up=False)
    sale = till.ask()
    world.set_line(is_up=True)
    return sale


@pytest.mark.parametrize("kind", ["void", "refund"])
def test_nothing_is_given_back_of_a_sale_before_its_issuer_has_taken_it(
    world, till, stood_in, kind
):
    early = till.ask(kind, of=stood_in)
    assert (till.told(early), till.why(early)) == ("25", "original-held")
    world.pass_ms(200)
    assert world.sent_kinds() == ["0220"]
    world.answer_of_issuer(stood_in.rrn, "00")
    assert till.told(till.get(kind, of=stood_in)) == "00"


def test_a_completion_is_not_voided_before_its_advice_was_taken(world, till):
    hold = till.get("pre-auth", 1_000)
    advice = till.ask("completion advice", 1_000, of=hold)
    assert till.why(till.ask("completion void", 1_000, of=advice)) == "original-held"
    world.pass_ms(200)
    world.answer_of_issuer(advice.rrn, "00")
    assert till.told(till.get("completion void", 1_000, of=advice)) == "00"


def test_the_reversal_of_an_advice_that_got_nonsense_only_is_confirmed(world, till):
    advice = till.ask("offline")
    world.pass_ms(100)
    world.answer_of_issuer(advice.rrn, "06")
    till.take_back(advice)
    world.pass_ms(200)
    world.answer_of_issuer(advice.rrn, "00", kind="reversal")
    assert till.payment(advice).phase.value == "reversing", "a repeat may still be on its way"
    world.pass_ms(6_200)
    world.answer_of_issuer(advice.rrn, "00", kind="reversal")
    assert till.payment(advice).phase.value == "reversed"


def test_a_stood_in_sale_that_both_its_issuer_and_its_terminal_give_up_cannot_stand(
    world, till, stood_in
):
    world.pass_ms(200)
    world.answer_of_issuer(stood_in.rrn, "51")
    assert till.told(till.take_back(stood_in)) == "00"
    kinds = [
        event.kind
        for record in world.journal
        for event in record.events
        if isinstance(event, CaseOpened)
    ]
    assert kinds == ["advice-refused", "reversal-obstructed"]
    Desk(world).resolve(f"advice-refused-{stood_in.rrn}", "stands")
    assert till.payment(stood_in).phase.value == "case"


@pytest.mark.parametrize("minor", [100, 60])
def test_what_was_approved_in_part_is_reversed_under_either_amount(world, till, minor):
    sale = till.ask(batch_data="22000001000501")
    world.answer_of_issuer(sale.rrn, "10", amount_transaction="000000000060")
    assert till.told(sale) == "10"
    reversal = till.take_back(sale, amount_transaction=f"{minor:012d}")
    assert till.told(reversal) == "00"
    assert till.payment(sale).reverse_requested


def test_an_advice_may_be_adjusted_before_it_was_taken(till):
    advice = till.ask("offline", 1_000)
    adjustment = till.ask("adjustment", 1_100, of=advice)
    assert till.payment(adjustment).line.gross_minor == 100


@pytest.fixture
def rotate(world):
    """Give out tokens under a new key from now on, as a gateway does after its start."""

    def do():
        start_next_version(world.keystore, TOKEN_FAMILY)
        world.keys.vault = CardVault(world.keystore)

    return do


def test_a_new_key_of_card_tokens_changes_nothing_for_payments_from_before(till, rotate):
    sales = [till.get(amount=1_000 + number) for number in range(4)]
    hold = till.get("pre-auth", 5_000)
    rotate()
    assert till.told(till.get("refund", 1_000, of=sales[0])) == "00"
    assert till.told(till.get("void", 1_001, of=sales[1])) == "00"
    assert till.told(till.take_back(sales[2])) == "00"
    assert till.payment(sales[2]).reverse_requested, "and no case for a card that does not fit"
    assert till.told(till.get("completion", 5_000, of=hold)) == "00", "found by card and code"
    assert till.told(till.ask("refund", 1_003, of=sales[3], pan="6200000000000047")) == "14"


def test_a_repeat_after_a_new_key_of_card_tokens_is_the_same_request(world, till, rotate):
    sale = till.get(amount=1_000)
    rotate()
    again = till.repeat(sale)
    assert till.told(again) == "00"
    assert len(world.sent) == 1


def test_the_cashiers_duplicate_is_seen_across_a_new_key_of_card_tokens(till, rotate):
    till.ask(amount=1_000)
    rotate()
    assert till.why(till.ask(amount=1_000)) == "suspected-duplicate"
