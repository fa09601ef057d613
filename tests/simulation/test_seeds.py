"""The simulation itself: seeds that are always run, and new ones each time."""

import os
import secrets
from itertools import count

import pytest

from tests.simulation.options import draw_options
from tests.simulation.report import write_report
from tests.simulation.sweep import Sweep

FIXED_COUNT = 40
NEW_SEEDS_S = float(os.environ.get("SIMULATION_SECONDS", "55"))  # of each of two tests
NEW_SEEDS_BELOW = 10**9


def fail_if_any(sweep):
    assert not sweep.failed, "\n\n".join(write_report(outcome) for outcome in sweep.failed)


@pytest.mark.parametrize("first", range(0, 4 * FIXED_COUNT, FIXED_COUNT))
def test_known_seeds_hold(first):
    sweep = Sweep()
    sweep.run_all(draw_options(seed) for seed in range(first, first + FIXED_COUNT))
    fail_if_any(sweep)


@pytest.mark.parametrize("share", [1, 2])
def test_new_seeds_hold(record_property, share):
    """Run what nobody has run before; the seeds are in the run's summary."""
    first = share * NEW_SEEDS_BELOW + secrets.randbelow(NEW_SEEDS_BELOW)
    sweep = Sweep()
    sweep.run_all((draw_options(seed) for seed in count(first)), within_s=NEW_SEEDS_S)
    record_property(
        "simulated", f"{sweep.describe()}, from seed {first}, {len(sweep.failed)} failed"
    )
    fail_if_any(sweep)
