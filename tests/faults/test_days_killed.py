"""kill -9 under whole days of terminals: voids, refunds, holds, advices, sign-ons, closings."""

import os
import random
import threading

import pytest

from loadtest.ledger import accounts_by_rrn, read_ledger
from switch.demo.issuer_standing import standing_by_original, standing_money
from switch.terminal.operations import PAYMENT_ROWS, Operation
from switch.terminal.outcome import OutcomeKind
from tests.faults.counter import Days, remembered, side_of
from tests.faults.stand import SIMULATOR, WRITER, until

pytestmark = pytest.mark.process

ROUNDS = int(os.environ.get("FAULTS_ROUNDS", "3"))
SEED = int(os.environ.get("FAULTS_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
COUNTERS = 6
MAIN = ""  # the process that all others are children of
KILL_AFTER_S_MAX = 0.6
START_S = 2.5
SIGN_ON_NEEDED = "77"


def test_kill_9_in_days_of_everything_debits_and_gives_back_nothing_twice(own_stand, tmp_path):
    print(f"FAULTS_SEED={SEED}")  # noqa: T201 - shown if it fails
    noise = random.Random(SEED)
    stand = own_stand()
    stand.start()
    days = Days(stand, noise, tmp_path, COUNTERS)
    victims = [MAIN, SIMULATOR, WRITER]
    for number in range(ROUNDS):
        days.start()
        days.wait_done(3 * COUNTERS)
        threading.Event().wait(noise.uniform(0, KILL_AFTER_S_MAX))  # the moment is drawn
        kill_and_wait(stand, days, noise, victims[number % len(victims)])
        repeat_and_reverse(days, noise)
        assert not stand.violations_now(days.told())
    days.close_all()
    sell_and_settle_once_more(days)
    report = stand.check(days.told(), days.pans())
    assert report.approvals > ROUNDS * COUNTERS
    check_memories(stand, days)


def kill_and_wait(stand, days, noise, victim):
    """Kill one process; return once everything is there again and the cashiers have stopped."""
    if victim != MAIN:
        stand.kill_child(victim)
        days.wait_done(2 * COUNTERS)
        days.stop()
        stand.wait_ready()
        return
    stand.kill_main()
    days.stop()
    if noise.random() < 1 / 2:
        stand.start_and_kill(noise.uniform(0, START_S))
    stand.start()


def repeat_and_reverse(days, noise):
    """After a restart: each terminal repeats or takes back its last payment, or goes on."""
    for counter in days.counters:
        last = counter.state.last
        if last is None or counter.state.closing is not None or noise.random() < 1 / 3:
            continue
        if PAYMENT_ROWS[last.operation].is_reversed and noise.random() < 1 / 2:
            until(lambda: counter.reverse().kind is not OutcomeKind.REVERSAL_OWED, "reversed")  # noqa: B023
        else:
            counter.repeat(as_repeat=noise.random() < 1 / 2)


def check_memories(stand, days):
    """What every terminal believes to stand, stands at the issuer; nobody is given too much."""
    lines = read_ledger(stand.ledger_path)
    journal, accounts = stand.journal(), accounts_by_rrn(lines)
    standing = standing_money(lines)
    for counter in days.counters:
        for kept in remembered(counter):
            trail = journal.trails[kept.rrn]
            assert trail.stands or trail.cases, f"{kept} is told of and does not stand"
            if side_of(kept) and not trail.cases:
                moved = standing.get(kept.rrn, 0)
                assert moved == side_of(kept) * trail.sent_minor, f"{kept}: {moved}"
                assert len(accounts[kept.rrn].booked) == 1
    assert min(standing_by_original(lines).values()) >= 0


def sell_and_settle_once_more(days):
    """After all that, what both sides count in a batch is the same."""
    for counter in days.counters:
        outcome = counter.order(Operation.SALE, 4_400)
        if outcome.response_code == SIGN_ON_NEEDED:
            counter.manage(Operation.SIGN_ON)
            outcome = counter.order(Operation.SALE, 4_400)
        assert outcome.kind is OutcomeKind.APPROVED, outcome
        assert counter.settle_all_owed().settlement.is_balanced, counter.lines[-6:]
