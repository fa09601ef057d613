"""Cases under two hands at once, twice, with mixed-up keys, and with kill -9 in between."""

import json
import random
import threading

import pytest

from loadtest.ledger import read_ledger
from switch.demo.issuer_standing import standing_by_original, standing_money
from tests.faults.stand import DEADLINE_S, until
from tests.faults.test_storms import in_parallel

pytestmark = pytest.mark.process

ANNA, BEN = "demo-operator-1-key-not-secret", "demo-operator-2-key-not-secret"
SMALL_MINOR, BIG_MINOR = 4_200, 250_000  # two persons from 1,000.00 on
DECIDED, PROPOSED, CONFLICT = 201, 202, 409


def command(stand, operator, path, key, **body):
    headers = {"Authorization": f"Bearer {operator}", "Idempotency-Key": key}
    return stand.ask_http("POST", f"/v1/cases{path}", json.dumps(body), headers, DEADLINE_S)


def claim(stand, key, amount_minor):
    """Pay, and say that nothing was given for it; return the payment and its case."""
    rrn = stand.pay_json(f"claimed-{key}", amount_minor)[1]["rrn"]
    opened = []

    def is_open():
        status, told = command(stand, ANNA, "", f"claim-{key}", rrn=rrn, note="nothing was sold")
        opened.append(told)
        return status < 300

    until(is_open, lambda: f"a case: {opened[-1]}")
    case_id = opened[-1]["case_id"]
    until(lambda: show(stand, case_id)[0] == 200, "the case in the tables")
    return rrn, case_id


def show(stand, case_id):
    return stand.ask_operator("GET", f"/v1/cases/{case_id}")


def resolve(stand, operator, case_id, key, resolution):
    path = f"/{case_id}/resolve"
    return command(stand, operator, path, key, resolution=resolution, reason="looked into it")


def state_of(stand, case_id):
    return show(stand, case_id)[1]["case"]["state"]


def money_of(stand, rrn):
    return standing_money(read_ledger(stand.ledger_path)).get(rrn, 0)


def left(stand, rrn):
    return standing_by_original(read_ledger(stand.ledger_path)).get(rrn, 0)


def test_of_two_who_resolve_one_case_at_once_one_decides(stand):
    for turn in range(6):
        rrn, case_id = claim(stand, f"race-{turn}", SMALL_MINOR + turn * 100)
        heard = []
        in_parallel(
            [
                lambda who=who, how=how, n=n: heard.append(  # noqa: B023
                    (how, resolve(stand, who, case_id, f"race-{turn}-{n}", how))  # noqa: B023
                )
                for n, (who, how) in enumerate(
                    [(ANNA, "return-money"), (BEN, "stands"), (BEN, "return-money")] * 3
                )
            ]
        )
        won = [how for how, (status, _) in heard if status == DECIDED]
        assert len(won) == 1, heard
        assert all(status in {DECIDED, CONFLICT} for _, (status, _) in heard), heard
        stands = won == ["stands"]
        until(
            lambda: money_of(stand, rrn) == (SMALL_MINOR + turn * 100) * stands,  # noqa: B023
            f"money after {won}",
        )


def test_a_big_case_takes_two_persons_whoever_hurries(stand):
    rrn, case_id = claim(stand, "big", BIG_MINOR)
    token = (stand.data_dir / "keys" / "operator.token").read_text().strip()
    heard = []
    in_parallel(
        [
            lambda n=n: heard.append(resolve(stand, ANNA, case_id, f"alone-{n}", "return-money"))
            for n in range(8)
        ]
    )
    assert DECIDED not in {status for status, _ in heard}, heard
    assert resolve(stand, token, case_id, "machine", "return-money")[0] != DECIDED
    assert resolve(stand, BEN, case_id, "otherwise", "stands")[0] == PROPOSED
    assert resolve(stand, BEN, case_id, "otherwise", "stands")[0] == PROPOSED
    assert money_of(stand, rrn) == BIG_MINOR
    # hers counts as the second of his proposal, not of her own earlier one
    assert resolve(stand, ANNA, case_id, "again", "return-money")[0] == PROPOSED
    assert money_of(stand, rrn) == BIG_MINOR
    assert resolve(stand, BEN, case_id, "agreed", "return-money")[0] == DECIDED
    until(lambda: money_of(stand, rrn) == 0, "the money is returned")
    assert resolve(stand, BEN, case_id, "agreed", "return-money")[0] == DECIDED
    assert resolve(stand, BEN, case_id, "twice", "return-money")[0] == CONFLICT
    reversals = [x for x in read_ledger(stand.ledger_path) if (x.rrn, x.op) == (rrn, "reversal")]
    assert [x.outcome for x in reversals] == ["reversed"]


