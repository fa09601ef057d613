"""A generator that never meets a case checks nothing about it: what a run must have come to."""

import pytest

from tests.simulation.options import draw_options
from tests.simulation.sweep import Sweep

SEED_COUNT = 60

# docs/simulation.md lists the named scenarios; each leaves one of these traces
SCENARIOS = {
    "lost-answer": {"fault reply-lost", "fault frame-lost"},
    "unknown-append": {"fault lost-ack", "fault partition-lost AppendUnknown"},
    "zombie": {"fault handler-pause", "fault wake", "fault partition-lost Fenced", "void records"},
    "frozen-log": {"fault log-frozen", "reason request-stale"},
    "stray-stream": {"fault stray", "fault gap-read"},
    "crash-everywhere": {"fault handler-crash", "fault gateway-crash", "fault projector-crash"},
    "two-claimers": {"fault fight"},
    "projection-commit-unknown": {"fault commit-unknown"},
    "ownership-storm": {"fault hand-over"},
    "late-issuer-answer": {"event late-answer-received.v1"},
    "reversal-first": {"fault reversal-first", "event tombstone-set.v1"},
    "poisoned-reversal": {"fault poisoned-reversal", "case reversal-poisoned"},
    "deactivate-race": {"fault registry-change", "reason merchant-not-active"},
    "conflict-storm": {"fault conflict-storm", "event duplicate-conflicted.v1"},
    "duplicate-storm": {"fault duplicate-storm", "fault copies"},
    "disk-full": {"fault log-full", "fault partition-lost AppendRefused"},
    "clock-jump": {"fault clock-jump"},
    "slow-projection": {"projection slow"},
}
ANSWERS = {
    *(f"told payment {code}" for code in ("00", "51", "91", "94", "96", "98", "A0")),
    "told reversal 00",
    "told reversal 25",
}
CASES = {"case reversal-mismatch", "case late-answer-contradicts"}


@pytest.fixture(scope="module")
def reached():
    sweep = Sweep()
    sweep.run_all(draw_options(seed) for seed in range(SEED_COUNT))
    return {name for name, times in sweep.reached.items() if times}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_named_scenario_is_met(reached, scenario):
    assert not SCENARIOS[scenario] - reached


def test_every_kind_of_answer_is_met(reached):
    assert not ANSWERS - reached


def test_every_kind_of_case_is_met(reached):
    assert not CASES - reached
