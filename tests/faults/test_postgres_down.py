"""PostgreSQL is killed, frozen or away: payments go on, the lag shows, projections catch up."""

import os
import signal
from pathlib import Path

import pytest

from tests.faults.stand import MERCHANT, until

pytestmark = pytest.mark.process


@pytest.fixture
def running(own_stand):
    made = own_stand()
    made.start()
    return made


def find_projected(stand, rrn):
    return stand.ask_operator("GET", f"/v1/payments/{rrn}")


def wait_projected(stand, rrn):
    until(
        lambda: find_projected(stand, rrn)[0] == 200,
        lambda: f"{rrn} in the projections: {find_projected(stand, rrn)}",
    )


def test_postgres_is_killed_and_started_again(running, load_on):
    load = load_on(running, 1)
    load.start()
    until(load.paid_count, "a payment")
    killed = running._find_database()
    os.kill(killed, signal.SIGKILL)
    paid = load.paid_count()
    until(lambda: load.paid_count() > paid + 50, "payments meanwhile")
    load.stop()
    assert not load.left, "a payment got no answer"
    until(lambda: running._find_database() not in {0, killed}, "PostgreSQL again")
    last = load.tills[0].told[-1]
    wait_projected(running, last.rrn)
    until(lambda: running.metric("switch_projection_lag") == 0, "no lag")
    running.check(load.told())


def test_a_frozen_postgres_shows_as_lag_and_stops_no_payment(running, load_on):
    load = load_on(running, 1)
    assert running.pay_json("before")[1]["status"] == "approved"
    frozen = running._find_database()
    family = [frozen, *children_of(frozen)]
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    try:
        load.start()
        until(lambda: load.paid_count() > 50, "payments meanwhile")
        load.stop()
        assert not load.left, "a payment got no answer"
        until(lambda: running.metric("switch_projection_lag") > 0, "lag that shows")
        assert running.is_ready(), "the database is no reason to take no payments"
        path = f"/v1/payments?merchant_id={MERCHANT}&idempotency_key=before"
        status, told = running.ask_operator("GET", path)
        assert status >= 400, told
    finally:
        for pid in family:
            os.kill(pid, signal.SIGCONT)
    wait_projected(running, load.tills[0].told[-1].rrn)
    until(lambda: running.metric("switch_projection_lag") == 0, "no lag")
    running.check(load.told())


def children_of(parent):
    return [
        int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    ]
