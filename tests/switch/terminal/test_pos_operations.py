"""A POS with every kind of payment: what is reversed, what is sent again, what is kept."""

from typing import Any

import pytest

from switch.security.sealing import Sealer
from switch.terminal.batch import SIDE_COUNT_MAX, BatchTotals, add_up, find_original, order_on
from switch.terminal.operations import ADVICES, PAYMENT_ROWS, Operation
from switch.terminal.orders import Original
from switch.terminal.outcome import OutcomeKind
from switch.terminal.pos import Pos, PosLimits
from switch.terminal.state import decode_state, encode_state

QUOTED = Original(rrn="010000000007", batch="000001", stan="000100", date="1115")
REVERSED = [operation for operation, row in PAYMENT_ROWS.items() if row.is_reversed]
RESENT = [operation for operation, row in PAYMENT_ROWS.items() if row.is_resent]


def begin(line: Any, operation: Operation, boot_ms: int = 0) -> bytes:
    original = QUOTED if PAYMENT_ROWS[operation].originals else None
    frame = line.pay(operation, boot_ms, original=original)
    assert isinstance(frame, bytes)
    return frame


@pytest.mark.parametrize("operation", list(PAYMENT_ROWS))
def test_every_operation_is_sent_proven_and_ends_with_its_answer(
    line: Any, operation: Operation
) -> None:
    frame = begin(line, operation)
    asked = line.read(frame)
    assert asked.mti == PAYMENT_ROWS[operation].mti
    assert "mac" in asked.fields
    outcome = line.approve(frame)
    assert (outcome.operation, outcome.kind) == (operation, OutcomeKind.APPROVED)
    assert (outcome.owes_reversal, outcome.owes_repeat) == (False, False)


@pytest.mark.parametrize("operation", REVERSED)
def test_without_an_answer_it_is_reversed_under_its_own_number(
    line: Any, operation: Operation
) -> None:
    asked = line.read(begin(line, operation))
    reversal = line.sent(line.pos.timer(line.at(1_000)))
    told = line.read(reversal)
    assert (told.mti, told.fields["response_code"]) == ("0400", "98")
    for name in ("stan", "processing_code", "amount_transaction", "batch_data", "pan"):
        assert told.fields[name] == asked.fields[name]
    assert "rrn" not in told.fields
    assert told.fields.get("original_transaction") == asked.fields.get("original_transaction")
    assert line.approve(reversal, 1_005).kind is OutcomeKind.REVERSED
    assert add_up(line.state.payments, "000001") == BatchTotals()


@pytest.mark.parametrize("operation", RESENT)
def test_without_an_answer_it_is_sent_again_as_a_repeat_and_never_reversed(
    line: Any, operation: Operation
) -> None:
    first = line.read(begin(line, operation))
    for number in (1, 2, 3):
        again = line.read(line.sent(line.pos.timer(line.at(1_000 * number))))
        assert again.mti == first.mti[:3] + "1"
        assert again.fields | {"mac": first.fields["mac"]} == first.fields
    outcome = line.ended(line.pos.timer(line.at(4_000)))
    assert (outcome.kind, outcome.owes_repeat) == (OutcomeKind.REPEAT_OWED, True)
    assert not line.state.owes_reversal


def test_an_unanswered_inquiry_leaves_nothing_behind(line: Any) -> None:
    begin(line, Operation.BALANCE)
    outcome = line.ended(line.pos.timer(line.at(1_000)))
    assert outcome.kind is OutcomeKind.UNANSWERED
    assert (outcome.owes_reversal, outcome.owes_repeat) == (False, False)


@pytest.mark.parametrize("spoil", ["mac", "garbage", "amount"])
def test_a_refund_whose_answer_cannot_be_used_is_sent_again(line: Any, spoil: str) -> None:
    refund = begin(line, Operation.REFUND)
    answer = line.answer(refund)
    if spoil == "mac":
        answer = answer[:-1] + bytes([answer[-1] ^ 1])
    elif spoil == "garbage":
        answer = b"\x00\x10" + bytes.fromhex("60000000066031003110") + b"\x03\x99\x99\x00\x00\x00"
    else:
        answer = line.answer(refund, amount_transaction="000000000001")
    again = line.read(line.sent(line.pos.data_received(answer, line.at(5))))
    assert (again.mti, again.fields["stan"]) == ("0221", "000123")


def test_a_refund_that_is_owed_is_sent_before_anything_new(line: Any) -> None:
    begin(line, Operation.REFUND)
    line.pos.give_up(line.at(1))
    assert line.state.owes_repeat
    again = line.sent(line.pos.start_sale(line.order, line.at(10)))
    assert line.pos.describe_wait() == "the answer to the repeat of refund 000123, try 1 of 3"
    assert line.read(again).mti == "0221"
    sale = line.sent(line.pos.data_received(line.answer(again), line.at(11)))
    assert line.read(sale).fields["stan"] == "000124"
    outcome = line.approve(sale, 12)
    assert (outcome.earlier.stan, outcome.earlier.kind) == ("000123", OutcomeKind.APPROVED)
    assert add_up(line.state.payments, "000001") == BatchTotals(100, 1, 100, 1)


