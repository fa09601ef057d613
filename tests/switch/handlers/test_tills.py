import pytest
from msgspec.structs import replace

from switch.codec import Message
from switch.domain.terminal.events import BatchClosed, BatchCutOff
from switch.domain.terminal.requests import BatchTotals
from switch.handlers.management import CUT_OFFS_COUNT_MAX
from switch.terminal.operations import Operation
from switch.terminal.outcome import OutcomeKind

from .conftest import ACQUIRER, MERCHANT, TERMINAL
from .pos_world import (
    DAY_MS,
    HOUR_MS,
    PosWorld,
    decide_all_again,
    next_cut_over,
    order_sale,
    read_reason,
    settle_by_hand,
    upload_by_hand,
)

TILL = (ACQUIRER, MERCHANT, TERMINAL)


@pytest.fixture
def world():
    return PosWorld()


@pytest.fixture
def signed_on(world):
    assert world.manage(Operation.SIGN_ON).kind is OutcomeKind.APPROVED
    return world


# -- the end of a batch ---------------------------------------------------------------------------


def test_equal_totals_close_the_batch_and_open_the_next(signed_on):
    world = signed_on
    world.pay(amount_minor=10_000)
    sold = world.pos.state.payments[-1]
    world.pay(amount_minor=2_500)
    world.pay(Operation.VOID, amount_minor=10_000, original=sold.original)
    settled = world.manage(Operation.SETTLEMENT)
    assert settled.kind is OutcomeKind.APPROVED
    assert settled.settlement.is_balanced
    [closed] = world.events(BatchClosed)
    assert closed.totals == BatchTotals(
        debit_minor=12_500, debit_count=2, credit_minor=10_000, credit_count=1
    )
    assert world.pos.state.batch == world.till.batch == "000002"
    assert world.pay().kind is OutcomeKind.APPROVED
    assert world.cases() == []
    decide_all_again(world)


def test_every_kind_counts_on_both_sides_alike(signed_on):
    """The terminal adds up by itself; the two must agree for each of its operations."""
    world = signed_on
    world.pay(Operation.SALE, 1_000)
    sale = world.pos.state.payments[-1]
    world.pay(Operation.ADJUSTMENT, 1_200, original=sale.original)
    world.pay(Operation.PRE_AUTHORIZATION, 5_000)
    hold = world.pos.state.payments[-1]
    world.pay(Operation.COMPLETION, 5_500, original=hold.original)
    done = world.pos.state.payments[-1]
    world.pay(Operation.COMPLETION_VOID, 5_500, original=done.original)
    world.pay(Operation.COMPLETION_ADVICE, 4_000, original=hold.original)
    world.pay(Operation.OFFLINE, 700, authorization_id="778899")
    world.pay(Operation.E_CASH_SALE, 300)
    world.pay(Operation.INSTALMENT_SALE, 9_000)
    world.pay(Operation.SALE, 50)
    world.reverse()
    world.pay(Operation.SALE, 800)
    refundable = world.pos.state.payments[-1]
    world.pay(Operation.REFUND, 300, original=refundable.original)
    settled = world.manage(Operation.SETTLEMENT).settlement
    assert settled.totals.debit_count == 8
    assert settled.totals.credit_count == 2
    assert settled.switch_totals == settled.totals
    assert settled.is_balanced
    decide_all_again(world)


def split_totals(answer):
    """Take DE 48 apart: the switch's totals, and the flag."""
    text = answer.fields["additional_data_private"]
    return text[:30], text[30]


def test_a_repeated_0500_hears_the_same_totals_and_the_same_flag(signed_on):
    world = signed_on
    world.pay()
    world.is_deaf = True
    assert world.manage(Operation.SETTLEMENT).kind is OutcomeKind.UNANSWERED
    world.is_deaf = False
    settled = world.manage(Operation.SETTLEMENT)
    assert settled.settlement.is_balanced
    assert len(world.events(BatchClosed)) == 1
    assert world.till.batch == "000002"


def test_a_0500_repeated_with_other_totals_hears_the_same_totals_and_that_they_differ(signed_on):
    world = signed_on
    world.pay()
    first = settle_by_hand(world, "000700", minor=100, count=1)
    other_stan = settle_by_hand(world, "000701", minor=9, count=1)
    ours, flag = split_totals(first)
    assert split_totals(other_stan) == (ours, "2")
    assert flag == "1"
    assert split_totals(settle_by_hand(world, "000702", minor=100, count=1)) == (ours, "1")
    same_stan = settle_by_hand(world, "000700", minor=9, count=1)
    assert same_stan.fields["response_code"] == "94"
    assert len(world.events(BatchClosed)) == 1
    decide_all_again(world)


