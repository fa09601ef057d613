import json

import pytest

from switch.adapters.http_payments import CardGiven, PaymentOrder

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


def test_a_card_is_not_shown_by_its_repr():
    card = CardGiven("6200000000000005", "3012")
    order = PaymentOrder(merchant_id="m", amount_minor=1, currency="156", card=card)
    assert "6200000000000005" not in f"{card} {card!r} {order} {order!r}"
