"""What was decided elsewhere and is told on: offline sales, adjustments, stand-in."""

import pytest

from switch.domain.registry.entities import StandIn
from switch.domain.registry.events import MerchantChanged

OTHER_PAN = "6243030000000001"
KINDS_OF_ADVICE = ("offline", "adjustment", "completion advice")


def events(world, name):
    return [
        event for record in world.journal for event in record.events if type(event).__name__ == name
    ]


def cases(world):
    return [event.kind for event in events(world, "CaseOpened")]


def lines(world):
    return [
        event.line.gross_minor
        for record in world.journal
        for event in record.events
        if getattr(event, "line", None) is not None
    ]


def advise(till, kind):
    """Send an advice with what it needs: a sale to adjust, a hold to complete."""
    if kind == "offline":
        return till.ask("offline", 120)
    original = till.get("sale" if kind == "adjustment" else "pre-auth")
    return till.ask(kind, 110, of=original)


# -- accepted at once, told until answered ---------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS_OF_ADVICE)
def test_an_advice_is_answered_00_at_once_and_told_until_the_issuer_answers(world, till, kind):
    advice = advise(till, kind)
    sent = len(world.sent)
    assert till.told(advice) == "00"
    assert till.payment(advice).money_state.value == "debited"
    world.pass_ms(8_000)
    first, *repeats = [action.request for action in world.sent[sent:]]
    assert first.mti == "0220"
    assert len(repeats) >= 2
    assert {one.mti for one in repeats} == {"0221"}
    assert {one.match for one in repeats} == {first.match}
    world.answer_of_issuer(advice.rrn, "00")
    assert events(world, "AdviceConfirmed")[-1].rrn == advice.rrn
    count = len(world.sent)
    world.pass_ms(10_000)
    assert len(world.sent) == count


@pytest.mark.parametrize("kind", KINDS_OF_ADVICE)
def test_no_advice_is_told_before_it_is_durable(world, till, kind):
    original = (
        None if kind == "offline" else till.get("sale" if kind == "adjustment" else "pre-auth")
    )
    sent = len(world.sent)
    advice = till.ask(kind, 110, of=original, acknowledged=False)
    world.pass_ms(500, acknowledged=False)
    assert (till.told(advice), len(world.sent)) == ("", sent)
    world.acknowledge()
    assert (till.told(advice), len(world.sent)) == ("00", sent + 1)


def test_an_advice_is_told_as_soon_as_the_line_is_back(world, till):
    world.set_line(is_up=False)
    advice = till.ask("offline")
    assert till.told(advice) == "00"
    world.pass_ms(5_000)
    assert world.sent == []
    world.set_line(is_up=True)
    world.pass_ms(100)
    assert world.sent_kinds() == ["0220"]


def test_an_advice_is_taken_from_a_shop_that_may_no_longer_sell(world, till):
    world.change_terminal(signed_on=False, transactions=())
    assert till.told(till.ask("offline")) == "00"
    world.pass_ms(100)
    assert world.sent_kinds() == ["0220"]


def test_an_advice_that_nobody_can_be_told_is_accepted_and_a_case(world, till):
    merchant = world.registry.find_merchant("898110154110001")
    world.registry.apply(
        world.registry.position,
        MerchantChanged(
            merchant=type(merchant)(
                **{
                    **{name: getattr(merchant, name) for name in merchant.__struct_fields__},
                    "fee_plan": None,
                }
            )
        ),
    )
    advice = till.ask("offline")
    assert till.told(advice) == "00"
    assert cases(world) == ["advice-unroutable"]
    assert "fee_plan" in events(world, "CaseOpened")[0].detail
    world.pass_ms(5_000)
    assert world.sent == []
    assert lines(world) == []
    assert till.told(till.repeat(advice)) == "00"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"pan": "4111111111111111"}, "issuer-unknown"),
        ({"merchant_id": "898110154110009"}, "merchant-not-found"),
        ({"amount_transaction": "000000000000"}, "adds nothing"),
    ],
)
def test_an_advice_of_who_knows_whose_money_is_accepted_and_a_case(world, till, change, why):
    advice = till.ask("offline", **change)
    assert till.told(advice) == "00"
    [case] = events(world, "CaseOpened")
    assert why in case.detail
    assert lines(world) == []


