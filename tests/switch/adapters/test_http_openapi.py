import re

import msgspec
from starlette.routing import Route

from switch.adapters.http_openapi import write_openapi
from switch.adapters.http_payments import PATH


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
