import json

import pytest

from switch.adapters.http_exchange import ProblemRaised
from switch.adapters.http_orders import (
    OPERATIONS,
    CardGiven,
    PaymentOrder,
    choose_merchant,
    read_change,
    read_payment,
)
from switch.domain.registry.entities import ApiClient

RRN = "000000000042"
ONE = ApiClient(client_id="c", name="C", acquirer="a", key_hash="h", merchants=("m-1",))
TWO = ApiClient(client_id="c", name="C", acquirer="a", key_hash="h", merchants=("m-1", "m-2"))
PAYMENT = {
    "amount_minor": 1234,
    "currency": "CNY",
    "card": {"pan": "6200000000000005", "expiry": "12/30"},
}


def body(**members):
    return json.dumps(members).encode()


def problem_of(read):
    with pytest.raises(ProblemRaised) as raised:
        read()
    return raised.value.problem


def test_a_client_of_one_merchant_need_not_name_it():
    assert read_payment(body(**PAYMENT), ONE, "k").merchant_id == "m-1"
    assert read_change("void", RRN, b"", ONE, "k").merchant_id == "m-1"


def test_a_client_of_several_merchants_names_one_of_them():
    assert read_payment(body(**PAYMENT, merchant_id="m-2"), TWO, "k").merchant_id == "m-2"
    assert problem_of(lambda: read_payment(body(**PAYMENT), TWO, "k")).status == 400
    assert problem_of(lambda: choose_merchant(TWO, "")).status == 400


@pytest.mark.parametrize("name", OPERATIONS)
def test_another_merchants_payment_is_not_to_be_changed(name):
    order = body(merchant_id="m-2", amount_minor=1, currency="CNY")
    problem = problem_of(lambda: read_change(name, RRN, order, ONE, "k"))
    assert (problem.status, problem.type) == (403, "urn:payment-switch:problem:merchant-not-yours")


@pytest.mark.parametrize(("capture", "transaction"), [(True, "sale"), (False, "pre-authorization")])
def test_a_payment_without_capture_is_held_only(capture, transaction):
    order = read_payment(body(**PAYMENT, capture=capture), ONE, "k")
    assert (order.operation, order.transaction) == ("", transaction)


def test_a_refund_states_its_amount():
    order = read_change("refunds", RRN, body(amount_minor=5, currency="156"), ONE, "k")
    assert (order.operation, order.amount_minor, order.currency) == ("refund", 5, "156")
    problem = problem_of(lambda: read_change("refunds", RRN, b"{}", ONE, "k"))
    assert problem.errors == ("Object missing required field `amount_minor`",)


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"amount_minor": 5}, "currency: amount_minor and currency go together"),
        ({"currency": "CNY"}, "currency: amount_minor and currency go together"),
        ({"amount_minor": 5, "currency": "XXX"}, "currency: not one of"),
        ({"amount_minor": -5, "currency": "CNY"}, "amount_minor: Expected `int` >= 0"),
        ({"tip": 1}, "Object contains unknown field `tip`"),
        ({"card": {}}, "Object contains unknown field `card`"),
    ],
)
def test_a_change_that_does_not_fit_says_where(members, error):
    problem = problem_of(lambda: read_change("capture", RRN, body(**members), ONE, "k"))
    assert problem.status == 400
    assert problem.errors[0].startswith(error)
    assert problem.detail == "Nothing was changed; correct the request."


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"null", b"{"])
def test_a_refund_that_is_no_object_is_400(content):
    assert problem_of(lambda: read_change("refunds", RRN, content, ONE, "k")).status == 400


def test_a_card_is_not_shown_by_its_repr():
    card = CardGiven("6200000000000005", "3012")
    order = PaymentOrder(merchant_id="m", amount_minor=1, currency="156", card=card)
    assert "6200000000000005" not in f"{card} {card!r} {order} {order!r}"


@pytest.mark.parametrize(
    ("twice", "name"),
    [
        (b'{"amount_minor": 1, ' + body(**PAYMENT)[1:], "amount_minor"),
        (body(**PAYMENT).replace(b'{"pan"', b'{"pan": "6200000000000047", "pan"'), "pan"),
    ],
)
def test_an_order_that_says_something_twice_is_refused(twice, name):
    assert problem_of(lambda: read_payment(twice, ONE, "k")).errors == (
        f"{name}: it is there twice",
    )


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_change_that_says_something_twice_is_refused(name):
    twice = b'{"amount_minor": 1, "currency": "CNY", "amount_minor": 2}'
    problem = problem_of(lambda: read_change(name, RRN, twice, ONE, "k"))
    assert (problem.status, problem.errors) == (400, ("amount_minor: it is there twice",))
