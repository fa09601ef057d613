"""Records of the inbound log, as the gateway makes them."""

from typing import Any

from switch.codec.tpdu import split_transport
from switch.gateway.intake import Intake
from switch.gateway.limits import GatewayLimits


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
