"""A POS as an acquirer expects it: what it owes, it remembers and sends first."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from switch.security.sealing import Sealer
from switch.terminal.actions import Finish, SaveState, SendFrame
from switch.terminal.operations import Operation
from switch.terminal.outcome import OutcomeKind
from switch.terminal.pos import Pos, PosLimits
from switch.terminal.state import decode_state, encode_state

SALE_HEX = (
    "005a600006000060310031100302007024048000c08011166200000000000005000000000000000100000123"
    "30120120003030303030303031383938313130313534313130303031313536001322000001000500"
    "3438453146434145"
)
REVERSAL_HEX = (
    "005a600006000060310031100304007020048002c08011166200000000000005000000000000000100000123"
    "0120003938303030303030303138393831313031353431313030303131353600132200000100050036433941"
    "45303435"
)


def test_the_sale_and_its_reversal_are_the_published_frames(line: Any) -> None:
    assert line.sale().hex() == SALE_HEX
    assert line.sent(line.pos.timer(line.at(1_000))).hex() == REVERSAL_HEX


def test_the_owed_reversal_is_saved_before_the_sale_is_sent(line: Any) -> None:
    actions = line.pos.start_sale(line.order, line.at(0))
    assert [type(action) for action in actions] == [SaveState, SendFrame]
    assert line.state.last is not None
    assert line.state.last.owed_reason == "98"


@pytest.mark.parametrize("size", [1, 5, 500])
def test_an_approval_ends_the_sale_and_the_debt(line: Any, size: int) -> None:
    answer = line.answer(line.sale(), authorization_id="123456", private_63="CUP")
    actions = []
    for start in range(0, len(answer), size):
        actions += line.pos.data_received(answer[start : start + size], line.at(5))
    assert [type(action) for action in actions] == [SaveState, Finish]
    outcome = line.ended(actions)
    assert outcome.kind is OutcomeKind.APPROVED
    assert (outcome.rrn, outcome.authorization_id) == ("010000000007", "123456")
    assert not line.state.owes_reversal
    assert line.pos.is_idle


def test_a_decline_carries_its_reason_and_is_not_reversed(line: Any) -> None:
    answer = line.answer(line.sale(), "03", private_63="CUPmerchant-not-active: applied")
    outcome = line.ended(line.pos.data_received(answer, line.at(5)))
    assert outcome.kind is OutcomeKind.DECLINED
    assert (outcome.reason, outcome.detail) == ("merchant-not-active", "applied")
    assert not line.state.owes_reversal


def test_without_an_answer_the_sale_is_reversed_with_98(line: Any) -> None:
    line.sale()
    assert line.pos.wake_at() == 1_000
    assert line.pos.timer(line.at(999)) == []
    reversal = line.sent(line.pos.timer(line.at(1_000)))
    asked = line.read(reversal)
    assert (asked.mti, asked.fields["response_code"]) == ("0400", "98")
    assert asked.fields["stan"] == "000123"
    assert "expiration_date" not in asked.fields
    outcome = line.ended(line.pos.data_received(line.answer(reversal), line.at(1_005)))
    assert outcome.kind is OutcomeKind.REVERSED
    assert outcome.trouble == "no answer within 1000 ms"
    assert (outcome.response_code, outcome.reversal_code) == ("", "00")
    assert line.state.last is None


def test_a_broken_connection_is_no_answer(line: Any) -> None:
    line.sale()
    assert line.read(line.sent(line.pos.connection_lost(line.at(10)))).mti == "0400"


def test_a_wrong_mac_is_reversed_with_a0(line: Any) -> None:
    answer = line.answer(line.sale())
    forged = answer[:-1] + bytes([answer[-1] ^ 1])
    actions = line.pos.data_received(forged, line.at(5))
    assert line.read(line.sent(actions)).fields["response_code"] == "A0"


def test_an_approval_without_a_mac_is_not_believed(line: Any) -> None:
    answer = line.answer(line.sale(), sign=False)
    actions = line.pos.data_received(answer, line.at(5))
    assert line.read(line.sent(actions)).fields["response_code"] == "A0"


@pytest.mark.parametrize("code", ["30", "97", "A0"])
def test_a_switch_that_cannot_know_the_key_refuses_without_a_mac(line: Any, code: str) -> None:
    answer = line.answer(line.sale(), code, sign=False)
    outcome = line.ended(line.pos.data_received(answer, line.at(5)))
    assert outcome.kind is OutcomeKind.DECLINED
    assert not outcome.is_proven


def test_an_approval_of_another_amount_is_taken_back(line: Any) -> None:
    answer = line.answer(line.sale(), amount_transaction="000000000200")
    actions = line.pos.data_received(answer, line.at(5))
    assert line.read(line.sent(actions)).fields["response_code"] == "06"


def test_a_partial_approval_says_how_much(line: Any) -> None:
    answer = line.answer(line.sale(), "10", amount_transaction="000000000040")
    outcome = line.ended(line.pos.data_received(answer, line.at(5)))
    assert (outcome.kind, outcome.approved_minor) == (OutcomeKind.APPROVED, 40)


def test_an_answer_that_cannot_be_read_is_taken_back(line: Any) -> None:
    line.sale()
    garbage = b"\x00\x10" + bytes.fromhex("60000000066031003110") + b"\x03\x99\x99\x00\x00\x00"
    actions = line.pos.data_received(garbage, line.at(5))
    assert line.read(line.sent(actions)).fields["response_code"] == "06"


@pytest.mark.parametrize(
    "change", [{"stan": "000999"}, {"mti": "0410"}, {"terminal_id": "00000002"}]
)
def test_an_answer_to_something_else_is_passed_over(line: Any, change: dict[str, str]) -> None:
    answer = line.answer(line.sale(), **change)
    assert line.pos.data_received(answer, line.at(5)) == []
    assert not line.pos.is_idle


def test_a_reversal_is_tried_three_times_and_then_stays_owed(line: Any) -> None:
    line.sale()
    frames = [line.sent(line.pos.timer(line.at(1_000 * (number + 1)))) for number in range(3)]
    assert frames[0] == frames[1] == frames[2]
    outcome = line.ended(line.pos.timer(line.at(4_000)))
    assert outcome.kind is OutcomeKind.REVERSAL_OWED
    assert outcome.owes_reversal


def owing(line: Any) -> None:
    line.sale()
    line.ended(line.pos.give_up(line.at(1)))
    assert line.state.owes_reversal


def test_what_is_owed_is_sent_first_and_then_the_sale(line: Any) -> None:
    owing(line)
    reversal = line.sent(line.pos.start_sale(line.order, line.at(10)))
    assert line.read(reversal).mti == "0400"
    sale = line.sent(line.pos.data_received(line.answer(reversal), line.at(11)))
    asked = line.read(sale)
    assert (asked.mti, asked.fields["stan"]) == ("0200", "000124")
    outcome = line.ended(line.pos.data_received(line.answer(sale), line.at(12)))
    assert outcome.kind is OutcomeKind.APPROVED


@pytest.mark.parametrize(
    ("code", "kind"), [("00", OutcomeKind.REVERSED), ("25", OutcomeKind.REVERSAL_REFUSED)]
)
def test_the_next_receipt_tells_what_became_of_the_payment_that_was_owed(
    line: Any, code: str, kind: OutcomeKind
) -> None:
    owing(line)
    reversal = line.sent(line.pos.start_sale(line.order, line.at(10)))
    sale = line.sent(line.pos.data_received(line.answer(reversal, code), line.at(11)))
    earlier = line.approve(sale, 12).earlier
    assert (earlier.operation, earlier.stan, earlier.kind) == (Operation.SALE, "000123", kind)
    assert (earlier.amount_minor, earlier.currency) == (100, "156")
    assert line.approve(line.sale(20), 21).earlier is None


def test_nothing_new_is_begun_while_the_owed_reversal_has_no_answer(line: Any) -> None:
    owing(line)
    line.pos.start_sale(line.order, line.at(10))
    for number in range(2):
        line.sent(line.pos.timer(line.at(1_010 + number * 1_000)))
    outcome = line.ended(line.pos.timer(line.at(3_010)))
    assert outcome.kind is OutcomeKind.BLOCKED
    assert outcome.stan == ""
    assert (outcome.earlier.stan, outcome.earlier.kind) == ("000123", OutcomeKind.REVERSAL_OWED)
    assert line.state.stan == 123


@pytest.mark.parametrize(
    ("code", "is_done"), [("00", True), ("12", True), ("25", True), ("96", False)]
)
def test_00_12_and_25_end_a_reversal_and_nothing_else_does(
    line: Any, code: str, *, is_done: bool
) -> None:
    line.sale()
    reversal = line.sent(line.pos.timer(line.at(1_000)))
    line.pos.data_received(line.answer(reversal, code), line.at(1_005))
    assert line.state.owes_reversal is not is_done


def test_a_reversal_that_does_not_fit_is_told(line: Any) -> None:
    line.sale()
    reversal = line.sent(line.pos.timer(line.at(1_000)))
    outcome = line.ended(line.pos.data_received(line.answer(reversal, "25"), line.at(1_005)))
    assert outcome.kind is OutcomeKind.REVERSAL_REFUSED


def test_without_a_connection_nothing_was_sent_and_nothing_is_owed(line: Any) -> None:
    line.sale()
    outcome = line.ended(line.pos.not_connected(line.at(1)))
    assert (outcome.kind, outcome.stan) == (OutcomeKind.NOT_SENT, "000123")
    assert not line.state.owes_reversal


def test_without_a_connection_a_reversal_stays_owed(line: Any) -> None:
    line.sale()
    line.pos.connection_lost(line.at(1))
    outcome = line.ended(line.pos.not_connected(line.at(2)))
    assert outcome.kind is OutcomeKind.REVERSAL_OWED
    assert line.state.owes_reversal


def test_a_repeat_is_the_same_bytes_or_marked(line: Any) -> None:
    sale = line.sale()
    line.pos.give_up(line.at(1))
    assert line.sent(line.pos.start_repeat(line.at(2))) == sale
    line.pos.give_up(line.at(3))
    marked = line.read(line.sent(line.pos.start_repeat(line.at(4), as_repeat=True)))
    assert (marked.mti, marked.fields["stan"]) == ("0201", "000123")


def test_a_repeat_that_is_refused_as_not_sent_is_reversed(line: Any) -> None:
    line.sale()
    line.pos.give_up(line.at(1))
    repeat = line.sent(line.pos.start_repeat(line.at(2)))
    actions = line.pos.data_received(line.answer(repeat, "96"), line.at(3))
    assert line.read(line.sent(actions)).mti == "0400"


@pytest.mark.parametrize("code", ["30", "97", "A0"])
def test_a_repeat_that_is_refused_without_a_mac_is_reversed(line: Any, code: str) -> None:
    line.sale()
    line.pos.give_up(line.at(1))
    repeat = line.sent(line.pos.start_repeat(line.at(2)))
    actions = line.pos.data_received(line.answer(repeat, code, sign=False), line.at(3))
    assert line.read(line.sent(actions)).mti == "0400"


def test_a_first_sending_that_is_refused_as_not_sent_is_final(line: Any) -> None:
    answer = line.answer(line.sale(), "96")
    outcome = line.ended(line.pos.data_received(answer, line.at(5)))
    assert outcome.kind is OutcomeKind.DECLINED


def test_a_repeat_of_a_known_outcome_never_takes_it_back(line: Any) -> None:
    line.pos.data_received(line.answer(line.sale()), line.at(5))
    line.pos.start_repeat(line.at(6))
    outcome = line.ended(line.pos.timer(line.at(1_006)))
    assert (outcome.operation, outcome.kind) == (Operation.REPEAT, OutcomeKind.UNANSWERED)
    assert not line.state.owes_reversal


def test_an_approved_sale_can_be_taken_back_once(line: Any) -> None:
    line.pos.data_received(line.answer(line.sale()), line.at(5))
    reversal = line.sent(line.pos.start_reversal("96", line.at(6)))
    assert line.read(reversal).fields["response_code"] == "96"
    outcome = line.ended(line.pos.data_received(line.answer(reversal), line.at(7)))
    assert (outcome.operation, outcome.kind) == (Operation.REVERSAL, OutcomeKind.REVERSED)
    with pytest.raises(ValueError, match="no payment"):
        line.pos.start_reversal("96", line.at(8))
    with pytest.raises(ValueError, match="no payment"):
        line.pos.start_repeat(line.at(8))


def test_a_reversal_has_one_of_four_reasons(line: Any) -> None:
    with pytest.raises(ValueError, match="06, 96, 98, A0"):
        line.pos.start_reversal("00", line.at(0))


def test_without_batches_a_reversal_has_its_own_stan_and_quotes_the_original(
    ascii_line: Any,
) -> None:
    line = ascii_line
    sale = line.read(line.sale())
    first = line.read(line.sent(line.pos.timer(line.at(1_000))))
    second = line.read(line.sent(line.pos.timer(line.at(2_000))))
    assert first.fields["stan"] == second.fields["stan"] == "000124"
    quoted = first.fields["original_data_elements"]
    assert quoted[:20] == "0200" + "000123" + str(sale.fields["transmission_time"])
    assert first.fields["local_date"] == sale.fields["local_date"]


def test_the_debt_survives_a_power_cut(line: Any) -> None:
    line.sale()
    sealer = Sealer(bytes(32))
    state = decode_state(encode_state(line.state, sealer), sealer)
    pos = Pos(state, PosLimits(answer_wait_ms=1_000))
    reversal = line.sent(pos.start_sale(line.order, line.at(10)))
    assert reversal.hex() == REVERSAL_HEX


def test_the_terminal_is_told_to_sign_on_through_the_header(line: Any) -> None:
    answer = bytearray(line.answer(line.sale(), "77"))
    answer[2 + 5 + 2] |= 3
    outcome = line.ended(line.pos.data_received(bytes(answer), line.at(5)))
    assert outcome.must_sign_on


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(noise=st.binary(max_size=200))
def test_random_bytes_never_raise_and_never_approve(line: Any, noise: bytes) -> None:
    if line.pos.is_idle:
        line.state.last = None
        line.sale()
    for action in line.pos.data_received(noise, line.at(5)):
        assert not (isinstance(action, Finish) and action.outcome.kind is OutcomeKind.APPROVED)
    line.pos.connection_made()
    line.pos.give_up(line.at(6))
