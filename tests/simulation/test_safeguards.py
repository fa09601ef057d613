"""With any one safeguard off, the simulation must fail: so it would notice if it went missing."""

import pytest

from tests.simulation.options import draw_options
from tests.simulation.outcome import simulate
from tests.simulation.safeguards import SAFEGUARDS, switched_off

SEEDS_MAX = 200
FIRST_SEED = 1_000


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda one: one.name.replace(" ", "-"))
def test_its_absence_is_noticed(safeguard):
    with switched_off(safeguard):
        for seed in range(FIRST_SEED, FIRST_SEED + SEEDS_MAX):
            if simulate(draw_options(seed, **safeguard.directed)).violations:
                return
    pytest.fail(f"{SEEDS_MAX} seeds without {safeguard.name} and nothing was noticed")


def test_all_safeguards_are_back_in_place():
    for seed in range(FIRST_SEED, FIRST_SEED + 3):
        assert not simulate(draw_options(seed)).violations
