import re

import msgspec
import pytest
from starlette.routing import Route

from switch.adapters.http_openapi import write_openapi
from switch.adapters.http_orders import OPERATIONS, PATH
from switch.domain.payment.requests import Answer
from switch.domain.reasons import Reason
from switch.domain.transactions import MoneyState
from switch.gateway.refusals import write_problem, write_unanswered
from switch.handlers.json_answers import write_payment


def routes_of(stage):
    """Every (path, method) that the listener serves."""
    found = {(PATH, "post")}
    for route in stage.api.routes:
        assert isinstance(route, Route)
        path = re.sub(r":path}", "}", route.path)
        found |= {(path, method.lower()) for method in route.methods or () if method != "HEAD"}
    return found


async def test_the_document_has_every_route_and_no_other(http_stage):
    document = write_openapi("1.0")
    documented = {
        (path, method) for path, methods in document["paths"].items() for method in methods
    }
    assert documented == routes_of(http_stage)


async def test_the_document_is_served(http_stage):
    answer = await http_stage.ask("GET", "/v1/openapi.json")
    assert answer.json() == msgspec.json.decode(msgspec.json.encode(write_openapi("9.9.9")))
    assert answer.json()["openapi"].startswith("3.1")


def test_every_reference_leads_somewhere():
    document = write_openapi("1.0")
    text = msgspec.json.encode(document).decode()
    schemas = document["components"]["schemas"]
    references = set(re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', text))
    assert references == set(schemas)
    assert {"PaymentOrder", "PaymentResource", "Problem"} <= references


def test_operations_are_named_once():
    names = [
        operation["operationId"]
        for methods in write_openapi("1.0")["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names))


def members_of(name):
    return write_openapi("1.0")["components"]["schemas"][name]["properties"].keys()


@pytest.mark.parametrize("reason", [Reason.GATEWAY_BUSY, Reason.FORMAT_ERROR])
def test_what_the_gateway_says_by_itself_is_documented(reason):
    assert msgspec.json.decode(write_problem(reason)[1]).keys() <= members_of("Problem")
    assert msgspec.json.decode(write_unanswered("/x")[1]).keys() <= members_of("PaymentResource")


@pytest.mark.parametrize(
    "reason", [Reason.DUPLICATE_CONFLICT, Reason.ORIGINAL_NOT_FOUND, Reason.ORIGINAL_UNREADABLE]
)
def test_the_problems_of_a_handler_are_documented(reason):
    answer = Answer(response_code="96", at=0, reason=reason.value, rrn="1")
    problem = msgspec.json.decode(write_payment(answer, None, lambda _rrn: None)[1])
    assert problem.keys() <= members_of("Problem")


def test_the_words_for_status_and_money_are_listed():
    members = write_openapi("1.0")["components"]["schemas"]["PaymentResource"]["properties"]
    assert members["status"]["enum"] == ["approved", "declined", "unknown", "reversed"]
    assert members["money_state"]["enum"] == [state.value for state in MoneyState]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_order_that_may_be_left_out_is_documented_as_such(name):
    operation = write_openapi("1.0")["paths"][f"{PATH}/{{rrn}}/{name}"]["post"]
    assert operation["requestBody"]["required"] is (name == "refunds")
    assert {"201", "202", "400", "401", "403", "404", "409", "422"} <= set(operation["responses"])


async def test_each_status_that_a_payment_can_have_is_documented(http_stage):
    documented = write_openapi("1.0")["paths"][PATH]["post"]["responses"]
    headers = {"Authorization": "Bearer sk_partner", "Idempotency-Key": "k"}
    for status in (201, 202, 409, 422, 503):
        http_stage.desk.answer = (status, b"{}")
        answer = await http_stage.ask(
            "POST",
            PATH,
            b'{"merchant_id":"898110154110001","amount_minor":1,"currency":"156","card_token":"t"}',
            headers,
        )
        assert str(answer.status) in documented
