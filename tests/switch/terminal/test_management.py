"""Sign-on, sign-off, echo and the end of a batch, against a switch that the test speaks for."""

from typing import Any

import pytest

from switch.security.mac import MacKey
from switch.security.working_keys import KeyScheme, WorkingKeys, wrap_working_keys
from switch.terminal.actions import SaveState, SendFrame
from switch.terminal.batch import BatchTotals
from switch.terminal.operations import Operation
from switch.terminal.outcome import OutcomeKind, PosOutcome
from switch.terminal.requests import totals_parts

TMK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PIK = bytes.fromhex("3132333435363738393A3B3C3D3E3F40")
MAK = bytes.fromhex("1C" * 8)
TDK = bytes.fromhex("404142434445464748494A4B4C4D4E4F")
# the published DE 62 of scheme 004
WRAPPED = bytes.fromhex(
    "41D2FFBA3CDC15FE1B3E9D841B3D7F7B759368C00988B74AD3BE6469000000000000000077800CBA"
    "13893F6EAD67582CCD80D02A960E2FFF8BAF473F"
)


def begin(line: Any, operation: Operation, **options: bool) -> bytes:
    frame = line.sent(line.pos.start_management(operation, line.at(0), **options))
    assert isinstance(frame, bytes)
    return frame


def sign_on(line: Any, wrapped: bytes, *, batch: str = "000001", code: str = "00") -> PosOutcome:
    scheme = line.state.key_scheme
    answer = line.answer(
        begin(line, Operation.SIGN_ON),
        code,
        private_62=wrapped.decode("latin-1"),
        batch_data=f"00{batch}{scheme}",
    )
    outcome = line.ended(line.pos.data_received(answer, line.at(1)))
    assert isinstance(outcome, PosOutcome)
    return outcome


def prepare(line: Any, scheme: str, algorithm: str = "unionpay-ecb") -> None:
    line.state.tmk, line.state.key_scheme = TMK, scheme
    line.state.mac_algorithm = algorithm
    line.state.mak = line.state.pik = b""


# -- sign-on


def test_a_sign_on_takes_the_published_keys(line: Any) -> None:
    prepare(line, "004")
    outcome = sign_on(line, WRAPPED)
    assert outcome.kind is OutcomeKind.APPROVED
    state = line.state
    assert (state.pik, state.mak, state.tdk, state.is_signed_on) == (PIK, MAK, TDK, True)
    assert state.keys_merchant_id == state.merchant_id


@pytest.mark.parametrize(
    ("scheme", "keys", "algorithm"),
    [
        ("001", WorkingKeys(PIK[:8], MAK), "unionpay-ecb"),
        ("001", WorkingKeys(PIK[:8], MAK), "x9.9"),
        ("003", WorkingKeys(PIK, MAK), "unionpay-ecb"),
        ("003", WorkingKeys(PIK, TDK), "x9.19"),
        ("004", WorkingKeys(PIK, MAK, TDK), "unionpay-ecb"),
        ("006", WorkingKeys(PIK, TDK), "unionpay-ecb-sm4"),
    ],
)
def test_after_a_sign_on_the_next_sale_is_proven_with_the_new_key(
    line: Any, scheme: str, keys: WorkingKeys, algorithm: str
) -> None:
    prepare(line, scheme, algorithm)
    wrapped = wrap_working_keys(keys, KeyScheme(scheme), TMK)
    assert sign_on(line, wrapped).kind is OutcomeKind.APPROVED
    frame = line.sale(2)
    mac = line.read(frame).fields["mac"]
    covered = frame[13:-8]  # behind length, TPDU and header
    assert MacKey(algorithm, keys.mak).verify(covered, mac)


def test_a_wrong_check_value_leaves_the_terminal_signed_off_with_its_old_keys(line: Any) -> None:
    prepare(line, "004")
    line.state.mak, line.state.is_signed_on = b"12345678", True
    for at in (3, 20, 37, 50):
        spoilt = bytearray(WRAPPED)
        spoilt[at] ^= 1
        outcome = sign_on(line, bytes(spoilt))
        assert outcome.kind is OutcomeKind.KEYS_WRONG
        assert not line.state.is_signed_on
        assert line.state.mak == b"12345678"


