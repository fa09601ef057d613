import json

import pytest

from switch.adapters.http_exchange import ProblemRaised
from switch.adapters.http_orders import OPERATIONS
from switch.adapters.http_payments import read_idempotency_key

ORDER = {
    "merchant_id": "898110154110001",
    "amount_minor": 1234,
    "currency": "CNY",
    "card": {"pan": "6200000000000005", "expiry": "12/30"},
}
HEADERS = {"Authorization": "Bearer sk_partner", "Idempotency-Key": "k-1"}


def body(**changes):
    return json.dumps({**ORDER, **changes}).encode()


async def test_a_payment_is_handed_to_the_desk_in_domain_words(http_stage):
    answer = await http_stage.ask("POST", "/v1/payments", body(), HEADERS)
    assert (answer.status, answer.json()) == (201, {"status": "approved"})
    [asked] = http_stage.desk.asked
    assert (asked.client_id, asked.acquirer, asked.merchant_id) == (
        "partner",
        "acq",
        "898110154110001",
    )
    assert (asked.amount_minor, asked.currency, asked.idempotency_key) == (1234, "156", "k-1")
    assert (asked.pan, asked.expiration_date) == ("6200000000000005", "3012")
    assert asked.status_url == "/v1/payments?merchant_id=898110154110001&idempotency_key=k-1"


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({"Authorization": ""}, 401, "api-key-needed"),
        ({"Authorization": "Bearer sk_wrong"}, 401, "api-key-needed"),
        ({"Authorization": "Basic sk_partner"}, 401, "api-key-needed"),
        ({"Idempotency-Key": ""}, 400, "idempotency-key-needed"),
        ({"Idempotency-Key": "a b"}, 400, "idempotency-key-needed"),
        ({"Idempotency-Key": "k" * 129}, 400, "idempotency-key-needed"),
    ],
)
async def test_who_asks_and_under_which_key_comes_first(http_stage, headers, status, kind):
    answer = await http_stage.ask("POST", "/v1/payments", b"{", {**HEADERS, **headers})
    assert (answer.status, answer.json()["type"]) == (status, f"urn:payment-switch:problem:{kind}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert http_stage.desk.asked == []


@pytest.mark.parametrize(
    ("authorization", "words"),
    [
        ("", "Send your API key as `Authorization: Bearer KEY`."),
        ("Basic sk_partner", "Send your API key as `Authorization: Bearer KEY`."),
        ("Bearer sk_wrong", "The API key that you sent is not known."),
    ],
)
async def test_a_key_that_is_not_known_is_told_apart_from_none(http_stage, authorization, words):
    headers = {**HEADERS, "Authorization": authorization}
    answer = await http_stage.ask("POST", "/v1/payments", body(), headers)
    assert (answer.status, answer.json()["detail"]) == (401, words)
    assert "sk_wrong" not in answer.body.decode()


async def test_a_payment_may_be_held_only(http_stage):
    await http_stage.ask("POST", "/v1/payments", body(capture=False), HEADERS)
    [asked] = http_stage.desk.asked
    assert (asked.operation, asked.transaction) == ("", "pre-authorization")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"amount_minor": "12.34"}, "amount_minor: Expected `int`"),
        ({"amount_minor": -1}, "amount_minor: Expected `int` >= 0"),
        ({"amount_minor": 10**12}, "amount_minor: Expected `int` <= 999999999999"),
        ({"currency": "XXX"}, "currency: not one of"),
        ({"card": {"pan": "62000000", "expiry": "3012"}}, "card.pan: Expected `str` matching"),
        ({"card": {"pan": "6200000000000005", "expiry": "3013"}}, "card.expiry: the month"),
        ({"card": {"pan": "6200000000000005"}}, "card: Object missing required field `expiry`"),
        ({"card": None}, "card: give either card or card_token"),
        ({"card_token": "t"}, "card: give either card or card_token"),
        ({"card": None, "card_token": "6200000000000005"}, "card_token: it looks like a card"),
        ({"merchant_id": "a|b"}, "merchant_id: Expected `str` matching"),
        ({"tip": 1}, "Object contains unknown field `tip`"),
    ],
)
async def test_a_body_that_does_not_fit_says_where(http_stage, changes, error):
    answer = await http_stage.ask("POST", "/v1/payments", body(**changes), HEADERS)
    assert answer.status == 400
    [found] = answer.json()["errors"]
    assert found.startswith(error)
    assert b"6200000000000005" not in answer.body
    assert http_stage.desk.asked == []


async def test_a_partner_pays_only_for_its_own_merchants(http_stage):
    answer = await http_stage.ask("POST", "/v1/payments", body(merchant_id="other"), HEADERS)
    assert (answer.status, answer.json()["type"]) == (
        403,
        "urn:payment-switch:problem:merchant-not-yours",
    )