def test_one_key_for_two_commands_does_one(stand):
    rrn, case_id = claim(stand, "mixed", SMALL_MINOR)
    heard = []
    in_parallel(
        [
            lambda how=how: heard.append(resolve(stand, ANNA, case_id, "mixed", how))
            for how in ["return-money", "stands", "no-action"] * 4
        ]
    )
    statuses = [status for status, _ in heard]
    assert set(statuses) <= {DECIDED, CONFLICT, 422}, heard
    assert DECIDED in statuses
    until(lambda: state_of(stand, case_id) == "resolved", "it is resolved")
    # the key belongs to the person who used it: another's is another's
    assert command(stand, BEN, f"/{case_id}/notes", "mixed", text="and I?")[0] in {201, 409, 422}
    assert rrn


def test_a_payment_that_is_refunded_while_its_case_is_resolved_is_returned_once(stand):
    for turn in range(4):
        amount = SMALL_MINOR + 1_000 + turn * 100
        rrn, case_id = claim(stand, f"both-{turn}", amount)
        headers = {
            "Authorization": "Bearer demo-api-key-not-secret",
            "Idempotency-Key": f"both-refund-{turn}",
        }
        body = json.dumps(
            {"merchant_id": "898110154110001", "amount_minor": amount, "currency": "CNY"}
        )
        in_parallel(
            [
                lambda: resolve(stand, BEN, case_id, f"both-{turn}", "return-money"),  # noqa: B023
                lambda: stand.ask_http("POST", f"/v1/payments/{rrn}/refunds", body, headers),  # noqa: B023
            ]
        )
        until(lambda: money_of(stand, rrn) == 0 or left(stand, rrn) == 0, "returned")  # noqa: B023
    # the books at the end of this file say that it was returned once


def test_kill_9_between_two_persons_and_in_the_middle_of_a_resolution(own_stand):
    noise = random.Random(7)
    stand = own_stand()
    stand.start()
    rrn, case_id = claim(stand, "killed", BIG_MINOR)
    assert resolve(stand, ANNA, case_id, "first", "return-money")[0] == PROPOSED
    stand.kill_main()
    stand.start()
    until(lambda: show(stand, case_id)[0] == 200, "the case after the restart")
    assert resolve(stand, ANNA, case_id, "first", "return-money")[0] == PROPOSED
    assert resolve(stand, ANNA, case_id, "second", "return-money")[0] in {PROPOSED, CONFLICT}
    assert money_of(stand, rrn) == BIG_MINOR

    def confirm():
        try:
            return resolve(stand, BEN, case_id, "confirmed", "return-money")
        except OSError:
            return 0, {}

    confirming = threading.Thread(target=confirm)
    confirming.start()
    threading.Event().wait(noise.uniform(0, 0.05))  # the moment is drawn
    stand.kill_main()
    confirming.join()
    stand.start()
    until(lambda: confirm()[0] == DECIDED, "the same command again, answered")
    until(lambda: money_of(stand, rrn) == 0, "the money is returned")
    until(lambda: state_of(stand, case_id) == "resolved", "it is resolved")
    reversals = [x for x in read_ledger(stand.ledger_path) if (x.rrn, x.op) == (rrn, "reversal")]
    assert [x.outcome for x in reversals].count("reversed") == 1
    stand.check(pans=())


def test_the_books_agree_after_all_cases(stand):
    stand.check(pans=())
    assert not [line for line in stand.log_lines() if line["level"] == "error"]
