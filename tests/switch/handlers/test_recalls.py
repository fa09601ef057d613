"""An original that is no longer remembered is read back from the journal (docs/rules.md 2)."""

import pytest

from switch.domain.registry.entities import MerchantStatus
from switch.handlers.recalls import ASKED_COUNT_MAX, RECALLS_COUNT_MAX

DAY_MS = 86_400_000


def settle(world, till):
    till.batch = world.close_batch(till.batch)


@pytest.fixture
def old_sale(world, till):
    """A sale that was settled and forgotten."""
    sale = till.get(amount=10_000)
    settle(world, till)
    world.jump(40 * DAY_MS)
    till.get("inquiry")
    assert world.book.find_payment(sale.rrn) is None
    return sale


def test_a_refund_of_a_payment_long_past_reads_it_and_is_then_decided(world, till, old_sale):
    refund = till.ask("refund", 4_000, of=old_sale)
    assert (refund.rrn, till.told(refund)) == ("", "")
    assert world.wanted_originals == [old_sale.rrn]
    world.read_originals()
    rrn = world.rrn_of(refund.inbound_id)
    world.answer_of_issuer(rrn, "00")
    assert till.told(refund) == "00"
    line = world.book.find_payment(rrn).line
    assert (line.gross_minor, line.fee_minor) == (-4_000, -24)


def test_a_decision_names_the_registry_that_it_saw_after_the_reading(world, till, old_sale):
    refund = till.ask("refund", 4_000, of=old_sale)
    world.change_merchant(status=MerchantStatus.FROZEN)
    world.read_originals()
    assert till.why(refund) == "merchant-frozen"
    assert world.journal[-1].registry_position == world.registry.position


def test_from_then_on_it_is_remembered_with_what_was_refunded(world, till, old_sale):
    refund = till.ask("refund", 4_000, of=old_sale)
    world.read_originals()
    world.answer_of_issuer(world.rrn_of(refund.inbound_id), "00")
    world.jump(20 * DAY_MS)
    till.get("inquiry")
    more = till.ask("refund", 6_001, of=old_sale)
    assert world.wanted_originals == []
    assert (till.told(more), till.why(more)) == ("61", "refund-over-rest")


def test_what_was_read_for_a_refund_that_is_refused_is_forgotten_again(world, till, old_sale):
    refund = till.ask("refund", 10_001, of=old_sale)
    world.read_originals()
    assert till.told(refund) == "61"
    assert world.book.find_payment(old_sale.rrn) is None


def test_two_refunds_that_wait_for_the_same_original_hold_their_parts(
    world, till, other_till, old_sale
):
    first = till.ask("refund", 6_000, of=old_sale)
    second = other_till.ask("refund", 6_000, of=old_sale)
    assert world.wanted_originals == [old_sale.rrn]
    world.read_originals()
    assert till.told(first) == "", "it runs"
    assert (till.told(second), till.why(second)) == ("61", "refund-over-rest")


def test_a_repeat_that_waits_for_the_original_joins_the_first(world, till, old_sale):
    first = till.ask("refund", 6_000, of=old_sale)
    repeat = till.repeat(first)
    world.read_originals()
    rrn = world.rrn_of(first.inbound_id)
    assert world.rrn_of(repeat.inbound_id) == ""
    world.answer_of_issuer(rrn, "00")
    assert (till.told(first), till.told(repeat)) == ("00", "00")
    assert world.sent_kinds().count("0220") == 1


def test_a_refund_whose_0400_came_while_its_original_was_read_is_refused(world, till, old_sale):
    refund = till.ask("refund", 6_000, of=old_sale)
    assert till.told(till.take_back(refund)) == "00"
    world.read_originals()
    assert till.why(refund) == "late-after-reversal"
    assert "0220" not in world.sent_kinds()


def test_a_refund_whose_original_was_read_too_late_is_not_sent(world, till, old_sale):
    refund = till.ask("refund", 6_000, of=old_sale)
    world.pass_ms(2_000)
    world.read_originals()
    assert (till.told(refund), till.why(refund)) == ("96", "request-stale")
    assert "0220" not in world.sent_kinds()


def test_a_successor_reads_again_what_its_predecessor_had_not_decided(world, till, old_sale):
    refund = till.ask("refund", 6_000, of=old_sale)
    world.restart()
    offset = world.partition.next_inbound_offset
    assert world.inbound[offset].inbound_id == refund.inbound_id
    world.deliver(world.inbound[offset])
    world.read_originals()
    world.answer_of_issuer(world.rrn_of(refund.inbound_id), "00")
    assert till.told(refund) == "00"


def test_an_original_that_cannot_be_read_is_said_so_and_may_be_tried_again(world, till, old_sale):
    refund = till.ask("refund", 6_000, of=old_sale)
    world.read_originals(fault="the log is away")
    assert (till.told(refund), till.why(refund)) == ("96", "original-unreadable")
    again = till.repeat(refund)
    world.read_originals()
    world.answer_of_issuer(world.rrn_of(again.inbound_id), "00")
    assert till.told(again) == "00"


