"""Records of the inbound log, as the gateway makes them."""

from typing import Any

import pytest

from switch.codec.tpdu import split_transport
from switch.gateway.intake import Intake
from switch.gateway.json_payment import JsonPayment
from switch.gateway.limits import GatewayLimits
from switch.gateway.operator_order import OperatorOrder


def test_ids_are_unique_and_name_the_incarnation(world: Any) -> None:
    intake = Intake(GatewayLimits(), "gw7", world.keys)
    raw = split_transport(world.frame()[2:]).message
    message = world.unionpay.dialect.decode(raw)
    first, second = (
        intake.receive_message(world.unionpay, message, raw, world.at(0)) for _ in range(2)
    )
    assert [first.inbound_id, second.inbound_id] == ["gw7-1", "gw7-2"]
    assert first.gateway == "gw7"


def test_a_card_is_sealed_for_its_own_record_only(world: Any) -> None:
    intake = Intake(GatewayLimits(), "gw7", world.keys)
    raw = split_transport(world.frame()[2:]).message
    message = world.unionpay.dialect.decode(raw)
    record = intake.receive_message(world.unionpay, message, raw, world.at(0))
    assert record.card is not None
    assert record.card.seal_id == record.inbound_id
    assert intake.open_message(record) == raw


@pytest.mark.parametrize("key", ["6200000000000005", "order-4111-1111-1111-1111"])
def test_a_card_number_in_the_place_of_a_partners_key_never_reaches_the_log(
    world: Any, key: str
) -> None:
    intake = Intake(GatewayLimits(), "gw7", world.keys)
    payment = JsonPayment(
        acquirer="acq",
        client_id="c",
        merchant_id="m",
        idempotency_key=key,
        operation="void",
        original_rrn="000000000042",
    )
    order = OperatorOrder(partition=0, command="note", command_id=key, by="me", text="t")
    for asked, name in ((payment, "idempotency_key"), (order, "command_id")):
        first, again = (intake.receive_json(asked, world.at(0)).fields for _ in range(2))
        assert key not in str(first)
        assert first[name] == again[name], "the same key is the same request"


def test_a_sale_with_the_track_of_another_card_never_reaches_the_log(world: Any) -> None:
    world.open()
    [answer] = world.feed(world.frame(track2="6200000000000047=3012101", pos_entry_mode="022"))
    assert b"DE 35 track2: it is not of the card in DE 2" in answer.frame