@pytest.mark.parametrize("mti", ["0221", "0220"])
def test_a_repeated_advice_gets_its_stored_answer_and_debits_nothing_more(world, till, mti):
    advice = till.ask("offline")
    assert till.told(till.repeat(advice, mti=mti)) == "00"
    assert len(events(world, "AdviceAccepted")) == 1


def test_an_advice_with_other_content_under_its_key_is_a_conflict(world, till):
    advice = till.ask("offline")
    assert till.told(till.repeat(advice, amount_transaction="000000000999")) == "94"
    assert lines(world) == [100]


def test_an_explicit_repeat_of_an_advice_is_answered_however_late_it_comes(till):
    advice = till.ask("offline")
    till.get(amount=500)
    assert till.told(till.repeat(advice)) == "00"
    assert till.why(till.repeat(advice, mti="0220")) == "stan-reused"


# -- the issuer's word -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS_OF_ADVICE)
def test_an_advice_that_the_issuer_refuses_is_a_case(world, till, kind):
    advice = advise(till, kind)
    world.pass_ms(100)
    world.answer_of_issuer(advice.rrn, "51")
    assert cases(world) == ["advice-refused"]
    assert till.payment(advice).phase.value == "case"
    sent = len(world.sent)
    world.pass_ms(20_000)
    assert len(world.sent) == sent


def test_an_advice_is_poisoned_after_five_answers_that_say_nothing(world, till):
    advice = till.ask("offline")
    for code in ("06", "", "94", "20", "06"):
        assert cases(world) == []
        world.pass_ms(5_100)
        world.answer_of_issuer(advice.rrn, code)
    assert cases(world) == ["repeat-poisoned"]


def test_an_issuer_that_asks_for_patience_gets_it(world, till):
    advice = till.ask("offline")
    for _ in range(12):
        world.pass_ms(5_100)
        world.answer_of_issuer(advice.rrn, "91")
    assert cases(world) == []
    world.answer_of_issuer(advice.rrn, "00")
    assert events(world, "AdviceConfirmed")


def test_an_approval_of_another_amount_is_no_confirmation(world, till):
    advice = till.ask("offline")
    world.pass_ms(100)
    world.answer_of_issuer(advice.rrn, "00", amount_transaction="000000000099")
    assert till.payment(advice).advice_open


# -- taken back ------------------------------------------------------------------------------------


def test_an_advice_that_was_not_told_yet_is_taken_back_and_never_told(world, till):
    world.set_line(is_up=False)
    advice = till.ask("offline")
    assert till.told(till.take_back(advice)) == "00"
    assert till.payment(advice).phase.value == "reversed"
    assert lines(world) == [100, -100]
    world.set_line(is_up=True)
    world.pass_ms(5_000)
    assert world.sent == []


def test_an_advice_whose_telling_is_on_its_way_is_reversed(world, till):
    advice = till.ask("offline")
    world.pass_ms(100)
    assert till.told(till.take_back(advice)) == "00"
    world.pass_ms(200)
    assert world.sent_kinds() == ["0220", "0420"]
    assert world.sent[-1].request.fields["original_data_elements"].startswith("0220")
    world.answer_of_issuer(advice.rrn, "00", kind="reversal")
    assert till.payment(advice).phase.value == "reversing", "the 0220 may still arrive"
    world.pass_ms(6_200)
    world.answer_of_issuer(advice.rrn, "00", kind="reversal")
    assert till.payment(advice).phase.value == "reversed"
    assert lines(world) == [100, -100]