def test_a_refund_that_is_refused_late_is_told_and_not_counted(line: Any) -> None:
    begin(line, Operation.REFUND)
    line.pos.give_up(line.at(1))
    again = line.sent(line.pos.start_sale(line.order, line.at(10)))
    sale = line.sent(line.pos.data_received(line.answer(again, "61"), line.at(11)))
    earlier = line.approve(sale, 12).earlier
    assert (earlier.stan, earlier.kind) == ("000123", OutcomeKind.DECLINED)
    assert add_up(line.state.payments, "000001") == BatchTotals(100, 1)


def test_nothing_new_is_begun_while_a_refund_has_no_answer(line: Any) -> None:
    begin(line, Operation.REFUND)
    line.pos.give_up(line.at(1))
    line.sent(line.pos.start_sale(line.order, line.at(10)))
    for number in (1, 2):
        line.sent(line.pos.timer(line.at(10 + 1_000 * number)))
    outcome = line.ended(line.pos.timer(line.at(3_010)))
    assert (outcome.kind, outcome.stan) == (OutcomeKind.BLOCKED, "")


@pytest.mark.parametrize("number", ["", "the original's"])
def test_a_repeat_that_nobody_decided_is_no_end_of_a_refund(line: Any, number: str) -> None:
    refund = line.read(begin(line, Operation.REFUND))
    rrn = refund.fields["rrn"] if number else ""
    again = line.sent(line.pos.timer(line.at(1_000)))
    actions = line.pos.data_received(line.answer(again, "96", rrn=rrn or None), line.at(1_001))
    assert line.read(line.sent(actions)).mti == "0221"


def test_a_refund_that_was_refused_for_good_is_not_sent_for_ever(line: Any) -> None:
    begin(line, Operation.REFUND)
    again = line.sent(line.pos.timer(line.at(1_000)))
    answer = line.answer(again, "96", rrn="010000000099")
    outcome = line.ended(line.pos.data_received(answer, line.at(1_001)))
    assert (outcome.kind, outcome.owes_repeat) == (OutcomeKind.DECLINED, False)


@pytest.mark.parametrize("operation", sorted(ADVICES, key=lambda each: each.value))
def test_an_advice_without_a_line_is_kept_and_then_sent_for_the_first_time(
    line: Any, operation: Operation
) -> None:
    begin(line, operation)
    outcome = line.ended(line.pos.not_connected(line.at(1)))
    assert (outcome.kind, outcome.owes_repeat) == (OutcomeKind.REPEAT_OWED, True)
    first = line.read(line.sent(line.pos.start_sale(line.order, line.at(2))))
    assert (first.mti, first.fields["stan"]) == (PAYMENT_ROWS[operation].mti, "000123")


def test_a_refund_without_a_line_never_was(line: Any) -> None:
    begin(line, Operation.REFUND)
    outcome = line.ended(line.pos.not_connected(line.at(1)))
    assert outcome.kind is OutcomeKind.NOT_SENT
    assert not line.state.owes_repeat


@pytest.mark.parametrize("operation", [*RESENT, Operation.BALANCE])
def test_what_is_never_reversed_cannot_be_reversed_by_hand(line: Any, operation: Operation) -> None:
    line.approve(begin(line, operation))
    with pytest.raises(ValueError, match="does not reverse"):
        line.pos.start_reversal("98", line.at(9))


def test_a_reversed_void_leaves_its_sale_standing_in_the_book(line: Any) -> None:
    line.approve(line.sale(), rrn="010000000001")
    sale = find_original(line.state.payments, Operation.VOID)
    void = line.sent(line.pos.start_payment(order_on(sale, Operation.VOID), line.at(10)))
    assert line.read(void).fields["original_transaction"] == "000001000123"
    line.approve(void, rrn="010000000002")
    assert add_up(line.state.payments, "000001") == BatchTotals(100, 1, 100, 1)
    assert find_original(line.state.payments, Operation.VOID) is None
    reversal = line.sent(line.pos.start_reversal("96", line.at(20)))
    outcome = line.approve(reversal, 21)
    assert (outcome.kind, outcome.about) == (OutcomeKind.REVERSED, Operation.VOID)
    assert add_up(line.state.payments, "000001") == BatchTotals(100, 1)
    assert find_original(line.state.payments, Operation.VOID) is not None


def test_a_repeat_that_is_approved_again_counts_once(line: Any) -> None:
    line.approve(line.sale())
    again = line.sent(line.pos.start_repeat(line.at(10)))
    assert line.approve(again, 11).about is Operation.SALE
    assert add_up(line.state.payments, "000001") == BatchTotals(100, 1)