def test_a_sale_in_a_closed_batch_is_refused_and_its_advice_is_not(signed_on):
    world = signed_on
    world.pay()
    settle_by_hand(world, "000700", minor=100, count=1)
    assert world.pay().reason == "batch-mismatch"
    assert world.pos.state.batch == "000001"
    assert world.pay(Operation.OFFLINE, authorization_id="778899").kind is OutcomeKind.APPROVED


def test_foreign_cards_are_added_to_the_terminals_totals(signed_on):
    world = signed_on
    world.pay(amount_minor=100)
    world.pay(amount_minor=50)
    split = f"{100:012d}001{0:015d}0{50:012d}001{0:015d}0"
    answer = settle_by_hand(world, "000700", minor=0, count=0, additional_data_private=split)
    parts = world.dialect.split("additional_data_private", answer.fields["additional_data_private"])
    assert (parts["balance_flag"], parts["debit_amount"]) == ("1", "000000000150")


def test_totals_that_differ_close_the_batch_with_flag_2(signed_on):
    world = signed_on
    world.pay()
    answer = settle_by_hand(world, "000700", minor=100, count=2)
    assert answer.fields["response_code"] == "00"
    parts = world.dialect.split("additional_data_private", answer.fields["additional_data_private"])
    assert (parts["balance_flag"], parts["foreign_balance_flag"]) == ("2", "2")
    assert (parts["debit_amount"], parts["debit_count"]) == ("000000000100", "001")
    assert {"settlement_date", "local_time", "rrn", "currency", "batch_data"} < set(answer.fields)
    assert "mac" not in answer.fields
    assert world.till.batch == "000002"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"additional_data_private": ""}, "DE 48 additional_data_private is missing"),
        ({"additional_data_private": "0" * 61}, "DE 48 additional_data_private has not 62 digits"),
        ({"currency": ""}, "DE 49 currency is missing"),
        ({"currency": "999"}, "DE 49 currency is not a currency of this switch"),
        ({"batch_data": ""}, "txn-not-supported"),
        ({"batch_data": "00000009201"}, "batch-mismatch: open batch 000001"),
    ],
)
def test_totals_that_cannot_be_used_close_nothing(signed_on, changes, told):
    answer = settle_by_hand(signed_on, "000700", minor=0, count=0, **changes)
    assert told in read_reason(answer)
    assert signed_on.events(BatchClosed) == []


def test_totals_of_a_batch_never_stand_in_the_log_in_clear(signed_on):
    world = signed_on
    settle_by_hand(world, "000700", minor=0, count=0, additional_data_private="0" * 62)
    assert all("additional_data_private" not in one.fields for one in world.inbound)


# -- what runs when its batch closes --------------------------------------------------------------


def leave_running(world):
    """Send a sale whose issuer is silent, and close its batch before it speaks."""
    world.issuer_code = ""
    actions = world.pos.start_payment(order_sale(), world.now)
    world.exchange(next(action.frame for action in actions if hasattr(action, "frame")))
    settle_by_hand(world, "000700", minor=0, count=0)
    [closed] = world.events(BatchClosed)
    assert (closed.running_count, closed.is_balanced) == (1, True)


def test_a_payment_that_is_approved_after_its_batch_was_closed_is_a_case(signed_on):
    world = signed_on
    leave_running(world)
    world.issuer_says("00")
    world.pass_ms(2_000)
    [case] = world.events_named("CaseOpened")
    assert case.kind == "batch-late-approval"
    assert case.rrn == world.sent[0].request.match.rrn
    world.restart()
    world.pass_ms(2_000)
    assert len(world.cases()) == 1
    decide_all_again(world)


def test_a_payment_that_fails_after_its_batch_was_closed_is_none(signed_on):
    world = signed_on
    leave_running(world)
    world.issuer_says("51")
    world.pass_ms(2_000)
    assert world.cases() == []