def test_a_confirmed_advice_is_reversed_like_any_debit(world, till):
    advice = till.ask("offline")
    world.pass_ms(100)
    world.answer_of_issuer(advice.rrn, "00")
    till.take_back(advice)
    world.pass_ms(200)
    world.answer_of_issuer(advice.rrn, "00", kind="reversal")
    assert till.payment(advice).phase.value == "reversed"


def test_an_advice_after_its_own_0400_is_refused(world, till):
    first = till.ask("offline", mti="0400", response_code="98")
    fields = {name: value for name, value in first.fields.items() if name != "response_code"}
    advice = till._send("0220", fields)
    assert till.why(advice) == "late-after-reversal"
    assert lines(world) == []


# -- adjustments: DE 4 is the new total (docs/adr/0015-what-an-adjustment-debits.md) ---------------


def test_an_adjustment_debits_what_it_adds(world, till):
    sale = till.get(amount=1_000)
    adjustment = till.ask("adjustment", 1_150, of=sale)
    assert till.told(adjustment) == "00"
    assert lines(world) == [1_000, 150]
    world.pass_ms(100)
    told = world.sent[-1].request
    assert told.fields["amount_transaction"] == "000000000150"
    assert told.fields["original_data_elements"].startswith("0200")
    assert world.replies[adjustment.inbound_id][0].fields["amount_transaction"] == "000000001150"


def test_adjustments_never_debit_more_than_the_last_total(world, till):
    sale = till.get(amount=1_000)
    for total in (1_150, 1_200):
        till.ask("adjustment", total, of=sale)
    assert lines(world) == [1_000, 150, 50]


@pytest.mark.parametrize("total", [1_000, 900, 0])
def test_an_adjustment_that_adds_nothing_is_accepted_and_a_case(world, till, total):
    sale = till.get(amount=1_000)
    assert till.told(till.ask("adjustment", total, of=sale)) == "00"
    assert cases(world) == ["advice-unroutable"]
    assert lines(world) == [1_000]
    assert till.told(till.get("refund", 1_000, of=sale)) == "00", "it holds nothing"


@pytest.mark.parametrize(
    "change",
    [
        {"pan": OTHER_PAN},
        {"rrn": "010000000099", "original_transaction": ""},
        {"rrn": "", "original_transaction": ""},
        {"currency": "840"},
    ],
)
def test_an_adjustment_that_fits_no_sale_is_accepted_and_a_case(world, till, change):
    sale = till.get(amount=1_000)
    assert till.told(till.ask("adjustment", 1_150, of=sale, **change)) == "00"
    assert cases(world) == ["advice-unroutable"]
    world.pass_ms(1_000)
    assert world.sent_kinds() == ["0200"]
    assert till.told(till.get("void", 1_000, of=sale)) == "00", "it holds nothing"


def test_an_adjustment_of_a_voided_sale_debits_nothing(world, till):
    sale = till.get(amount=1_000)
    till.get("void", 1_000, of=sale)
    adjustment = till.ask("adjustment", 1_150, of=sale)
    assert till.told(adjustment) == "00"
    assert till.why(adjustment) == "case-opened", "its terminal is told so"
    assert lines(world) == [1_000, -1_000]
    assert cases(world) == ["advice-unroutable"]


def test_an_adjusted_sale_is_not_voided_but_refunded(world, till):
    sale = till.get(amount=1_000)
    adjustment = till.ask("adjustment", 1_150, of=sale)
    world.pass_ms(100)
    world.answer_of_issuer(adjustment.rrn, "00")
    void = till.ask("void", 1_000, of=sale)
    assert (till.told(void), till.why(void)) == ("25", "original-refund-only")