def test_keys_of_another_scheme_are_not_taken(line: Any) -> None:
    prepare(line, "003")
    outcome = sign_on(line, WRAPPED)
    assert outcome.kind is OutcomeKind.KEYS_WRONG
    assert "40 bytes" in outcome.trouble


def test_a_sign_on_sets_the_batch(line: Any) -> None:
    prepare(line, "004")
    sign_on(line, WRAPPED, batch="000042")
    assert line.state.batch == "000042"
    assert line.read(line.sale(2)).fields["batch_data"][2:8] == "000042"


def test_a_refused_sign_on_changes_nothing(line: Any) -> None:
    prepare(line, "004")
    line.state.mak = b"12345678"
    outcome = sign_on(line, WRAPPED, batch="000042", code="97")
    assert (outcome.kind, outcome.response_code) == (OutcomeKind.DECLINED, "97")
    assert (line.state.batch, line.state.mak) == ("000001", b"12345678")


@pytest.mark.parametrize(("code", "scheme"), [("97", "003"), ("00", "004")])
def test_another_scheme_is_the_terminals_own_once_its_keys_are_there(
    line: Any, code: str, scheme: str
) -> None:
    prepare(line, "003")
    asked = line.sent(line.pos.start_management(Operation.SIGN_ON, line.at(0), scheme="004"))
    answer = line.answer(
        asked, code, private_62=WRAPPED.decode("latin-1"), batch_data="00000001004"
    )
    line.pos.data_received(answer, line.at(1))
    assert line.state.key_scheme == scheme


def test_a_sign_on_does_not_wait_for_what_is_owed(line: Any) -> None:
    prepare(line, "004")
    line.sale()
    line.pos.give_up(line.at(1))
    assert line.read(begin(line, Operation.SIGN_ON)).mti == "0800"
    assert line.state.owes_reversal


def test_a_sign_off_comes_after_what_is_owed(line: Any) -> None:
    line.sale()
    line.pos.give_up(line.at(1))
    reversal = begin(line, Operation.SIGN_OFF)
    assert line.read(reversal).mti == "0400"
    asked = line.sent(line.pos.data_received(line.answer(reversal), line.at(2)))
    assert line.read(asked).mti == "0820"
    line.state.is_signed_on = True
    assert line.approve(asked).kind is OutcomeKind.APPROVED
    assert not line.state.is_signed_on


def test_an_echo_is_answered_in_both_dialects(line: Any, ascii_line: Any) -> None:
    for each, mti in ((line, "0820"), (ascii_line, "0800")):
        frame = begin(each, Operation.ECHO)
        assert each.read(frame).mti == mti
        assert each.approve(frame).kind is OutcomeKind.APPROVED


def test_without_an_answer_nothing_is_repeated_and_nothing_owed(line: Any) -> None:
    begin(line, Operation.ECHO)
    outcome = line.ended(line.pos.timer(line.at(1_000)))
    assert (outcome.kind, outcome.owes_reversal) == (OutcomeKind.UNANSWERED, False)
    assert outcome.stan == "000123"


@pytest.mark.parametrize("operation", [Operation.SIGN_ON, Operation.SIGN_OFF, Operation.SETTLEMENT])
def test_without_batches_there_is_only_the_echo(ascii_line: Any, operation: Operation) -> None:
    with pytest.raises(ValueError, match="iso1987-ascii has no"):
        ascii_line.pos.start_management(operation, ascii_line.at(0))
    assert ascii_line.pos.is_idle


def test_without_a_master_key_there_is_no_sign_on(line: Any) -> None:
    with pytest.raises(ValueError, match="no master key"):
        line.pos.start_management(Operation.SIGN_ON, line.at(0))


# -- the end of a batch


def sell(line: Any, count: int) -> None:
    for number in range(count):
        assert line.approve(line.sale(number), number).kind is OutcomeKind.APPROVED


