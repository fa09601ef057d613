"""A generator that never meets a case checks nothing about it: what runs must have come to."""

import pytest

from switch.domain.reasons import Reason
from tests.simulation.checkers.decision_table import ROWS
from tests.simulation.options import draw_options
from tests.simulation.report import write_report
from tests.simulation.scenarios import DIRECTED, NAMED
from tests.simulation.sweep import Sweep

SEEDS_OF_SCENARIO = 12
MIXED_SEEDS = 30
DIRECTED_SEEDS = 8
# what no run comes to, and why
UNREACHED = {
    Reason.REVERSED_BY_TERMINAL: "nothing gives it today",
    Reason.INTERNAL_FAULT: "a key store that fails: tests/switch/handlers/test_intake.py",
}
ANSWERS = {
    *(f"told payment {code}" for code in ("00", "51", "91", "94", "96", "98", "A0")),
    *(f"told reversal {code}" for code in ("00", "25")),
    *(f"told sale over HTTP {status}" for status in (201, 202, 409, 422, 503)),
    *(f"told command {answer}" for answer in ("open 201", "note 201", "resolve 201")),
}
CASES = {
    "advice-refused",
    "advice-unroutable",
    "batch-amount-differs",
    "batch-host-only",
    "batch-terminal-only",
    "batch-upload-differs",
    "late-answer-contradicts",
    "not-served",
    "outcome-open",
    "repeat-poisoned",
    "reversal-mismatch",
    "reversal-not-found",
    "reversal-obstructed",
    "reversal-poisoned",
}


@pytest.fixture(scope="module")
def reached():
    """Run a share of everything once; all of it must hold."""
    sweep = Sweep()
    sweep.run_all(draw_options(seed) for seed in range(MIXED_SEEDS))
    for fixed in DIRECTED.values():
        sweep.run_all(draw_options(seed, **fixed) for seed in range(DIRECTED_SEEDS))
    assert not sweep.failed, "\n\n".join(write_report(outcome) for outcome in sweep.failed)
    return {name for name, times in sweep.reached.items() if times}


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


def test_every_reason_of_the_catalogue_is_met(reached):
    missing = {reason.value for reason in Reason if reason not in UNREACHED}
    assert not {reason for reason in missing if f"reason {reason}" not in reached}


def test_every_row_of_the_decision_table_is_met(reached):
    assert not {row for row in ROWS if f"row {row}" not in reached}


def test_every_kind_of_answer_is_met(reached):
    assert not ANSWERS - reached


def test_every_kind_of_case_is_met(reached):
    assert not {case for case in CASES if f"case {case}" not in reached}
