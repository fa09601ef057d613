"""A generator that never meets a case checks nothing about it: what runs must have come to."""

import pytest

from switch.domain.cases.kinds import KINDS
from switch.domain.reasons import Reason
from switch.eventlog.takeover import ClaimReason
from tests.simulation.checkers.decision_table import ROWS
from tests.simulation.options import draw_options
from tests.simulation.report import write_report
from tests.simulation.scenarios import DIRECTED, NAMED
from tests.simulation.sweep import Sweep

SEEDS_OF_SCENARIO = 12
ROUNDS_MAX = 60  # each one seed of the mixed load and one of every directed one
# what no run comes to, and why
UNREACHED = {
    Reason.INTERNAL_FAULT: "a key store that fails: tests/switch/handlers/test_intake.py",
    Reason.SIGN_ON_TOO_OFTEN: "key sets of two schemes: tests/switch/handlers/test_management.py",
}
ANSWERS = {
    *(f"told payment {code}" for code in ("00", "51", "91", "94", "96", "98", "A0")),
    *(f"told reversal {code}" for code in ("00", "25")),
    *(f"told sale over HTTP {status}" for status in (201, 202, 409, 422, 503)),
    *(f"told command {answer}" for answer in ("open 201", "note 201", "resolve 201")),
}
SNAPSHOTS = {
    f"fault snapshot-{what}"
    for what in ("taken", "loaded", "discarded", "torn", "old", "foreign", "unusable")
}
OWNERSHIP = {
    *(f"fault claim-{reason.name.lower()}" for reason in ClaimReason),
    "fault drain-resumed",
}
UNREACHED_CASES = {
    "inbound-parked": "nothing that a program of this version has written is unreadable",
    "batch-more-differences": "more than 500 of one batch: test_uploads.py",
}


WANTED = {
    *(f"reason {reason.value}" for reason in Reason if reason not in UNREACHED),
    *(f"case {kind}" for kind in KINDS.kinds if kind not in UNREACHED_CASES),
    *(f"row {row}" for row in ROWS),
    *ANSWERS,
    *SNAPSHOTS,
    *OWNERSHIP,
}


@pytest.mark.parametrize("name", NAMED)
def test_every_named_scenario_is_met(name):
    missing, seed = set(NAMED[name].traces), 0
    while missing and seed < SEEDS_OF_SCENARIO:
        sweep = Sweep()
        outcome = sweep.run(draw_options(seed, scenario=name, **NAMED[name].fixed))
        assert not outcome.violations, write_report(outcome)
        missing -= {trace for trace, times in sweep.reached.items() if times}
        seed += 1
    assert not missing, f"not in {seed} seeds: {missing}"


def test_every_reason_row_case_and_answer_is_met():
    """Run round after round until there is nothing left to meet; all of it must hold."""
    sweep, rounds = Sweep(), 0
    missing = set(WANTED)
    while missing and rounds < ROUNDS_MAX:
        for fixed in ({}, *DIRECTED.values()):
            sweep.run(draw_options(rounds, **fixed))
        assert not sweep.failed, "\n\n".join(write_report(outcome) for outcome in sweep.failed)
        missing -= {name for name, times in sweep.reached.items() if times}
        rounds += 1
    assert not missing, f"not in {sweep.describe()}"


def test_what_is_not_met_exists():
    assert set(UNREACHED_CASES) <= set(KINDS.kinds)
