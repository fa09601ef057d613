"""docs/rules.md 1: who a message is, one test a sentence."""

import pytest

from switch.domain.identifiers import make_rrn
from switch.domain.payment.events import PaymentRequested

PAN_B = "6243030000000001"
# what must be equal in an honest repeat, changed one by one
IN_THE_FINGERPRINT = {
    "message type": {"mti": "0100"},
    "DE 60.1": {"batch_data": "3000000100050"},
    "card": {"pan": PAN_B},
    "DE 3": {"processing_code": "310000"},
    "DE 4": {"amount_transaction": "000000000101"},
    "DE 49": {"currency": "840"},
    "first two of DE 22": {"pos_entry_mode": "072"},
    "DE 25": {"pos_condition_code": "64"},
    "DE 37": {"rrn": "010000000003"},
    "DE 38": {"authorization_id": "AUTH99"},
    "DE 61": {"original_transaction": "000001000099"},
    "transaction counter of the chip": {"icc_data": bytes.fromhex("9F36020002")},
}
NOT_IN_THE_FINGERPRINT = {
    "origin digit": {"mti": "0201"},
    "DE 7": {"transmission_time": "1114221399"},
    "DE 12, 13": {"local_time": "235959", "local_date": "1231"},
    "third of DE 22": {"pos_entry_mode": "050"},
    "DE 14": {"expiration_date": ""},
    "the rest of the chip data": {"icc_data": bytes.fromhex("9F360200019F26081122334455667788")},
}


def ask(till, **changes):
    return till.ask(icc_data=bytes.fromhex("9F36020001"), pos_entry_mode="052", **changes)


@pytest.mark.parametrize("change", IN_THE_FINGERPRINT.values(), ids=IN_THE_FINGERPRINT)
def test_same_key_other_fingerprint_is_94_and_the_first_result_is_untouched(world, till, change):
    first = ask(till)
    world.answer_of_issuer(first.rrn, "00")
    other = till.repeat(first, **{"mti": "0200", **change})
    assert (till.told(other), till.why(other)) == ("94", "duplicate-conflict")
    assert till.told(till.repeat(first)) == "00"
    assert world.sent_kinds() == ["0200"]


@pytest.mark.parametrize("change", NOT_IN_THE_FINGERPRINT.values(), ids=NOT_IN_THE_FINGERPRINT)
def test_an_honest_repeat_may_differ_in_what_the_fingerprint_leaves_out(world, till, change):
    first = ask(till)
    world.answer_of_issuer(first.rrn, "00")
    assert till.told(till.repeat(first, **{"mti": "0200", **change})) == "00"
    assert world.sent_kinds() == ["0200"]


@pytest.mark.parametrize(
    "change",
    [
        {"terminal_id": "00000002"},
        {"stan": "000777"},
        {"batch_data": "2200000200050"},
    ],
    ids=["DE 41", "DE 11", "DE 60.2"],
)
@pytest.mark.usefixtures("other_till")
def test_another_terminal_trace_number_or_batch_is_another_key(till, change):
    first = till.get(amount=300)
    other = till.repeat(first, **change)
    assert other.rrn not in {"", first.rrn}


def test_a_reversal_may_carry_its_originals_trace_number(world, till):
    sale = till.get()
    assert till.told(till.take_back(sale)) == "00"
    assert "DuplicateConflicted" not in world.tags()


def test_an_authorization_and_a_financial_message_share_their_trace_numbers(till):
    hold = till.get("pre-auth")
    sale = till.ask("sale", stan=hold.stan)
    assert till.why(sale) == "duplicate-conflict"


def test_what_is_keyed_is_the_merchant_as_sent_not_as_registered(world, till):
    sale = till.get()
    world.change_terminal(merchant_id="898110154110002")
    assert till.told(till.repeat(sale)) == "00", "an old repeat says the old merchant"


def test_an_rrn_is_the_partition_and_the_offset_of_the_record_that_opened_the_payment(world, till):
    for kind in ("sale", "pre-auth", "inquiry"):
        till.get(kind, 70)
    found = {
        record.events[0].rrn: offset
        for offset, record in enumerate(world.journal)
        if isinstance(record.events[0], PaymentRequested)
    }
    assert len(found) == 3
    assert all(rrn == make_rrn(1, offset) for rrn, offset in found.items())


def test_every_request_has_an_rrn_of_its_own(till):
    sale = till.get()
    refunds = [till.get("refund", 10, of=sale) for _ in range(3)]
    assert len({sale.rrn, *(refund.rrn for refund in refunds)}) == 4
    assert {till.payment(refund).original_rrn for refund in refunds} == {sale.rrn}


def test_an_approval_is_replayed_until_a_later_trace_number_was_decided(world, till):
    sale = till.get(amount=900)
    assert till.told(till.repeat(sale)) == "00"
    later = till.ask(amount=800, currency="840")
    assert till.told(later) == "12", "it need not be approved"
    again = till.repeat(sale)
    assert (till.told(again), till.why(again)) == ("94", "stan-reused")
    assert world.sent_kinds() == ["0200"]