def totals_answer(line: Any, frame: bytes, flag: str, counted: BatchTotals) -> bytes:
    parts = totals_parts(counted) | {"balance_flag": flag}
    text = line.dialect.join("additional_data_private", parts)
    answer = line.answer(frame, additional_data_private=text)
    assert isinstance(answer, bytes)
    return answer


def receive(line: Any, answer: bytes, boot_ms: int = 50) -> Any:
    return line.pos.data_received(answer, line.at(boot_ms))


def test_a_balanced_batch_is_closed_at_once_and_the_trace_numbers_go_on(line: Any) -> None:
    sell(line, 2)
    frame = begin(line, Operation.SETTLEMENT)
    text = line.read(frame).fields["additional_data_private"]
    assert text.startswith("0000000002000020000000000000000")
    outcome = line.ended(receive(line, totals_answer(line, frame, "1", BatchTotals(200, 2))))
    assert outcome.kind is OutcomeKind.APPROVED
    assert outcome.settlement.totals == outcome.settlement.switch_totals == BatchTotals(200, 2)
    assert (line.state.batch, line.state.stan, line.state.closing) == ("000002", 125, None)
    assert outcome.batch == "000001", "a receipt names the batch that was closed"


def test_the_switchs_word_counts_not_our_own_comparison(line: Any) -> None:
    sell(line, 1)
    frame = begin(line, Operation.SETTLEMENT)
    actions = receive(line, totals_answer(line, frame, "2", BatchTotals(100, 1)))
    assert line.read(line.sent(actions)).mti == "0320"


def test_an_unbalanced_batch_is_uploaded_eight_at_a_time_and_ended_with_202(line: Any) -> None:
    sell(line, 18)
    frame = begin(line, Operation.SETTLEMENT)
    actions = receive(line, totals_answer(line, frame, "2", BatchTotals(1_700, 17)))
    uploaded, stans = [], []
    for size in (8, 8, 2):
        sent = line.sent(actions)
        asked = line.read(sent)
        assert asked.mti == "0320"
        assert asked.fields["batch_data"] == "00000001201"
        items = line.dialect.split_groups("upload_list", asked.fields["additional_data_private"])
        assert len(items) == size
        uploaded += [item["item_stan"] for item in items]
        stans.append(asked.fields["stan"])
        actions = receive(line, line.answer(sent))
    end = line.sent(actions)
    asked = line.read(end)
    assert asked.fields["additional_data_private"] == "0018"
    assert asked.fields["batch_data"] == "00000001202"
    assert uploaded == [f"{stan:06d}" for stan in range(123, 141)]
    assert len({*stans, asked.fields["stan"]}) == 4
    outcome = line.ended(receive(line, line.answer(end)))
    assert outcome.kind is OutcomeKind.UNBALANCED
    assert outcome.settlement.uploaded_count == 18
    assert outcome.settlement.switch_totals == BatchTotals(1_700, 17)
    assert line.state.batch == "000002"


def test_an_upload_that_is_wanted_ends_a_balanced_batch_with_207(line: Any) -> None:
    sell(line, 1)
    frame = begin(line, Operation.SETTLEMENT, wants_upload=True)
    upload = line.sent(receive(line, totals_answer(line, frame, "1", BatchTotals(100, 1))))
    end = line.sent(receive(line, line.answer(upload)))
    assert line.read(end).fields["batch_data"] == "00000001207"
    assert line.ended(receive(line, line.answer(end))).kind is OutcomeKind.APPROVED


@pytest.mark.parametrize("changes", [{}, {"additional_data_private": "12"}])
def test_an_answer_without_totals_is_as_good_as_unbalanced(
    line: Any, changes: dict[str, str]
) -> None:
    frame = begin(line, Operation.SETTLEMENT)
    end = line.sent(receive(line, line.answer(frame, **changes)))
    assert line.read(end).fields["batch_data"] == "00000001202"
    outcome = line.ended(receive(line, line.answer(end)))
    assert (outcome.kind, outcome.settlement.switch_totals) == (OutcomeKind.UNBALANCED, None)


