"""SIGSTOP of the issuer: refunds and advices are repeated until it is back, and then settle."""

import json

import pytest

from loadtest.ledger import read_ledger
from switch.demo.issuer_standing import standing_by_original, standing_money
from switch.terminal.operations import Operation
from switch.terminal.outcome import OutcomeKind
from tests.faults.counter import Counter, open_shops
from tests.faults.stand import API_KEY, MERCHANT, SIMULATOR, until
from tests.faults.test_pause import Paused

pytestmark = pytest.mark.process

AMOUNT_MINOR = 9_000


@pytest.fixture
def counters(stand, tmp_path):
    return [Counter(stand, spec, tmp_path / "pos") for spec in open_shops(stand, 3)]


def refund_json(stand, rrn, key):
    body = {"merchant_id": MERCHANT, "amount_minor": 1_000, "currency": "CNY"}
    headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": key}
    return stand.ask_http("POST", f"/v1/payments/{rrn}/refunds", json.dumps(body), headers)


def test_what_is_asked_of_a_silent_issuer_is_done_once_when_it_is_back(stand, counters):
    seller, other, third = counters
    sales = [seller.order(Operation.SALE, AMOUNT_MINOR + n * 100) for n in range(4)]
    kept = list(seller.state.payments)
    held = other.order(Operation.PRE_AUTHORIZATION, AMOUNT_MINOR)
    assert {outcome.kind for outcome in (*sales, held)} == {OutcomeKind.APPROVED}
    paid = stand.pay_json("before-the-silence", AMOUNT_MINOR)[1]["rrn"]
    with Paused(until(lambda: stand.find_child(SIMULATOR), "the issuer")):
        status, told = refund_json(stand, paid, "silent")
        # it is not known yet, or there is no line any more
        assert (status, told["money_state"]) in {(202, "returning"), (201, "debited")}, told
        refunded = seller.order(Operation.REFUND, 1_000, kept[0])
        seller.order(Operation.VOID, kept[1].amount_minor, kept[1])
        other.order(Operation.COMPLETION_ADVICE, AMOUNT_MINOR, other.state.payments[-1])
        third.order(Operation.OFFLINE, 3_300)
        third.order(Operation.SALE, 3_400)
        assert refund_json(stand, paid, "silent")[0] in {201, 202}
    stand.wait_ready()
    for counter in counters:
        counter.settle_all_owed()
    stand.check([line for counter in counters for line in counter.told])
    lines = read_ledger(stand.ledger_path)
    money, by_original = standing_money(lines), standing_by_original(lines)
    assert min(by_original.values()) >= 0
    # an advice has happened, and must reach the issuer whatever the line does
    advised = [line for line in lines if line.amount_minor == 3_300 and line.outcome == "approved"]
    assert len(advised) == 1
    assert money[held.rrn] == 0 if held.rrn in money else by_original[held.rrn] == AMOUNT_MINOR
    journal = stand.journal()
    for rrn in (paid, sales[0].rrn):
        refunds = [
            trail
            for trail in journal.trails.values()
            if (trail.transaction, trail.original_rrn) == ("refund", rrn) and trail.stands
        ]
        given_back = sum(trail.approved_minor for trail in refunds)
        assert given_back in {0, 1_000}
        assert by_original[rrn] == AMOUNT_MINOR - given_back
    status, told = refund_json(stand, paid, "silent")
    assert (status, told["status"]) in {(201, "approved"), (201, "declined")}
    assert refunded.operation is Operation.REFUND
