"""SIGSTOP: a process, or what it stands on, stands still for seconds and then goes on."""

import os
import signal

import pytest

from tests.faults.stand import DEADLINE_S, WRITER, until

pytestmark = pytest.mark.process

ROUNDS = 2
FROZEN_S = 2.5  # longer than an append may take
PAUSE_S = 1.5  # three times the window in which a routed debit may be sent


@pytest.fixture
def running(own_stand):
    made = own_stand()
    made.start()
    return made


class Paused:
    """A process that stands still within the block."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *_error):
        os.kill(self.pid, signal.SIGCONT)


def test_a_frozen_log_keeps_terminals_waiting_and_goes_on_by_itself(running, load_on):
    load = load_on(running, 1)
    for till in load.tills:
        till.patience_s = FROZEN_S
    load.start()
    until(load.paid_count, "a payment")
    with Paused(running.find_child(WRITER)):
        for thread in load.threads:
            thread.join(DEADLINE_S)
        assert len(load.left) == len(load.tills), "each got silence for what was handed over"
        until(lambda: not running.is_ready(), "it says that it cannot serve")
    load.stop()
    running.wait_ready()
    load.repeat_unanswered()
    approved = load.paid_count()
    load.start()
    until(lambda: load.paid_count() > approved + 10, "payments again")
    load.stop()
    load.repeat_unanswered()
    running.check(load.told())


def test_a_switch_that_was_suspended_sends_no_debit_late(running, load_on):
    load = load_on(running, 2)
    for till in load.tills:
        till.patience_s = PAUSE_S
    for _ in range(ROUNDS):
        paid = load.paid_count()
        load.start()
        until(lambda: load.paid_count() > paid, "a payment")  # noqa: B023
        with Paused(running.pid):
            for thread in load.threads:
                thread.join(DEADLINE_S)
        load.stop()
        running.wait_ready()
        load.repeat_unanswered()
    running.check(load.told())
