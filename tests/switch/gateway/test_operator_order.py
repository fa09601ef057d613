"""Operators' commands through the gateway: to the partition of their case, whoever the merchant."""

from typing import Any

import msgspec
import pytest

from switch.eventlog.inbound import Reply, decode_request
from switch.eventlog.port import AppendRefused
from switch.gateway.actions import AnswerJson
from switch.gateway.operator_order import OperatorOrder


def order(**changes: Any) -> OperatorOrder:
    fields: dict[str, Any] = {
        "partition": 3,
        "command": "note",
        "command_id": "k-1",
        "by": "anna",
        "case_id": "not-served-030000000042",
        "text": "called the shop",
        **changes,
    }
    return OperatorOrder(**fields)


@pytest.mark.parametrize("partition", [0, 1, 2, 3])
def test_a_command_goes_to_the_partition_of_its_case(world: Any, partition: int) -> None:
    inbound_id, [append] = world.gateway.request_json(order(partition=partition), world.at(0))
    assert append.partition == partition
    request = decode_request(append.value)
    assert (request.channel, request.mti, request.card) == ("operator", "", None)
    reply = Reply(gateway="gw", inbound_id=inbound_id, status=201, body=b"{}")
    assert world.gateway.deliver(reply, world.at(10)) == [AnswerJson(inbound_id, 201, b"{}")]


def test_only_what_a_command_says_is_written_down() -> None:
    assert order().fields() == {
        "command": "note",
        "command_id": "k-1",
        "by": "anna",
        "case_id": "not-served-030000000042",
        "text": "called the shop",
        "operation": "case",
    }
    claim = order(command="open", rrn="030000000042", amount_minor=5, currency="156")
    assert claim.fields()["amount_minor"] == "5"
    assert "currency" not in order(currency="156").fields()


def test_a_command_without_an_answer_is_to_be_asked_again(world: Any) -> None:
    inbound_id, _ = world.gateway.request_json(order(), world.at(0))
    [answer] = world.gateway.timer(world.at(5_000))
    assert (answer.inbound_id, answer.status) == (inbound_id, 504)


def test_a_command_that_was_not_written_says_nothing_of_money(world: Any) -> None:
    inbound_id, _ = world.gateway.request_json(order(), world.at(0))
    [answer] = world.gateway.append_failed(inbound_id, AppendRefused("full"), world.at(1))
    assert (answer.inbound_id, answer.status) == (inbound_id, 503)
    assert "money_state" not in msgspec.json.decode(answer.body)