def test_a_closing_comes_after_what_is_owed(line: Any) -> None:
    line.sale()
    line.pos.give_up(line.at(1))
    reversal = begin(line, Operation.SETTLEMENT)
    asked = line.read(line.sent(receive(line, line.answer(reversal))))
    assert (asked.mti, asked.fields["additional_data_private"][:15]) == ("0500", "0" * 15)


def test_a_closing_without_an_answer_is_sent_three_times_and_goes_on_later(line: Any) -> None:
    sell(line, 1)
    first = begin(line, Operation.SETTLEMENT)
    for number in (1, 2):
        [again] = line.pos.timer(line.at(1_000 * number))
        assert again.frame == first
    outcome = line.ended(line.pos.timer(line.at(3_000)))
    assert outcome.kind is OutcomeKind.UNANSWERED
    assert begin(line, Operation.SETTLEMENT) == first
    end = line.ended(receive(line, totals_answer(line, first, "1", BatchTotals(100, 1))))
    assert end.kind is OutcomeKind.APPROVED


def test_an_upload_goes_on_where_it_was_interrupted(line: Any) -> None:
    sell(line, 9)
    frame = begin(line, Operation.SETTLEMENT)
    first = line.sent(receive(line, totals_answer(line, frame, "2", BatchTotals())))
    second = line.sent(receive(line, line.answer(first)))
    assert line.ended(line.pos.give_up(line.at(60))).kind is OutcomeKind.UNANSWERED
    assert begin(line, Operation.SETTLEMENT) == second


def test_no_payment_is_begun_while_the_batch_is_being_closed(line: Any) -> None:
    begin(line, Operation.SETTLEMENT)
    line.pos.give_up(line.at(1))
    with pytest.raises(ValueError, match="being closed"):
        line.pos.start_sale(line.order, line.at(2))


def test_a_closing_that_is_refused_leaves_the_batch_open(line: Any) -> None:
    sell(line, 1)
    frame = begin(line, Operation.SETTLEMENT)
    outcome = line.ended(receive(line, line.answer(frame, "97")))
    assert outcome.kind is OutcomeKind.DECLINED
    assert (line.state.batch, line.state.closing) == ("000001", None)
    line.sale(60)


def test_a_refused_upload_is_tried_again_as_a_new_message(line: Any) -> None:
    sell(line, 1)
    frame = begin(line, Operation.SETTLEMENT)
    upload = line.sent(receive(line, totals_answer(line, frame, "2", BatchTotals())))
    assert line.ended(receive(line, line.answer(upload, "96"))).kind is OutcomeKind.DECLINED
    again = line.read(begin(line, Operation.SETTLEMENT))
    assert again.mti == "0320"
    assert again.fields["stan"] != line.read(upload).fields["stan"]


def test_an_upload_answer_with_a_wrong_mac_is_no_answer(line: Any) -> None:
    sell(line, 1)
    frame = begin(line, Operation.SETTLEMENT)
    upload = line.sent(receive(line, totals_answer(line, frame, "2", BatchTotals())))
    answer = line.answer(upload)
    forged = answer[:-1] + bytes([answer[-1] ^ 1])
    [again] = receive(line, forged)
    assert isinstance(again, SendFrame)
    assert again.frame == upload


def test_the_state_is_saved_before_each_step_of_a_closing(line: Any) -> None:
    sell(line, 1)
    frame = begin(line, Operation.SETTLEMENT)
    actions = receive(line, totals_answer(line, frame, "2", BatchTotals()))
    assert [type(action) for action in actions] == [SaveState, SendFrame]
    assert line.state.closing.step == "lists"


def test_without_a_connection_the_closing_stays_open(line: Any) -> None:
    begin(line, Operation.SETTLEMENT)
    assert line.ended(line.pos.not_connected(line.at(1))).kind is OutcomeKind.NOT_SENT
    assert line.state.closing is not None


def test_closed_batches_are_remembered_for_refunds_up_to_a_bound(line: Any) -> None:
    sell(line, 1)
    frame = begin(line, Operation.SETTLEMENT)
    receive(line, totals_answer(line, frame, "1", BatchTotals(100, 1)))
    assert [payment.batch for payment in line.state.payments] == ["000001"]