def test_a_request_that_cannot_be_decided_once_its_original_is_there_is_parked(
    world, till, old_sale, monkeypatch
):
    world.is_replayable = False
    refund = till.ask("refund", 6_000, of=old_sale)
    with monkeypatch.context() as patch:
        patch.setattr(world.partition._requests, "_open", None)
        world.read_originals()
    assert world.tags()[-1] == "InboundParked"
    assert till.told(refund) == ""
    assert till.told(till.get(amount=55)) == "00", "the partition goes on"


def test_a_payment_that_was_declined_then_is_no_original(world, till):
    sale = till.ask()
    world.answer_of_issuer(sale.rrn, "51")
    settle(world, till)
    world.jump(40 * DAY_MS)
    till.get("inquiry")
    refund = till.ask("refund", of=sale)
    world.read_originals()
    assert (till.told(refund), till.why(refund)) == ("25", "original-not-found")


def test_another_merchants_payment_is_not_found_although_it_can_be_read(world, till, old_sale):
    request = till.ask("refund", 1, of=old_sale, merchant_id="898110154110002")
    world.read_originals()
    assert till.told(request) in {"03", "25"}
    assert "0220" not in world.sent_kinds()


@pytest.mark.parametrize("rrn", ["020000000000", "010000099999", "NOTOURRRN001"])
def test_an_rrn_that_cannot_be_ours_is_25_without_reading(world, till, rrn):
    till.get()
    refund = till.ask("refund", rrn=rrn)
    assert (till.told(refund), till.why(refund)) == ("25", "original-not-found")
    assert world.wanted_originals == []


def test_a_recalled_advice_is_not_told_again(world, till):
    advice = till.ask("offline", 500)
    world.pass_ms(100)
    world.answer_of_issuer(advice.rrn, "00")
    settle(world, till)
    world.jump(40 * DAY_MS)
    till.get("inquiry")
    sent = len(world.sent)
    refund = till.ask("refund", 200, of=advice)
    world.read_originals()
    world.answer_of_issuer(world.rrn_of(refund.inbound_id), "00")
    world.pass_ms(5_000)
    assert [one.request.mti for one in world.sent[sent:]] == ["0220"]
    assert not world.book.find_payment(advice.rrn).is_open


# -- bounds ----------------------------------------------------------------------------------------


def test_who_waits_for_one_original_is_bounded(world, till, old_sale):
    refunds = [till.ask("refund", 1, of=old_sale) for _ in range(ASKED_COUNT_MAX + 1)]
    assert [till.told(one) for one in refunds] == [""] * ASKED_COUNT_MAX + ["96"]
    assert till.why(refunds[-1]) == "original-unreadable"
    world.read_originals()
    assert world.sent_kinds().count("0220") == ASKED_COUNT_MAX


def test_no_repeat_is_refused_while_what_it_repeats_waits_for_its_original(world, till, old_sale):
    first = till.ask("refund", 4_000, of=old_sale)
    repeats = [till.repeat(first) for _ in range(2 * ASKED_COUNT_MAX)]
    world.read_originals()
    world.answer_of_issuer(world.rrn_of(first.inbound_id), "00")
    told = [till.told(one) for one in (first, *repeats)]
    assert told[:ASKED_COUNT_MAX] == ["00"] * ASKED_COUNT_MAX
    assert set(told[ASKED_COUNT_MAX:]) == {""}
    assert world.partition._recorder.watermark() == len(world.inbound)


def test_how_many_originals_are_read_at_a_time_is_bounded(world, till):
    sales = [till.get(amount=200 + number) for number in range(RECALLS_COUNT_MAX + 1)]
    settle(world, till)
    world.jump(40 * DAY_MS)
    till.get("inquiry")
    refunds = [till.ask("refund", 1, of=sale) for sale in sales]
    assert len(world.wanted_originals) == RECALLS_COUNT_MAX
    assert till.why(refunds[-1]) == "original-unreadable"


def list_case_kinds(world):
    events = (event for record in world.journal for event in record.events)
    return [event.kind for event in events if type(event).__name__ == "CaseOpened"]


def test_an_0400_of_a_payment_long_forgotten_is_answered_00_and_a_person_looks(
    world, till, old_sale
):
    assert till.told(till.take_back(old_sale)) == "00"
    assert list_case_kinds(world) == ["reversal-forgotten"]


def test_the_refusal_of_its_repeat_does_not_hide_a_forgotten_payment_from_its_0400(
    world, till, old_sale
):
    repeat = till.repeat(old_sale)
    assert (till.told(repeat), till.why(repeat)) == ("77", "batch-mismatch")
    for _ in range(2):
        assert till.told(till.take_back(old_sale)) == "00"
    assert list_case_kinds(world) == ["reversal-forgotten"]


def test_an_0400_of_what_was_refused_in_a_batch_that_is_remembered_is_no_case(world, till):
    refused = till.ask(batch_data="2200000700050")
    assert till.why(refused) == "batch-mismatch"
    assert till.told(till.take_back(refused)) == "00"
    assert list_case_kinds(world) == []
