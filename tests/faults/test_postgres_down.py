"""PostgreSQL is killed, frozen or away: payments go on, the lag shows, projections catch up."""

import os
import signal
from pathlib import Path

import pytest

from tests.faults.stand import MERCHANT, SHORT_TIMES, until
from tests.faults.till import ANSWER_WITHIN_S

pytestmark = pytest.mark.process

# whoever is answered late is answered, and no silence is the machine's
SETTINGS = SHORT_TIMES | {
    "SWITCH__TIMES__TERMINAL_DEADLINE_MS": "20000",
    "SWITCH__TIMES__APPEND_DEADLINE_MS": "10000",
    "SWITCH__TIMES__SEND_WINDOW_MS": "900",
    "SWITCH__GATEWAY__APPEND_SLOW_MS": "8000",
}


@pytest.fixture
def running(own_stand):
    made = own_stand(SETTINGS)
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
    load = patient(load_on(running, 1))
    load.start()
    until(load.paid_count, "a payment")
    killed = running._find_database()
    os.kill(killed, signal.SIGKILL)
    paid = load.paid_count()
    until(lambda: load.paid_count() > paid + 50, "payments meanwhile")
    load.stop()
    assert not load.left, "a payment got no answer"
    until(lambda: running._find_database() not in {0, killed}, "PostgreSQL again")
    wait_projected(running, find_last_rrn(load))
    until(lambda: running.metric("switch_projection_lag") == 0, "no lag")
    running.check(load.told())


def test_a_frozen_postgres_shows_as_lag_and_stops_no_payment(running, load_on):
    load = patient(load_on(running, 1))
    assert running.pay_json("before")[0] == 201
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
    wait_projected(running, find_last_rrn(load))
    until(lambda: running.metric("switch_projection_lag") == 0, "no lag")
    running.check(load.told())


def patient(load):
    for till in load.tills:
        till.patience_s = ANSWER_WITHIN_S
    return load


def find_last_rrn(load):
    return next(line.rrn for line in reversed(load.tills[0].told) if line.rrn)


def children_of(parent):
    return [
        int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    ]
