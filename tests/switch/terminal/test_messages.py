"""The bytes of a terminal: MACs set and checked, answers taken apart."""

from typing import Any

import pytest

from switch.codec import CodecError
from switch.terminal.messages import PosVoice, is_answer_to, is_decided, read_balances
from switch.terminal.operations import Operation
from switch.terminal.outcome import OutcomeKind
from switch.terminal.state import PosState


def test_the_reason_of_a_refusal_is_read_from_de_63(line: Any) -> None:
    frame = line.answer(line.sale(), "03", private_63="   merchant-config-incomplete: fee_plan")
    answer = PosVoice(line.state).read_answer(frame[2:])
    assert (answer.card_organisation, answer.reason, answer.detail) == (
        "",
        "merchant-config-incomplete",
        "fee_plan",
    )


def test_a_mac_of_another_key_proves_nothing(line: Any) -> None:
    frame = line.answer(line.sale())
    other = PosState(
        profile="unionpay-pos", terminal_id="00000001", merchant_id="m" * 15, mak=bytes(8)
    )
    answer = PosVoice(other).read_answer(frame[2:])
    assert answer.has_mac
    assert not answer.is_proven


def test_half_an_answer_cannot_be_read(line: Any) -> None:
    frame = line.answer(line.sale())
    with pytest.raises(CodecError):
        PosVoice(line.state).read_answer(frame[2:40])


def test_messages_about_the_terminal_itself_carry_no_mac_and_need_none(line: Any) -> None:
    frame = line.sent(line.pos.start_management(Operation.ECHO, line.at(0)))
    assert "mac" not in line.read(frame).fields
    answer = PosVoice(line.state).read_answer(line.answer(frame)[2:])
    assert (answer.is_proven, answer.has_mac) == (True, False)


def test_an_upload_has_a_mac(line: Any) -> None:
    voice = PosVoice(line.state)
    message = voice.writer.make_upload_end(3, "000009", is_balanced=False)
    assert "mac" in line.read(voice.frame_management(message)).fields


@pytest.mark.parametrize("fixture", ["line", "ascii_line"])
def test_the_answer_to_a_terminal_of_a_short_number_is_its_own(request: Any, fixture: str) -> None:
    line = request.getfixturevalue(fixture)
    line.state.terminal_id = "77"
    sale = line.sale()
    assert line.read(sale).fields["terminal_id"] == "77      "
    assert line.approve(sale).kind is OutcomeKind.APPROVED
    answer = PosVoice(line.state).read_answer(line.answer(sale)[2:])
    assert not is_answer_to(answer, "0200", answer.stan, "7")


@pytest.mark.parametrize(("rrn", "is_final"), [("010000000007", True), (None, False)])
def test_an_advice_is_refused_for_good_under_a_number_only(
    line: Any, rrn: str | None, *, is_final: bool
) -> None:
    frame = line.pay(Operation.OFFLINE)
    answer = PosVoice(line.state).read_answer(line.answer(frame, "96", rrn=rrn)[2:])
    assert is_decided(answer, line.state.last) is is_final


def test_a_key_that_does_not_fit_the_algorithm_leaves_the_one_in_use(line: Any) -> None:
    voice = PosVoice(line.state)
    with pytest.raises(ValueError, match="bytes"):
        voice.take_key(bytes(5))
    assert voice.read_answer(line.answer(line.sale())[2:]).is_proven


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("0102156C000000012345", [12_345]),
        ("0102156D000000000100" + "0101156C000000000200", [-100, 200]),
        ("0102156C00000001234", []),
        ("0102156Cx00000001234", []),
    ],
)
def test_balances_are_read_with_their_signs_or_not_at_all(
    line: Any, text: str, minor: list[int]
) -> None:
    frame = line.answer(line.pay(Operation.BALANCE), additional_amounts=text)
    answer = PosVoice(line.state).read_answer(frame[2:])
    found = read_balances(answer, line.dialect)
    assert [balance.minor for balance in found] == minor