def test_of_an_adjusted_sale_what_was_finally_debited_is_refunded(world, till):
    sale = till.get(amount=1_000)
    adjustment = till.ask("adjustment", 1_150, of=sale)
    assert till.why(till.ask("refund", 1_150, of=sale)) == "original-held", "it is still told"
    world.pass_ms(100)
    world.answer_of_issuer(adjustment.rrn, "00")
    assert till.told(till.ask("refund", 1_151, of=sale)) == "61"
    assert till.told(till.ask("refund", 150, of=adjustment)) == "25", "it is the sale's"
    assert till.told(till.get("refund", 1_150, of=sale)) == "00"
    assert till.told(till.ask("refund", 1, of=sale)) == "61"
    assert sum(lines(world)) == 0
    reversal = till.take_back(adjustment)
    assert till.told(reversal) == "00"
    assert cases(world) == ["reversal-obstructed"]
    assert sum(lines(world)) == 0


def test_adjustments_taken_back_side_by_side_leave_what_was_refunded(world, till):
    sale = till.get(amount=1_000)
    added = [till.ask("adjustment", total, of=sale) for total in (1_200, 1_300)]
    world.pass_ms(100)
    for adjustment in added:
        world.answer_of_issuer(adjustment.rrn, "00")
    assert till.told(till.get("refund", 1_050, of=sale)) == "00"
    for adjustment in added:
        assert till.told(till.take_back(adjustment)) == "00"
    world.pass_ms(100)
    assert cases(world) == ["reversal-obstructed"], "the second would leave less than was refunded"
    assert world.sent_kinds().count("0420") == 1


def test_an_instalment_sale_of_a_closed_batch_is_refunded_whole(world, till):
    sale = till.get("instalment", 1_200)
    assert till.told(till.ask("refund", 600, of=sale)) == "64"
    assert till.told(till.get("refund", 1_200, of=sale)) == "00"
    assert till.told(till.ask("refund", 1_200, of=sale)) == "61"
    assert sum(lines(world)) == 0


# -- stand-in --------------------------------------------------------------------------------------


def test_without_stand_in_an_issuer_whose_line_is_down_means_no(world, till):
    world.set_line(is_up=False)
    assert till.why(till.ask()) == "issuer-down"


@pytest.fixture
def standing_in(world):
    world.change_issuer(stand_in=StandIn(floor_limit_minor=100, bins=("6200",)))
    world.set_line(is_up=False)


@pytest.mark.usefixtures("standing_in")
def test_the_switch_stands_in_below_the_floor_and_tells_the_issuer_later(world, till):
    sale = till.ask()
    assert till.told(sale) == "00"
    assert events(world, "AdviceAccepted")[0].cause == "stand-in"
    assert lines(world) == [100]
    world.set_line(is_up=True)
    world.pass_ms(100)
    told = world.sent[-1].request
    assert (told.mti, told.fields["processing_code"]) == ("0220", "000000")
    world.answer_of_issuer(sale.rrn, "00")
    assert events(world, "AdviceConfirmed")
    assert till.told(till.get("refund", of=sale)) == "00"
    assert world.sent[-1].request.fields["original_data_elements"].startswith("0220")


@pytest.mark.usefixtures("standing_in")
@pytest.mark.parametrize(
    ("kind", "change"),
    [("sale", {"amount": 101}), ("sale", {"pan": OTHER_PAN}), ("pre-auth", {}), ("instalment", {})],
)
def test_the_switch_stands_in_for_nothing_else(till, kind, change):
    assert till.told(till.ask(kind, **change)) == "91"


@pytest.mark.usefixtures("standing_in")
def test_a_sale_that_was_stood_in_for_counts_against_the_limits_and_may_be_taken_back(world, till):
    sale = till.ask()
    merchant = "898110154110001"
    assert world.book.day_totals(merchant, world.now.wall_ms).amount_minor == 100
    till.take_back(sale)
    assert world.book.day_totals(merchant, world.now.wall_ms).amount_minor == 0
    assert lines(world) == [100, -100]


@pytest.mark.usefixtures("standing_in")
def test_with_its_line_up_an_issuer_is_asked(world, till):
    world.set_line(is_up=True)
    till.ask()
    assert world.sent_kinds() == ["0200"]
