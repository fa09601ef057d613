"""A partner's day over HTTP: a whole instance, a real log, the issuer simulator and its ledger."""

import asyncio

import pytest

from switch.demo.issuer_ledger import read_ledger
from switch.demo.issuer_standing import standing_by_original, standing_holds, standing_money
from tests.switch.apps.conftest import RunningInstance

DEADLINE_S = 60.0
QUICK_REPEATS = {
    "handler.reversal_first_repeat_ms": 200,
    "handler.reversal_repeat_max_ms": 400,
}
# what the issuer never answers is known to be unknown after this; a sale is answered at once
SHORT_TIMES = QUICK_REPEATS | {
    "times.issuer_timeout_ms": 3_000,
    "times.send_window_ms": 2_900,
    "times.issuer_delay_max_ms": 3_200,
}


unanswered = pytest.mark.parametrize("shop", [SHORT_TIMES], ids=["short times"], indirect=True)


@pytest.fixture
async def shop(tmp_path, request):
    made = RunningInstance(tmp_path, **getattr(request, "param", QUICK_REPEATS))
    await made.start()
    yield made
    await made.stop()


def ledger(shop):
    return list(read_ledger(shop.folder / "ledger.jsonl"))


async def until(ask, is_wanted):
    """Ask until the answer is what is wanted; return it."""
    async with asyncio.timeout(DEADLINE_S):
        while not is_wanted(answer := await ask()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return answer


def standing(answer):
    status, body = answer
    return status, body["status"], body["money_state"]


async def test_a_sale_is_refunded_in_parts_and_no_further(shop):
    _, sale = await shop.pay("sale", 1000)
    first = await shop.change("refunds", sale["rrn"], "r-1", 400)
    assert standing(first) == (201, "approved", "returned")
    assert (first[1]["transaction"], first[1]["original_rrn"]) == ("refund", sale["rrn"])
    assert standing(await shop.change("refunds", sale["rrn"], "r-2", 600))[1] == "approved"
    assert standing(await shop.change("refunds", sale["rrn"], "r-3", 1)) == (
        201,
        "declined",
        "returned",
    )
    assert standing_by_original(ledger(shop)) == {}
    assert sum(standing_money(ledger(shop)).values()) == 0


async def test_a_void_gives_everything_back_once(shop):
    _, sale = await shop.pay("sale", 1000)
    void = await shop.change("void", sale["rrn"], "v")
    assert standing(void) == (201, "approved", "returned")
    assert void[1]["amount_minor"] == 1000
    assert await shop.change("void", sale["rrn"], "v") == void
    assert standing(await shop.change("void", sale["rrn"], "v-2")) == (201, "declined", "returned")
    assert [line.op for line in ledger(shop) if line.rrn == void[1]["rrn"]] == ["void"]
    assert standing_by_original(ledger(shop)) == {}


async def test_what_is_held_is_captured_voided_and_captured_again(shop):
    status, hold = await shop.pay("hold", 1000, capture=False)
    assert (status, hold["status"], hold["transaction"]) == (201, "approved", "pre-authorization")
    assert standing_holds(ledger(shop)) == {hold["rrn"]: 1000}
    _, refused = await shop.change("capture", hold["rrn"], "c-0", 1151)
    assert (refused["status"], refused["reason_code"]) == ("declined", "completion-over-limit")
    _, capture = await shop.change("capture", hold["rrn"], "c-1", 1150)
    assert (capture["status"], capture["transaction"]) == ("approved", "completion")
    assert sum(standing_holds(ledger(shop)).values()) == 0
    _, void = await shop.change("void", capture["rrn"], "v-1")
    assert (void["status"], void["transaction"]) == ("approved", "completion-void")
    assert standing_by_original(ledger(shop)) == {}
    _, again = await shop.change("capture", hold["rrn"], "c-2")
    assert (again["status"], again["amount_minor"]) == ("approved", 1000)
    assert standing_by_original(ledger(shop)) == {hold["rrn"]: 1000}


async def test_what_is_held_is_given_up(shop):
    _, hold = await shop.pay("hold", 1000, capture=False)
    _, void = await shop.change("void", hold["rrn"], "v")
    assert (void["status"], void["transaction"]) == ("approved", "pre-authorization-void")
    assert sum(standing_holds(ledger(shop)).values()) == 0
    _, refused = await shop.change("capture", hold["rrn"], "c")
    assert (refused["status"], refused["reason_code"]) == ("declined", "original-not-open")


async def test_a_reversed_payment_goes_back_to_the_cardholder(shop):
    _, sale = await shop.pay("sale", 1000)
    answer = await shop.change("reverse", sale["rrn"], "x")
    assert standing(answer) in {(201, "reversed", "returning"), (201, "reversed", "returned")}
    await until(
        lambda: shop.change("reverse", sale["rrn"], "x"),
        lambda told: standing(told) == (201, "reversed", "returned"),
    )
    assert standing_money(ledger(shop)) == {}
    assert standing(await shop.pay("sale", 1000)) == (201, "reversed", "returned")
    assert (await shop.change("refunds", sale["rrn"], "r", 1000))[1]["status"] == "declined"


async def test_a_reversed_void_lets_the_sale_stand(shop):
    _, sale = await shop.pay("sale", 1000)
    _, void = await shop.change("void", sale["rrn"], "v")
    await until(
        lambda: shop.change("reverse", void["rrn"], "x"),
        lambda told: standing(told) == (201, "reversed", "debited"),
    )
    assert standing_by_original(ledger(shop)) == {sale["rrn"]: 1000}
    assert (await shop.change("void", sale["rrn"], "v-2"))[1]["status"] == "approved"


@unanswered
async def test_a_sale_without_an_answer_is_202_and_ends_returned(shop):
    first = await shop.pay("sale", 1098)
    assert standing(first) == (202, "unknown", "returning")
    assert first[1]["status_url"] == f"/v1/payments/{first[1]['rrn']}"
    last = await until(lambda: shop.pay("sale", 1098), lambda told: told[0] != 202)
    assert standing(last) == (201, "declined", "returned")
    assert standing_money(ledger(shop)) == {}


@unanswered
async def test_a_void_without_an_answer_is_202_and_the_sale_stands_again(shop):
    _, sale = await shop.pay("sale", 1088)
    assert sale["status"] == "approved"
    first = await shop.change("void", sale["rrn"], "v")
    assert standing(first) == (202, "unknown", "unknown")
    last = await until(lambda: shop.change("void", sale["rrn"], "v"), lambda told: told[0] != 202)
    assert standing(last) == (201, "declined", "debited")
    assert standing_by_original(ledger(shop)) == {sale["rrn"]: 1088}


@unanswered
async def test_a_refund_without_an_answer_is_202_and_repeated_until_approved(shop):
    _, sale = await shop.pay("sale", 1000)
    first = await shop.change("refunds", sale["rrn"], "r", 298)
    assert standing(first) == (202, "unknown", "returning")
    last = await until(
        lambda: shop.change("refunds", sale["rrn"], "r", 298), lambda told: told[0] != 202
    )
    assert standing(last) == (201, "approved", "returned")
    mtis = [line.mti for line in ledger(shop) if line.rrn == first[1]["rrn"]]
    assert mtis[0] == "0220"
    assert set(mtis[1:]) == {"0221"}
    assert standing_by_original(ledger(shop)) == {sale["rrn"]: 702}


async def test_a_void_that_the_issuer_refuses_leaves_the_money_debited(shop):
    _, sale = await shop.pay("sale", 1085)
    void = await shop.change("void", sale["rrn"], "v")
    assert standing(void) == (201, "declined", "debited")
    assert void[1]["response_code"] == "05"
    assert standing_by_original(ledger(shop)) == {sale["rrn"]: 1085}


@pytest.mark.parametrize("name", ["void", "capture", "reverse"])
async def test_what_is_not_there_is_404(running, name):
    status, problem = await running.change(name, "000000999999", "k")
    assert (status, problem["status"]) == (404, 404)
    assert problem["type"] == "urn:payment-switch:problem:payment-not-found"


async def test_a_key_names_one_request(running):
    _, sale = await running.pay("k", 1000)
    assert (await running.change("void", sale["rrn"], "k"))[0] == 422
    assert (await running.change("reverse", sale["rrn"], "k"))[0] == 422
    assert (await running.change("refunds", sale["rrn"], "r", 400))[0] == 201
    assert (await running.change("refunds", sale["rrn"], "r", 401))[0] == 422
    assert (await running.change("void", sale["rrn"], "r"))[0] == 422


async def test_an_unknown_token_is_a_400_and_the_key_stays_free(running):
    status, problem = await running.pay("k", 1000, card=None, card_token="nobody-has-this")
    assert (status, problem["status"]) == (400, 400)
    assert (await running.pay("k", 1000))[1]["status"] == "approved"