def test_a_partial_approval_counts_with_what_was_approved(line: Any) -> None:
    answer = line.answer(line.sale(), "10", amount_transaction="000000000040")
    line.pos.data_received(answer, line.at(5))
    assert add_up(line.state.payments, "000001") == BatchTotals(40, 1)


def test_a_declined_payment_is_not_kept(line: Any) -> None:
    line.pos.data_received(line.answer(line.sale(), "51"), line.at(5))
    assert line.state.payments == []


def test_the_book_keeps_what_a_later_message_must_quote(line: Any) -> None:
    line.approve(
        line.pay(Operation.PRE_AUTHORIZATION, expiration_date="3012"),
        authorization_id="A00001",
        local_date="0229",
    )
    [kept] = line.state.payments
    assert kept.original == Original(
        operation=Operation.PRE_AUTHORIZATION,
        rrn="010000000007",
        batch="000001",
        stan="000123",
        date="0229",
        authorization_id="A00001",
        mti="0100",
    )


def test_a_pin_block_is_forgotten_with_the_answer_and_kept_for_a_repeat_before(line: Any) -> None:
    line.state.pik = bytes.fromhex("3132333435363738393A3B3C3D3E3F40")
    frame = line.pay(Operation.SALE, pin="123456")
    assert line.read(frame).fields["pin_block"].hex().upper() == "1774D84E2E217BD6"
    line.pos.give_up(line.at(1))
    repeat = line.sent(line.pos.start_repeat(line.at(2)))
    assert repeat == frame
    line.approve(repeat, 3)
    assert line.state.last.binary == {}


def test_a_reversal_never_has_the_pin_block(line: Any) -> None:
    line.state.pik = bytes.fromhex("3132333435363738393A3B3C3D3E3F40")
    line.pay(Operation.SALE, pin="123456", icc_data=bytes.fromhex("9F3602000A"))
    told = line.read(line.sent(line.pos.timer(line.at(1_000))))
    assert not told.fields.keys() & {"pin_block", "pin_capture_code", "security_control"}
    assert told.fields["icc_data"] == bytes.fromhex("9F3602000A")


def test_balances_of_an_inquiry_are_told(line: Any) -> None:
    frame = begin(line, Operation.BALANCE)
    assert "amount_transaction" not in line.read(frame).fields
    outcome = line.approve(frame, additional_amounts="0102156C000000012345")
    [balance] = outcome.balances
    assert (balance.minor, balance.currency) == (12_345, "156")


def test_an_order_that_cannot_be_sent_takes_no_trace_number(line: Any) -> None:
    with pytest.raises(ValueError, match="needs the payment"):
        line.pay(Operation.VOID)
    assert (line.state.stan, line.pos.is_idle) == (122, True)


def test_a_full_batch_must_be_closed_first(line: Any) -> None:
    line.approve(line.sale())
    [kept] = line.state.payments
    line.state.payments *= SIDE_COUNT_MAX
    assert kept in line.state.payments
    with pytest.raises(ValueError, match="settle first"):
        line.sale(10)
    assert line.read(line.pay(Operation.BALANCE, 10)).mti == "0200"


def test_without_batches_the_book_is_bounded_by_itself(ascii_line: Any) -> None:
    line = ascii_line
    line.approve(line.sale())
    line.state.payments *= 1_000
    line.approve(line.sale(10), 11)
    assert len(line.state.payments) == 500
    assert line.state.payments[-1].stan == "000124"


@pytest.mark.parametrize("operation", [Operation.VOID, Operation.REFUND, Operation.COMPLETION])
def test_what_is_owed_survives_a_power_cut(line: Any, operation: Operation) -> None:
    begin(line, operation)
    sealer = Sealer(bytes(32))
    state = decode_state(encode_state(line.state, sealer), sealer)
    assert state == line.state
    pos = Pos(state, PosLimits(answer_wait_ms=1_000))
    told = line.read(line.sent(pos.start_sale(line.order, line.at(10))))
    assert told.mti == ("0221" if operation is Operation.REFUND else "0400")


def test_the_other_dialect_does_everything_that_needs_no_code(ascii_line: Any) -> None:
    for number, (operation, row) in enumerate(PAYMENT_ROWS.items()):
        if row.needs_code:
            continue
        frame = begin(ascii_line, operation, number * 10)
        assert ascii_line.approve(frame, number * 10 + 1).kind is OutcomeKind.APPROVED


def test_the_other_dialects_reversal_of_a_void_quotes_the_void(ascii_line: Any) -> None:
    void = ascii_line.read(begin(ascii_line, Operation.VOID))
    told = ascii_line.read(ascii_line.sent(ascii_line.pos.timer(ascii_line.at(1_000))))
    assert told.fields["original_data_elements"][:20] == (
        f"0200{void.fields['stan']}{void.fields['transmission_time']}"
    )
    assert "rrn" not in told.fields