async def test_a_body_that_is_too_large_is_refused(http_stage):
    answer = await http_stage.ask("POST", "/v1/payments", b" " * 2_001, HEADERS)
    assert answer.status == 413


@pytest.mark.parametrize(
    ("status", "retry_after", "content_type"),
    [
        (201, None, "application/json"),
        (202, None, "application/json"),
        (409, "1", "application/problem+json"),
        (422, None, "application/problem+json"),
        (503, "1", "application/problem+json"),
    ],
)
async def test_the_answer_of_the_desk_goes_out_as_it_is(
    http_stage, status, retry_after, content_type
):
    http_stage.desk.answer = (status, b'{"x":1}')
    answer = await http_stage.ask("POST", "/v1/payments", body(), HEADERS)
    assert (answer.status, answer.body) == (status, b'{"x":1}')
    assert answer.headers.get("retry-after") == retry_after
    assert answer.headers["content-type"] == content_type


# -- what changes a payment ------------------------------------------------------------------------

RRN = "000000000042"


@pytest.mark.parametrize(
    ("name", "operation"),
    [("void", "void"), ("refunds", "refund"), ("capture", "capture"), ("reverse", "reverse")],
)
async def test_a_change_is_handed_to_the_desk_with_its_payment(http_stage, name, operation):
    order = b'{"amount_minor":500,"currency":"CNY"}'
    answer = await http_stage.ask("POST", f"/v1/payments/{RRN}/{name}", order, HEADERS)
    assert (answer.status, answer.json()) == (201, {"status": "approved"})
    [asked] = http_stage.desk.asked
    assert (asked.operation, asked.original_rrn) == (operation, RRN)
    assert (asked.amount_minor, asked.currency) == (500, "156")
    assert (asked.client_id, asked.merchant_id) == ("partner", "898110154110001")
    assert asked.status_url == "/v1/payments?merchant_id=898110154110001&idempotency_key=k-1"


@pytest.mark.parametrize("name", ["void", "capture", "reverse"])
async def test_what_concerns_the_whole_needs_no_body(http_stage, name):
    answer = await http_stage.ask("POST", f"/v1/payments/{RRN}/{name}", b"", HEADERS)
    assert answer.status == 201
    assert http_stage.desk.asked[0].amount_minor is None


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Authorization": "Bearer sk_wrong"}, 401), ({"Idempotency-Key": ""}, 400)],
)
async def test_a_change_needs_an_api_key_and_a_key_of_its_own(http_stage, name, headers, status):
    path = f"/v1/payments/{RRN}/{name}"
    answer = await http_stage.ask("POST", path, b"{", {**HEADERS, **headers})
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert http_stage.desk.asked == []


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("rrn", ["1", "00000000004x", "0000000000420"])
async def test_what_cannot_be_one_of_our_rrns_is_404(http_stage, name, rrn):
    order = b'{"amount_minor":500,"currency":"CNY"}'
    answer = await http_stage.ask("POST", f"/v1/payments/{rrn}/{name}", order, HEADERS)
    assert (answer.status, answer.json()["type"]) == (
        404,
        "urn:payment-switch:problem:payment-not-found",
    )
    assert http_stage.desk.asked == []


@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_change_whose_body_is_too_large_is_refused(http_stage, name):
    path = f"/v1/payments/{RRN}/{name}"
    assert (await http_stage.ask("POST", path, b" " * 2_001, HEADERS)).status == 413


@pytest.mark.parametrize(("status", "retry_after"), [(202, None), (404, None), (409, "1")])
async def test_the_desks_answer_to_a_change_goes_out_as_it_is(http_stage, status, retry_after):
    http_stage.desk.answer = (status, b'{"x":1}')
    answer = await http_stage.ask("POST", f"/v1/payments/{RRN}/void", b"", HEADERS)
    assert (answer.status, answer.body) == (status, b'{"x":1}')
    assert answer.headers.get("retry-after") == retry_after


async def test_a_change_is_counted_by_its_route(http_stage):
    await http_stage.ask("POST", f"/v1/payments/{RRN}/void", b"", HEADERS)
    text = (await http_stage.ask("GET", "/metrics")).body.decode()
    assert 'route="/v1/payments/{rrn}/void",status="201"} 1.0' in text


async def test_a_change_is_asked_for_by_post_only(http_stage):
    assert (await http_stage.ask("GET", f"/v1/payments/{RRN}/void", b"", HEADERS)).status == 405


@pytest.mark.parametrize(("keys", "key"), [((b"k-1", b"k-2"), ""), ((b"k-1", b"k-1"), "k-1")])
def test_two_keys_for_one_request_are_no_key(keys, key):
    scope = {"type": "http", "headers": [(b"idempotency-key", value) for value in keys]}
    if key:
        assert read_idempotency_key(scope) == key
    else:
        with pytest.raises(ProblemRaised) as raised:
            read_idempotency_key(scope)
        assert raised.value.problem.status == 400
