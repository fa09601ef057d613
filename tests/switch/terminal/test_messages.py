"""What a terminal says and hears, byte by byte."""

from typing import Any

import pytest

from switch.codec import CodecError
from switch.domain.clock import Now
from switch.terminal.messages import PosVoice, SaleOrder
from switch.terminal.state import PosState


def test_an_order_hides_the_card() -> None:
    order = SaleOrder(amount_minor=100, pan="6200000000000005")
    assert "6200000000000005" not in repr(order)


def test_without_batches_a_sale_is_dated_in_utc_and_local_time(ascii_line: Any) -> None:
    asked = ascii_line.read(ascii_line.sale())
    assert asked.fields["transmission_time"] == "1114221320"
    assert (asked.fields["local_date"], asked.fields["local_time"]) == ("1115", "061320")
    assert "batch_data" not in asked.fields


def test_the_batch_of_a_sale_is_the_terminals_own() -> None:
    state = PosState(
        profile="unionpay-pos", terminal_id="00000001", merchant_id="m" * 15, batch="000042"
    )
    voice = PosVoice(state)
    order = SaleOrder(amount_minor=1, pan="6200000000000005")
    assert voice.make_sale(order, "000001", Now(0, 0)).fields["batch_data"] == "2200004200050"
    state.batch = "000043"
    assert voice.make_sale(order, "000002", Now(0, 0)).fields["batch_data"] == "2200004300050"


def test_the_merchant_type_is_sent_where_the_terminal_has_one() -> None:
    state = PosState(
        profile="unionpay-pos", terminal_id="00000001", merchant_id="m" * 15, merchant_type="5411"
    )
    sale = PosVoice(state).make_sale(
        SaleOrder(amount_minor=1, pan="6200000000000005"), "1", Now(0, 0)
    )
    assert sale.fields["merchant_type"] == "5411"


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
