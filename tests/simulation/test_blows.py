"""A crash, or a pause with a take-over, before every single effect of a process: enumerated."""

import pytest

from tests.simulation.options import PEACEFUL, draw_options
from tests.simulation.outcome import simulate
from tests.simulation.report import write_report

SEEDS = (1, 2, 3)


def count_steps(seed, process):
    options = draw_options(seed, scenario="peaceful", **PEACEFUL, blow_to=process)
    outcome = simulate(options)
    assert not outcome.violations, write_report(outcome)
    return outcome.simulation.step_count


BLOWS = [
    ("handler", "crash"),
    ("handler", "pause"),
    ("gateway", "crash"),
    ("gateway", "pause"),
    ("projector", "crash"),
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("process", "blow"), BLOWS)
def test_a_process_may_stop_before_any_of_its_effects(process, blow, seed):
    step_count = count_steps(seed, process)
    assert step_count > 4
    for step in range(1, step_count + 1):
        struck = {"blow_to": process, "blow": blow, "blow_step": step}
        options = draw_options(seed, scenario="peaceful", **PEACEFUL, **struck)
        outcome = simulate(options)
        assert not outcome.violations, write_report(outcome)
