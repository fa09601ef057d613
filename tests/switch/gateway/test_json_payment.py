"""JSON payments through the gateway: the same path as a terminal's, other words."""

from typing import Any

import pytest

from switch.eventlog.inbound import Reply, decode_request
from switch.eventlog.port import AppendRefused
from switch.gateway.actions import AnswerJson
from switch.gateway.json_payment import JsonPayment
from switch.gateway.normalise import FormatFault

PAN = "6200000000000005"


def json_payment(**changes: Any) -> JsonPayment:
    fields: dict[str, Any] = {
        "acquirer": "00000001",
        "client_id": "partner",
        "merchant_id": "898110154110001",
        "idempotency_key": "k1",
        "amount_minor": 100,
        "currency": "156",
        "pan": PAN,
        "expiration_date": "3012",
        "status_url": "/v1/payments/status/k1",
        **changes,
    }
    return JsonPayment(**fields)


def test_a_json_payment_is_handed_over_and_answered_as_the_handler_says(world: Any) -> None:
    inbound_id, [append] = world.gateway.request_json(json_payment(), world.at(0))
    assert PAN.encode() not in append.value
    request = decode_request(append.value)
    assert request.channel == "json"
    assert request.fields["amount_minor"] == "100"
    assert request.fields["idempotency_key"] == "k1"
    reply = Reply(gateway="gw", inbound_id=inbound_id, status=201, body=b"{}")
    assert world.gateway.deliver(reply, world.at(10)) == [AnswerJson(inbound_id, 201, b"{}")]


def test_a_json_payment_without_an_answer_is_202_with_its_status_url(world: Any) -> None:
    inbound_id, _ = world.gateway.request_json(json_payment(), world.at(0))
    assert world.gateway.wake_at() == 5_000
    [answer] = world.gateway.timer(world.at(5_000))
    assert (answer.inbound_id, answer.status) == (inbound_id, 202)
    assert b"/v1/payments/status/k1" in answer.body


def test_json_refusals_say_that_nothing_was_debited(world: Any) -> None:
    for number in range(4):
        world.gateway.request_json(json_payment(idempotency_key=f"k{number}"), world.at(0))
    inbound_id, [answer] = world.gateway.request_json(json_payment(), world.at(0))
    assert (inbound_id, answer.status) == ("", 503)
    assert b'"money_state":"not-debited"' in answer.body
    _, [answer] = world.gateway.request_json(json_payment(), world.at(0))
    assert answer.status == 503


@pytest.mark.parametrize("change", [{"pan": "123"}, {"pan": ""}, {"expiration_date": "x"}])
def test_a_json_card_that_cannot_be_one_is_a_400(world: Any, change: dict[str, str]) -> None:
    _, [answer] = world.gateway.request_json(json_payment(**change), world.at(0))
    assert answer.status == 400


def test_a_refused_append_of_a_json_payment_is_503(world: Any) -> None:
    inbound_id, _ = world.gateway.request_json(json_payment(), world.at(0))
    [answer] = world.gateway.append_failed(inbound_id, AppendRefused("full"), world.at(1))
    assert (answer.inbound_id, answer.status) == (inbound_id, 503)


@pytest.mark.parametrize("operation", ["void", "refund", "capture", "reverse"])
def test_what_concerns_a_payment_names_it_and_carries_no_card(world: Any, operation: str) -> None:
    change = json_payment(pan="", operation=operation, original_rrn="000000000042")
    _, [append] = world.gateway.request_json(change, world.at(0))
    request = decode_request(append.value)
    assert request.card is None
    assert request.partition_key == "00000001|898110154110001"
    assert request.fields == {
        "client_id": "partner",
        "merchant_id": "898110154110001",
        "idempotency_key": "k1",
        "operation": operation,
        "original_rrn": "000000000042",
        "amount_minor": "100",
        "currency": "156",
    }


def test_an_amount_that_is_not_stated_is_not_made_up() -> None:
    change = json_payment(pan="", operation="void", original_rrn="1", amount_minor=None)
    assert "amount_minor" not in change.fields()
    assert "currency" not in change.fields()


def test_a_payment_that_is_only_held_says_so() -> None:
    assert json_payment(transaction="pre-authorization").fields()["transaction"] == (
        "pre-authorization"
    )


def test_a_refused_void_says_nothing_about_money_that_was_debited_before(world: Any) -> None:
    change = json_payment(pan="", operation="void", original_rrn="000000000042")
    inbound_id, _ = world.gateway.request_json(change, world.at(0))
    [answer] = world.gateway.append_failed(inbound_id, AppendRefused("full"), world.at(1))
    assert answer.status == 503
    assert b"money_state" not in answer.body


def test_a_payment_does_not_show_its_card() -> None:
    assert PAN not in repr(json_payment())
    assert PAN not in str(json_payment())


def test_a_token_stands_for_the_card() -> None:
    payment = json_payment(pan="", card_token="token")
    assert payment.card_number() is None
    assert payment.fields()["card_token"] == "token"


def test_a_payment_without_card_or_token_is_refused() -> None:
    with pytest.raises(FormatFault, match="neither pan nor card_token"):
        json_payment(pan="").card_number()
