"""With any one safeguard off, the simulation must fail: so it would notice if it went missing."""

import pytest

from tests.simulation.measure import FIRST_SEED, SEEDS_MAX, find_failure
from tests.simulation.options import draw_options
from tests.simulation.outcome import simulate
from tests.simulation.safeguards import SAFEGUARDS

SAFEGUARD_COUNT = 16


def test_there_is_a_kill_switch_for_every_safeguard():
    assert [safeguard.number for safeguard in SAFEGUARDS] == list(range(1, SAFEGUARD_COUNT + 1))


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda one: one.name.replace(" ", "-"))
def test_its_absence_is_noticed(safeguard):
    assert find_failure(safeguard), f"{SEEDS_MAX} seeds without {safeguard.name}, and nothing"


def test_all_safeguards_are_back_in_place():
    for seed in range(FIRST_SEED, FIRST_SEED + 3):
        assert not simulate(draw_options(seed)).violations
