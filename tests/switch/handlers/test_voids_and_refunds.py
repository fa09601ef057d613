"""What gives money back: voids, refunds, their silence and their own reversal (docs/rules.md 5)."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

OTHER_PAN = "6243030000000001"


def lines(world):
    """Every settlement line that was ever written, as (gross, fee)."""
    return [
        (event.line.gross_minor, event.line.fee_minor)
        for record in world.journal
        for event in record.events
        if getattr(event, "line", None) is not None
    ]


def cases(world):
    return [
        event.kind
        for record in world.journal
        for event in record.events
        if type(event).__name__ == "CaseOpened"
    ]


def reverse_at_issuer(world, asked, code="00"):
    world.pass_ms(200)
    world.answer_of_issuer(asked.rrn, code, kind="reversal")


# -- voids -----------------------------------------------------------------------------------------


def test_a_void_gives_everything_back_once(world, till):
    sale = till.get(amount=10_000)
    void = till.get("void", 10_000, of=sale)
    assert till.told(void) == "00"
    assert lines(world) == [(10_000, 60), (-10_000, -60)]
    again = till.ask("void", 10_000, of=sale)
    assert (till.told(again), till.why(again)) == ("25", "original-not-open")
    refund = till.ask("refund", 1, of=sale)
    assert (till.told(refund), till.why(refund)) == ("25", "original-not-open")


def test_the_issuer_is_told_which_sale_is_voided(world, till):
    sale = till.get()
    till.ask("void", of=sale)
    debit, void = (action.request for action in world.sent)
    assert (void.mti, void.fields["processing_code"]) == ("0200", "200000")
    quoted = f"0200{debit.fields['stan']}{debit.fields['transmission_time']}"
    assert void.fields["original_data_elements"].startswith(quoted)


def test_while_a_void_runs_its_sale_is_held(till):
    sale = till.get()
    till.ask("void", of=sale)
    for kind in ("void", "refund"):
        second = till.ask(kind, of=sale)
        assert (till.told(second), till.why(second)) == ("25", "original-held")


@pytest.mark.parametrize("code", ["51", "12", "25"])
def test_a_void_that_the_issuer_declines_leaves_the_sale_as_it_was(world, till, code):
    sale = till.get()
    void = till.ask("void", of=sale)
    world.answer_of_issuer(void.rrn, code)
    assert till.told(void) == code
    assert till.told(till.get("void", of=sale)) == "00"


def test_an_unknown_void_is_reversed_and_until_then_holds_its_sale(world, till):
    sale = till.get()
    void = till.ask("void", of=sale)
    world.pass_ms(3_200)
    assert till.told(void) == "98"
    assert world.sent_kinds()[-1] == "0420"
    assert till.why(till.ask("refund", of=sale)) == "original-held"
    reverse_at_issuer(world, void)
    assert till.why(till.ask("refund", of=sale)) == "original-held", "it is to be confirmed"
    world.pass_ms(6_200)
    world.answer_of_issuer(void.rrn, "00", kind="reversal")
    assert till.payment(void).phase.value == "reversed"
    assert lines(world) == [(100, 1)]
    assert till.told(till.get("void", of=sale)) == "00"


def test_a_void_that_was_certainly_never_sent_leaves_the_sale_as_it_was(world, till):
    sale = till.get()
    void = till.ask("void", of=sale)
    world.partition.on_not_sent(void.rrn, world.now)
    world.pump()
    world.acknowledge()
    assert till.told(void) == "96"
    assert till.told(till.get("void", of=sale)) == "00"


def test_the_reversal_of_an_approved_void_restores_the_sale_and_its_line(world, till):
    sale = till.get(amount=10_000)
    void = till.get("void", 10_000, of=sale)
    assert till.told(till.take_back(void)) == "00"
    assert till.why(till.ask("refund", of=sale)) == "original-held"
    reverse_at_issuer(world, void)
    assert lines(world) == [(10_000, 60), (-10_000, -60), (10_000, 60)]
    assert till.payment(void).money_state.value == "debited"
    assert till.told(till.get("refund", 10_000, of=sale)) == "00"


def test_an_issuer_that_does_not_know_the_void_to_be_reversed_leaves_a_case_and_the_hold(
    world, till
):
    sale = till.get()
    void = till.get("void", of=sale)
    till.take_back(void)
    reverse_at_issuer(world, void, "25")
    assert cases(world) == ["reversal-not-found"]
    assert till.why(till.ask("refund", of=sale)) == "original-held"


def test_the_0400_of_a_sale_that_was_voided_is_answered_and_changes_nothing(world, till):
    sale = till.get()
    till.get("void", of=sale)
    sent = len(world.sent)
    assert till.told(till.take_back(sale)) == "00"
    world.pass_ms(1_000)
    assert len(world.sent) == sent
    assert cases(world) == ["reversal-obstructed"]


def test_after_its_0400_a_payment_is_not_approved_again_whatever_became_of_the_0400(
    till, other_till
):
    sale = till.get()
    other_till.get("refund", 40, of=sale)
    assert till.told(till.take_back(sale)) == "00"
    again = till.repeat(sale)
    assert (till.told(again), till.why(again)) == ("94", "already-reversed")
    assert till.payment(sale).phase.value == "approved", "a case says so"


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        ({"pan": OTHER_PAN}, "14", "original-card-mismatch"),
        ({"amount": 101}, "64", "original-amount-mismatch"),
        ({"rrn": "010000000099"}, "25", "original-not-found"),
        ({"rrn": "NOTOURRRN001"}, "25", "original-not-found"),
        ({"rrn": "020000000000"}, "25", "original-not-found"),
        ({"original_transaction": "000001000099"}, "25", "original-not-found"),
        ({"original_transaction": "000007000001"}, "25", "original-not-found"),
    ],
)
def test_a_void_must_fit_its_sale(world, till, change, code, reason):
    sale = till.get()
    void = till.ask("void", of=sale, **change)
    assert (till.told(void), till.why(void)) == (code, reason)
    assert world.sent_kinds() == ["0200"]


def test_a_void_belongs_to_the_terminal_of_its_sale(till, other_till):
    sale = till.get()
    void = other_till.ask("void", of=sale)
    assert (till.told(void), till.why(void)) == ("25", "original-of-other-batch")


def test_a_sale_of_a_batch_that_was_settled_is_refunded_not_voided(world, till):
    sale = till.get()
    world.change_terminal(batch="000002")
    till.batch = "000002"
    void = till.ask("void", of=sale)
    assert (till.told(void), till.why(void)) == ("25", "original-of-other-batch")
    assert till.told(till.get("refund", of=sale)) == "00"


def test_a_void_may_quote_batch_and_trace_number_alone(till):
    sale = till.get()
    assert till.told(till.get("void", of=sale, rrn="")) == "00"
    assert till.payment(sale).touches[0].is_done


# -- refunds ---------------------------------------------------------------------------------------


def test_a_sale_is_refunded_in_parts_from_any_terminal_and_gives_back_exactly_its_fee(
    world, till, other_till
):
    sale = till.get(amount=10_000)
    for amount, one in ((3_333, till), (3_333, other_till), (3_334, till)):
        assert one.told(one.get("refund", amount, of=sale)) == "00"
    gross, fees = zip(*lines(world), strict=True)
    assert (sum(gross), sum(fees)) == (0, 0)
    more = till.ask("refund", 1, of=sale)
    assert (till.told(more), till.why(more)) == ("61", "refund-over-rest")


def test_no_void_after_any_refund(till):
    sale = till.get()
    till.get("refund", 1, of=sale)
    void = till.ask("void", of=sale)
    assert (till.told(void), till.why(void)) == ("25", "original-refund-only")


def test_refunds_that_run_side_by_side_hold_their_parts(world, till, other_till):
    sale = till.get()
    first = till.ask("refund", 60, of=sale)
    over = other_till.ask("refund", 41, of=sale)
    assert (till.told(over), till.why(over)) == ("61", "refund-over-rest")
    second = other_till.ask("refund", 40, of=sale)
    world.answer_of_issuer(first.rrn, "51")
    assert till.told(first) == "51"
    world.answer_of_issuer(second.rrn, "00")
    assert till.told(till.get("refund", 60, of=sale)) == "00", "what was declined is free again"
    assert sum(gross for gross, _fee in lines(world)) == 0


def test_a_refund_of_a_reversed_sale_is_refused(till):
    sale = till.get()
    till.take_back(sale)
    refund = till.ask("refund", of=sale)
    assert (till.told(refund), till.why(refund)) == ("25", "original-not-open")


def test_an_unanswered_refund_is_repeated_never_reversed_and_may_end_approved(world, till):
    sale = till.get()
    refund = till.ask("refund", 60, of=sale)
    world.pass_ms(12_000)
    assert till.told(refund) == "98"
    assert till.payment(refund).money_state.value == "returning"
    first, *repeats = [action.request for action in world.sent[1:]]
    assert first.mti == "0220"
    assert {one.mti for one in repeats} == {"0221"}
    assert {one.match for one in repeats} == {first.match}
    assert {one.fields["transmission_time"] for one in repeats} == {
        first.fields["transmission_time"]
    }
    assert till.why(till.ask("refund", 41, of=sale)) == "refund-over-rest", "60 are held"
    world.answer_of_issuer(refund.rrn, "00")
    assert till.payment(refund).phase.value == "approved"
    assert till.told(till.repeat(refund)) == "00"
    assert lines(world) == [(100, 1), (-60, -1)]
    count = len(world.sent)
    world.pass_ms(10_000)
    assert len(world.sent) == count


def test_a_refund_declined_after_its_terminal_was_told_98_opens_a_case_and_frees_its_part(
    world, till
):
    sale = till.get()
    refund = till.ask("refund", of=sale)
    world.pass_ms(3_200)
    world.answer_of_issuer(refund.rrn, "61")
    assert cases(world) == ["refund-declined-late"]
    assert till.payment(refund).phase.value == "declined"
    assert till.told(till.get("refund", of=sale)) == "00"


def test_an_issuer_that_calls_the_repeat_of_a_refund_a_duplicate_has_not_said_no(world, till):
    sale = till.get()
    refund = till.ask("refund", of=sale)
    world.pass_ms(3_200)
    for _ in range(5):
        assert till.payment(refund).phase.value == "repeating"
        world.answer_of_issuer(refund.rrn, "94")
    assert cases(world) == ["repeat-poisoned"], "it may well have been booked: a person must look"
    assert till.why(till.ask("refund", of=sale)) == "refund-over-rest"


def test_a_refund_whose_0400_was_answered_is_not_approved_behind_it(world, till):
    refund = till.ask("refund", of=till.get())
    reversal = till.take_back(refund)
    assert till.told(reversal) == "00"
    assert world.ended_waits == [refund.inbound_id]
    world.answer_of_issuer(refund.rrn, "00")
    assert till.told(refund) == ""
    assert till.why(till.repeat(refund)) == "already-reversed"


def test_a_repeat_approved_in_part_without_an_amount_says_nothing(world, till):
    refund = till.ask("refund", of=till.get())
    world.pass_ms(4_000)
    world.answer_of_issuer(refund.rrn, "10")
    assert till.payment(refund).phase.value == "repeating"
    world.answer_of_issuer(refund.rrn, "00")
    assert till.payment(refund).phase.value == "approved"


@pytest.mark.parametrize("moment", ["running", "unknown", "approved"])
def test_a_refund_is_never_reversed_its_0400_leaves_a_case(world, till, moment):
    sale = till.get()
    refund = till.ask("refund", of=sale)
    if moment == "unknown":
        world.pass_ms(3_200)
    if moment == "approved":
        world.answer_of_issuer(refund.rrn, "00")
    assert till.told(till.take_back(refund)) == "00"
    world.pass_ms(5_000)
    assert not {kind for kind in world.sent_kinds() if kind.startswith("04")}
    assert cases(world) == ["reversal-obstructed"]


def test_an_explicit_repeat_of_a_refund_is_answered_however_late_it_comes(till):
    sale = till.get()
    refund = till.get("refund", of=sale)
    till.get(amount=500)
    assert till.told(till.repeat(refund)) == "00", "refused, the cashier would refund again"
    fresh = till.repeat(refund, mti="0220")
    assert (till.told(fresh), till.why(fresh)) == ("94", "stan-reused")


PARTS = st.lists(st.integers(1, 5_000), min_size=1, max_size=6)
FATES = st.lists(st.sampled_from(["00", "51", "late", "silent"]), min_size=6, max_size=6)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(parts=PARTS, fates=FATES)
def test_whatever_becomes_of_refunds_no_more_than_the_sale_is_given_back(world, till, parts, fates):
    world.__init__()
    sale = till.get(amount=8_000)
    for part, fate in zip(parts, fates, strict=False):
        refund = till.ask("refund", part, of=sale)
        if till.told(refund) == "61":
            continue
        if fate in {"00", "51"}:
            world.answer_of_issuer(refund.rrn, fate)
            continue
        world.pass_ms(3_200)
        if fate == "late":
            world.answer_of_issuer(refund.rrn, "00")
    payment = till.payment(sale)
    assert sum(touch.minor for touch in payment.touches) <= 8_000
    taken, *given_back = lines(world)
    assert taken == (8_000, 48)
    assert sum(gross for gross, _fee in given_back) >= -8_000
    assert sum(fee for _gross, fee in given_back) >= -48