def test_a_decline_is_replayed_however_many_came_since(world, till):
    sale = till.ask()
    world.answer_of_issuer(sale.rrn, "51")
    till.get()
    assert till.told(till.repeat(sale)) == "51"


def test_a_later_payment_of_another_terminal_changes_nothing(till, other_till):
    sale = till.get()
    other_till.get()
    assert till.told(till.repeat(sale)) == "00"


def test_a_balance_inquiry_is_asked_again_not_replayed(world, till):
    inquiry = till.ask("inquiry")
    world.answer_of_issuer(inquiry.rrn, "00", additional_amounts="0001156C000000001000")
    assert "000000001000" in world.replies[inquiry.inbound_id][0].fields["additional_amounts"]
    again = till.repeat(inquiry)
    world.answer_of_issuer(again.rrn, "00", additional_amounts="0001156C000000000900")
    assert "000000000900" in world.replies[again.inbound_id][0].fields["additional_amounts"]
    assert world.sent_kinds() == ["0200", "0200"]


def test_every_kind_of_request_is_joined_by_its_repeat(world, till):
    sale, hold = till.get(amount=500), till.get("pre-auth", 600)
    for kind, of, amount in (
        ("sale", None, 100),
        ("inquiry", None, 0),
        ("void", sale, 500),
        ("completion", hold, 600),
    ):
        first = till.ask(kind, amount, of=of)
        sent = len(world.sent)
        repeat = till.repeat(first)
        assert (till.told(repeat), len(world.sent)) == ("", sent)
        world.answer_of_issuer(first.rrn, "00")
        assert till.told(first) == till.told(repeat) == "00"


# -- memory and time, as far as one message meets them (sections 2 and 3) --------------------------


@pytest.mark.parametrize("kind", ["sale", "pre-auth", "inquiry", "void", "refund", "completion"])
def test_a_new_payment_of_another_batch_is_refused_77(world, till, kind):
    sale, hold = till.get(amount=500), till.get("pre-auth", 600)
    of = {"void": sale, "refund": sale, "completion": hold}.get(kind)
    world.change_terminal(batch="000002")
    asked = till.ask(kind, of=of)
    assert (till.told(asked), till.why(asked)) == ("77", "batch-mismatch")


def test_batches_are_compared_for_equality_because_their_numbers_wrap(world, till):
    world.change_terminal(batch="000001")
    till.batch = "999999"
    assert till.told(till.ask()) == "77"


def test_of_another_batch_a_reversal_an_advice_and_a_stored_answer_are_still_served(world, till):
    sale = till.ask(amount=300)
    world.answer_of_issuer(sale.rrn, "51")
    other = till.get(amount=400)
    world.change_terminal(batch="000002")
    assert till.told(till.repeat(sale)) == "51"
    assert till.told(till.take_back(other)) == "00"
    assert till.told(till.ask("offline")) == "00"


@pytest.mark.parametrize("kind", ["sale", "pre-auth", "void", "refund", "completion", "inquiry"])
def test_a_request_read_too_late_is_never_routed(world, till, kind):
    sale, hold = till.get(amount=500), till.get("pre-auth", 600)
    of, amount = {"void": (sale, 500), "refund": (sale, 500), "completion": (hold, 600)}.get(
        kind, (None, 100)
    )
    sent = len(world.sent)
    deliver, world.deliver = world.deliver, lambda received, **_: received.inbound_id
    asked = till.ask(kind, amount, of=of)
    world.deliver = deliver
    world.jump(1_751)
    world.deliver(world.inbound[-1])
    assert (till.told(asked), till.why(asked)) == ("96", "request-stale")
    assert len(world.sent) == sent


def test_an_advice_or_a_reversal_is_taken_however_late_it_is_read(world, till):
    sale = till.get()
    deliver, world.deliver = world.deliver, lambda received, **_: received.inbound_id
    advice, reversal = till.ask("offline"), till.take_back(sale)
    world.deliver = deliver
    world.jump(20_000)
    for received in world.inbound[-2:]:
        world.deliver(received)
    assert (till.told(advice), till.told(reversal)) == ("00", "00")


@pytest.mark.parametrize(
    ("issuers_date", "want"),
    [("1115", "1115"), ("1116", "1116"), ("1114", "1114"), ("1117", "1115"), ("", "1115")],
)
def test_the_settlement_date_is_the_issuers_if_within_one_day_of_ours(
    world, till, issuers_date, want
):
    sale = till.ask()
    world.answer_of_issuer(sale.rrn, "00", settlement_date=issuers_date)
    assert world.replies[sale.inbound_id][0].fields["settlement_date"] == want
    assert till.payment(sale).line.settlement_date.replace("-", "").endswith(want)


def test_cut_over_never_stops_payments(world, till):
    for _ in range(26):
        world.jump(3_600_000)
        assert till.told(till.get()) == "00"