def test_an_approval_after_the_close_that_is_taken_back_at_once_is_none(signed_on):
    world = signed_on
    leave_running(world)
    world.issuer_says("00")
    owed = replace(world.pos.state.last, owed_reason="98")
    world.exchange(world.pos._voice.frame_reversal(owed, world.now))
    world.pass_ms(2_000)
    assert "batch-late-approval" not in world.cases()


# -- the clock ------------------------------------------------------------------------------------


def test_what_a_terminal_does_not_close_is_closed_by_the_clock(signed_on):
    world = signed_on
    world.pay(amount_minor=100)
    world.pass_ms(2_000)
    assert world.events(BatchCutOff) == []
    world.jump(next_cut_over(world))
    world.pass_ms(2_000)
    [cut] = world.events(BatchCutOff)
    assert cut.totals == BatchTotals(debit_minor=100, debit_count=1)
    assert (cut.batch, cut.settlement_date) == ("000001", "2023-11-15")
    assert world.till.batch == "000001"
    world.pass_ms(5_000)
    assert len(world.events(BatchCutOff)) == 1
    decide_all_again(world)


def test_a_batch_that_was_cut_off_is_still_compared_as_a_whole(signed_on):
    world = signed_on
    world.pay(amount_minor=100)
    world.jump(next_cut_over(world))
    world.pass_ms(2_000)
    world.pay(amount_minor=50)
    settled = world.manage(Operation.SETTLEMENT)
    assert settled.settlement.is_balanced
    [closed] = world.events(BatchClosed)
    assert closed.totals == BatchTotals(debit_minor=150, debit_count=2)


def test_a_day_that_ends_while_nobody_owns_the_partition_is_closed_by_the_next_owner(signed_on):
    world = signed_on
    world.pay(amount_minor=100)
    world.jump(next_cut_over(world) + HOUR_MS)
    world.restart()
    world.pay(amount_minor=50)  # of the new day, before the clock was looked at
    world.pass_ms(2_000)
    [cut] = world.events(BatchCutOff)
    assert cut.totals == BatchTotals(debit_minor=100, debit_count=1)
    world.jump(DAY_MS)
    world.pass_ms(2_000)
    assert [one.totals.debit_minor for one in world.events(BatchCutOff)] == [100, 150]
    decide_all_again(world)


def test_what_no_longer_counts_leaves_nothing_for_the_clock(signed_on):
    world = signed_on
    world.pay(amount_minor=100)
    tills = world.book.tills
    assert len(tills._open) == len(tills._unsettled) == 1
    owed = replace(world.pos.state.last, owed_reason="98")
    world.exchange(world.pos._voice.frame_reversal(owed, world.now))
    assert (tills._open, tills._unsettled) == ({}, {})
    assert len(world.book.rrns_of_batch(TILL, "000001")) == 1, "its key is remembered all the same"
    world.jump(DAY_MS)
    world.pass_ms(2_000)
    assert world.events(BatchCutOff) == []


def test_what_was_cut_off_and_is_then_taken_back_is_closed_by_the_clock_once_more(signed_on):
    world = signed_on
    world.pay(amount_minor=100)
    owed = replace(world.pos.state.last, owed_reason="98")
    world.jump(next_cut_over(world))
    world.pass_ms(2_000)
    world.exchange(world.pos._voice.frame_reversal(owed, world.now))
    world.jump(DAY_MS)
    world.pass_ms(2_000)
    assert [one.totals.debit_minor for one in world.events(BatchCutOff)] == [100, 0]
    assert len(world.book.rrns_of_batch(TILL, "000001")) == 1, "the batch itself is still open"


def test_a_payment_of_a_batch_that_is_over_waits_for_nobody_to_close_that(signed_on):
    world = signed_on
    world.manage(Operation.SETTLEMENT)
    world.pos.state.batch = "000777"
    assert world.pay(Operation.OFFLINE, authorization_id="778899").kind is OutcomeKind.APPROVED
    world.pass_ms(1_000)
    world.issuer_says("00")
    assert world.book.rrns_of_batch(TILL, "000777") == []
    assert len(world.book) == 1
    world.jump(7 * DAY_MS + HOUR_MS)
    world.pos.state.batch = "000002"
    world.pay(amount_minor=700)
    assert len(world.book) == 1


def test_a_batch_that_was_closed_is_not_cut_off(signed_on):
    world = signed_on
    world.pay()
    world.manage(Operation.SETTLEMENT)
    world.jump(DAY_MS)
    world.pass_ms(2_000)
    assert world.events(BatchCutOff) == []


