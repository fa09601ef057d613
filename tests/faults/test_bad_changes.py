"""Voids, refunds, captures and reversals over JSON: storms, mixed-up keys, other people's money."""

import json
import threading
from collections import Counter

import pytest

from loadtest.ledger import read_ledger
from switch.demo.issuer_standing import standing_by_original
from tests.faults.stand import API_KEY, DEADLINE_S, MERCHANT, until
from tests.faults.test_storms import in_parallel

pytestmark = pytest.mark.process

REFUNDS = 1_000
LINES = 25
PART_MINOR = 100
OTHER_MERCHANT = "898110154110051"
OTHER_KEY = "another-partner-s-key-not-secret"
OTHER_CLIENT = f"""
[[clients]]
client_id = "other-partner"
name = "Another partner"
acquirer = "00000003"
api_key = "{OTHER_KEY}"
merchants = ["{OTHER_MERCHANT}"]
"""


def change(stand, rrn, name, key, api_key=API_KEY, **body):
    headers = {"Authorization": f"Bearer {api_key}", "Idempotency-Key": key}
    content = json.dumps({"merchant_id": MERCHANT} | body)
    return stand.ask_http("POST", f"/v1/payments/{rrn}/{name}", content, headers, DEADLINE_S)


def refund(stand, rrn, key, amount_minor, **more):
    return change(stand, rrn, "refunds", key, amount_minor=amount_minor, currency="CNY", **more)


def paid(stand, key, amount_minor, **changes):
    status, told = stand.pay_json(key, amount_minor, **changes)
    assert (status, told["status"]) == (201, "approved"), told
    return told["rrn"]


def left_of(stand, rrn):
    """What the issuer has of a payment, all that changed it included."""
    return standing_by_original(read_ledger(stand.ledger_path)).get(rrn, 0)


def test_a_thousand_refunds_at_once_never_give_back_more_than_was_paid(stand):
    rrn = paid(stand, "much-refunded", 30 * PART_MINOR)
    heard, numbers = Counter(), iter(range(REFUNDS))
    taking = threading.Lock()

    def ask():
        while True:
            with taking:
                number = next(numbers, None)
            if number is None:
                return
            status, told = refund(stand, rrn, f"part-{number}", PART_MINOR)
            heard[status, told.get("status"), told.get("reason_code")] += 1

    in_parallel([ask] * LINES)
    approved = sum(count for told, count in heard.items() if told[:2] == (201, "approved"))
    assert (approved, sum(heard.values())) == (30, REFUNDS), heard
    assert {told[0] for told in heard} == {201}, heard
    assert left_of(stand, rrn) == 0
    assert refund(stand, rrn, "one-more", 1)[1]["reason_code"] in {
        "refund-over-rest",
        "original-not-open",
    }


def test_void_refund_and_reversal_at_once_give_the_money_back_once(stand):
    rrns = [paid(stand, f"torn-{number}", 5_000 + number) for number in range(8)]
    jobs = []
    for number, rrn in enumerate(rrns):
        for turn in range(3):
            tag = f"{number}-{turn}"
            jobs += [
                lambda rrn=rrn, tag=tag: change(stand, rrn, "void", f"void-{tag}"),
                lambda rrn=rrn, tag=tag: refund(stand, rrn, f"refund-{tag}", 5_000),
                lambda rrn=rrn, tag=tag: change(stand, rrn, "reverse", f"reverse-{tag}"),
            ]
    in_parallel(jobs)
    stand.check()
    for number, rrn in enumerate(rrns):
        assert left_of(stand, rrn) in {0, number}  # a refund leaves a few fen


def test_a_hold_is_captured_once_however_many_ask(stand):
    rrn = paid(stand, "held", 8_000, capture=False)
    heard = []
    in_parallel(
        [
            lambda key=f"capture-{number}": heard.append(change(stand, rrn, "capture", key))
            for number in range(24)
        ]
    )
    assert sum(told["status"] == "approved" for _, told in heard) == 1
    assert left_of(stand, rrn) == 8_000


def test_one_key_for_everything_at_once_does_one_thing(stand):
    rrn = paid(stand, "mixed-original", 6_000)
    before, heard = len(read_ledger(stand.ledger_path)), []
    jobs = [
        lambda: heard.append(change(stand, rrn, "void", "mixed")),
        lambda: heard.append(refund(stand, rrn, "mixed", 100)),
        lambda: heard.append(refund(stand, rrn, "mixed", 200)),
        lambda: heard.append(change(stand, rrn, "reverse", "mixed")),
        lambda: heard.append(stand.pay_json("mixed", 6_100)),
    ]
    in_parallel(jobs * 4)
    statuses = Counter(status for status, _ in heard)
    assert set(statuses) <= {201, 409, 422}, heard
    # one may be told when its issuer has answered, another before: money_state tells
    done = {(told["rrn"], told["transaction"]) for status, told in heard if status == 201}
    assert len(done) == 1, heard
    # a reversal asks the issuer once it is accepted
    assert len(read_ledger(stand.ledger_path)) - before <= 1
    for job in jobs:
        job()
    later = Counter(status for status, _ in heard[-len(jobs) :])
    assert later == {201: 1, 422: 4}, heard[-len(jobs) :]


@pytest.mark.parametrize("name", ["void", "refunds", "capture", "reverse"])
def test_what_is_another_merchant_s_is_not_there(stand, name):
    loaded = stand.ask_operator("POST", "/v1/registry/load", OTHER_CLIENT.encode())
    assert loaded[0] == 200, loaded
    rrn = paid(stand, f"mine-{name}", 4_400)
    body = {"amount_minor": 4_400, "currency": "CNY"}

    def ask(**more):
        return change(stand, rrn, name, f"theirs-{name}", OTHER_KEY, **body, **more)

    until(lambda: ask(merchant_id=OTHER_MERCHANT)[0] != 401, "the other partner is known")
    assert ask(merchant_id=OTHER_MERCHANT)[0] == 404
    assert ask(merchant_id=MERCHANT)[0] == 403
    headers = {"Authorization": f"Bearer {OTHER_KEY}"}
    for path in (f"/v1/payments/{rrn}", f"/v1/payments?rrn={rrn}"):
        status, told = stand.ask_http("GET", path, None, headers)
        assert status == 404, told
    assert left_of(stand, rrn) == 4_400


def test_the_books_agree_after_all_changes(stand):
    stand.check(pans=())
    assert not [line for line in stand.log_lines() if line["level"] == "error"]
