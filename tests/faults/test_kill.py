"""kill -9 of each process under load: what goes on, what the next start makes of it."""

import os
import random
import subprocess
import sys
import threading

import pytest

from switch.demo.tour_instance import wait_for
from tests.faults.load import TERMINAL_COUNT
from tests.faults.stand import DEADLINE_S, PROJECTOR, SIMULATOR, WRITER, until

pytestmark = pytest.mark.process

KILL_ROUNDS = int(os.environ.get("FAULTS_ROUNDS", "3"))
KILL_AFTER_S_MAX = 0.6
START_S = 2.5  # what a start takes, more or less
SEED = int(os.environ.get("FAULTS_SEED", "0")) or random.SystemRandom().randrange(1 << 32)


def test_kill_9_at_random_moments_loses_nothing_and_debits_nothing_twice(own_stand, load_on):
    print(f"FAULTS_SEED={SEED}")  # noqa: T201 - shown if it fails
    noise = random.Random(SEED)
    stand = own_stand()
    stand.start()
    load = load_on(stand, noise.random())
    for _ in range(KILL_ROUNDS):
        paid = load.paid_count()
        load.start()
        # the moment is drawn; some have to be in the middle of a start's first payments
        wait_for(lambda: load.paid_count() > paid, 5.0)  # noqa: B023
        threading.Event().wait(noise.uniform(0, KILL_AFTER_S_MAX))
        stand.kill_main()
        load.stop()
        if noise.random() < 1 / 2:
            stand.start_and_kill(noise.uniform(0, START_S))
        stand.start()
        load.repeat_unanswered()
        assert not stand.violations_now(load.told())
    report = stand.check(load.told(), load.pans())
    assert report.approvals > KILL_ROUNDS


def test_kill_9_in_the_very_first_start_leaves_nothing_that_bars_the_next(own_stand):
    print(f"FAULTS_SEED={SEED}")  # noqa: T201 - shown if it fails
    noise = random.Random(SEED)
    stand = own_stand()
    for _ in range(KILL_ROUNDS):
        stand.start_and_kill(noise.uniform(0, START_S))
    stand.start()
    rrn = stand.pay_json("first")[1]["rrn"]
    path = f"/v1/payments/{rrn}"
    until(lambda: stand.ask_operator("GET", path)[0] == 200, "projections")
    stand.check()


def test_the_log_s_writing_process_is_killed_and_payments_go_on(own_stand, load_on):
    stand = own_stand()
    stand.start()
    load = load_on(stand, SEED)
    load.start()
    until(load.paid_count, "a payment")
    stand.kill_child(WRITER)
    load.stop()
    stand.wait_ready()
    load.repeat_unanswered()
    # the registry, too, is followed and can be changed again
    stand.load_terminals(TERMINAL_COUNT + 1)
    paid = load.paid_count()
    load.start()
    until(lambda: load.paid_count() > paid + 10, "payments afterwards")
    load.stop()
    load.repeat_unanswered()
    stand.check(load.told())


def test_the_issuer_is_killed_and_what_it_did_not_answer_is_reversed(own_stand, load_on):
    stand = own_stand()
    stand.start()
    load = load_on(stand, SEED)
    load.start()
    until(load.paid_count, "a payment")
    stand.kill_child(SIMULATOR)
    stand.wait_ready()
    paid = load.paid_count()
    until(lambda: load.paid_count() > paid, "a payment over the new line")
    load.stop()
    load.repeat_unanswered()
    stand.check(load.told())


def test_the_projector_is_killed_and_catches_up(own_stand, load_on):
    stand = own_stand()
    stand.start()
    load = load_on(stand, SEED)
    load.start()
    until(load.paid_count, "a payment")
    stand.kill_child(PROJECTOR)
    paid = load.paid_count()
    until(lambda: load.paid_count() > paid + 10, "payments meanwhile")
    load.stop()
    load.repeat_unanswered()
    last = next(line for line in reversed(load.told()) if line.response_code == "00")
    path = f"/v1/payments/{last.rrn}"
    until(lambda: stand.ask_operator("GET", path)[0] == 200, "the last payment's case file")
    stand.check(load.told())


def test_a_second_process_is_refused_and_told_who_holds_the_folder(stand):
    done = subprocess.run(
        [sys.executable, "-m", "switch", "up", "--demo", "--data", str(stand.data_dir)],
        env=stand._environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 4
    assert f"in use by process {stand.pid}" in done.stderr
    assert stand.is_ready()