def test_many_terminals_are_cut_off_in_records_of_bounded_size(signed_on):
    world = signed_on
    for number in range(CUT_OFFS_COUNT_MAX + 5):
        terminal_id = f"{number + 100:08d}"
        world.add_terminal(terminal_id, tmk=None, signed_on=True, mac_algorithm="none", batch="")
        world.pos = world.make_pos(terminal_id=terminal_id, mak=b"", mac_algorithm="none")
        world.pay()
    world.jump(DAY_MS)
    world.pass_ms(3_000)
    records = [one for one in world.journal if isinstance(one.events[0], BatchCutOff)]
    assert [len(record.events) for record in records] == [CUT_OFFS_COUNT_MAX, 5]


# -- memory ---------------------------------------------------------------------------------------


def test_a_closed_batch_is_remembered_as_long_as_its_payments_are(signed_on):
    world = signed_on
    world.pay()
    world.manage(Operation.SETTLEMENT)
    world.jump(7 * DAY_MS - 1_000)
    assert settle_by_hand(world, "000700", minor=100, count=1).fields["response_code"] == "00"
    world.jump(2_000)
    world.pay()
    assert world.book.find_closed_batch((ACQUIRER, MERCHANT, TERMINAL), "000001") is None
    refused = settle_by_hand(world, "000701", minor=100, count=1)
    assert read_reason(refused) == "batch-mismatch: open batch 000002"


def test_months_of_batches_leave_a_week_of_them_behind(signed_on):
    world = signed_on
    for _ in range(40):
        world.pay()
        world.manage(Operation.SETTLEMENT)
        world.jump(DAY_MS)
        world.pass_ms(4_000)
    tills = world.book.tills
    assert len(tills._closed) == len(tills._rrns) == len(tills._stored) <= 8
    assert len(tills._open) + len(tills._unsettled) + len(tills._awaited) + len(tills._late) == 0
    assert len(world.book) <= 9
    decide_all_again(world)


def test_an_advice_for_a_closed_batch_does_not_open_it_again(signed_on):
    world = signed_on
    world.pay()
    settle_by_hand(world, "000700", minor=100, count=1)
    world.pay(Operation.OFFLINE, authorization_id="778899")
    assert world.book.rrns_of_batch((ACQUIRER, MERCHANT, TERMINAL), "000001") == []
    world.pass_ms(1_500)
    assert world.cases() == ["batch-late-approval"]
    upload_by_hand(world, "000953", "207", "0000")
    assert sorted(world.cases()) == [
        "batch-host-only",
        "batch-host-only",
        "batch-late-approval",
    ]


# -- a dialect without batches --------------------------------------------------------------------


@pytest.fixture
def plain(world):
    """A terminal of iso1987-ascii, which has no sign-on, no batch and no 0500."""
    world.add_terminal(
        "00000009",
        profile="iso1987-ascii",
        tmk=None,
        mac_algorithm="none",
        signed_on=True,
        batch="",
    )
    world.speak("iso1987-ascii")
    world.pos = world.make_pos(
        profile="iso1987-ascii", terminal_id="00000009", mak=b"", mac_algorithm="none", tmk=b""
    )
    return world


def test_an_echo_is_answered_without_de_60(plain):
    assert plain.manage(Operation.ECHO).kind is OutcomeKind.APPROVED
    assert plain.journal == []


def test_a_day_without_a_batch_number_is_cut_off_and_forgotten(plain):
    assert plain.pay(amount_minor=100).kind is OutcomeKind.APPROVED
    plain.jump(next_cut_over(plain))
    plain.pass_ms(2_000)
    [cut] = plain.events(BatchCutOff)
    assert (cut.batch, cut.totals.debit_minor) == ("1115", 100)
    assert plain.book.tills._open == {}


def test_an_ascii_terminal_that_wants_to_sign_on_is_told_that_it_cannot(plain):
    fields = {"stan": "000900", "terminal_id": "00000009", "merchant_id": MERCHANT}
    for mti, code in (("0800", "001"), ("0500", "201"), ("0620", "951")):
        answer = plain.exchange_message(Message(mti, fields | {"network_code": code}))
        assert answer.fields["response_code"] in {"30", "40"}
        assert plain.till is None
