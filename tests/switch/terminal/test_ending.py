"""What is told about an operation that is over, and what is kept of it."""

from typing import Any

import pytest

from switch.terminal.actions import Finish
from switch.terminal.ending import End, describe_end, read_approval
from switch.terminal.messages import PosVoice
from switch.terminal.operations import Operation
from switch.terminal.outcome import OutcomeKind


def end_of(operation: Operation, kind: OutcomeKind) -> End:
    return End(operation=operation, kind=kind)


def test_the_card_is_told_masked(line: Any) -> None:
    outcome = line.approve(line.sale())
    assert outcome.masked_pan == "620000******0005"
    assert "6200000000000005" not in repr(outcome)


def test_an_order_that_was_never_begun_is_told_without_a_trace_number(line: Any) -> None:
    line.sale()
    line.pos.give_up(line.at(1))
    line.pos.start_sale(line.order, line.at(2))
    [finish] = line.pos.give_up(line.at(3))
    assert isinstance(finish, Finish)
    told = finish.outcome
    assert (told.kind, told.stan, told.amount_minor) == (OutcomeKind.BLOCKED, "", 100)


@pytest.mark.parametrize("operation", [Operation.SETTLEMENT, Operation.SIGN_OFF])
def test_business_of_the_terminal_is_not_told_as_the_last_payment(
    line: Any, operation: Operation
) -> None:
    line.approve(line.sale())
    told = describe_end(end_of(operation, OutcomeKind.BLOCKED), line.state, line.at(9))
    assert (told.stan, told.amount_minor, told.masked_pan) == ("", 0, "")


def test_a_repeat_is_told_as_what_it_repeats(line: Any) -> None:
    line.approve(line.pay(Operation.PRE_AUTHORIZATION))
    told = describe_end(end_of(Operation.REPEAT, OutcomeKind.UNANSWERED), line.state, line.at(9))
    assert told.about is Operation.PRE_AUTHORIZATION


@pytest.mark.parametrize("operation", [Operation.BALANCE, Operation.SCRIPT_NOTICE])
def test_what_moves_no_money_is_not_kept(line: Any, operation: Operation) -> None:
    frame = line.sale()
    answer = PosVoice(line.state).read_answer(line.answer(frame)[2:])
    last = line.state.last
    assert read_approval(last, answer, line.at(0)) is not None
    last = type(last)(mti=last.mti, fields=last.fields, operation=operation)
    assert read_approval(last, answer, line.at(0)) is None


def test_what_the_answer_does_not_date_is_dated_by_the_terminal(line: Any) -> None:
    line.approve(line.sale())
    [kept] = line.state.payments
    assert kept.date == "1115"


@pytest.mark.parametrize(
    ("code", "keys_merchant_id", "told"),
    [
        ("A0", "898110154110099", "898110154110099"),
        ("A0", "898110154110001", ""),
        ("A0", "", ""),
        ("51", "898110154110099", ""),
    ],
)
def test_a_wrong_mac_is_told_with_the_merchant_whose_keys_made_it(
    line: Any, code: str, keys_merchant_id: str, told: str
) -> None:
    line.state.is_signed_on, line.state.keys_merchant_id = True, keys_merchant_id
    answer = line.answer(line.sale(), code)
    outcome = line.ended(line.pos.data_received(answer, line.at(5)))
    assert outcome.keys_merchant_id == told
