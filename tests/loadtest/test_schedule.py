import random

import pytest

from loadtest.schedule import Step, intended_times, parse_steps, total_count, total_duration_s

STEPS = (Step(rate_per_s=10, duration_s=2), Step(rate_per_s=100, duration_s=1))


def test_even_arrivals_are_spaced_equally_within_each_step():
    times = list(intended_times(STEPS, "even", random.Random(1)))
    assert times[:3] == [0.0, 0.1, 0.2]
    assert times[20:22] == [2.0, 2.01]
    assert len(times) == total_count(STEPS) == 120


@pytest.mark.parametrize("arrivals", ["even", "poisson"])
def test_arrivals_rise_and_end_with_the_last_step(arrivals):
    times = list(intended_times(STEPS, arrivals, random.Random(2)))
    assert times == sorted(times)
    assert times[-1] < total_duration_s(STEPS) == 3


def test_poisson_arrivals_have_the_mean_rate_and_follow_the_seed():
    step = (Step(rate_per_s=1000, duration_s=10),)
    times = list(intended_times(step, "poisson", random.Random(3)))
    assert 9_500 < len(times) < 10_500
    assert times == list(intended_times(step, "poisson", random.Random(3)))


def test_steps_are_read_from_the_command_line():
    assert parse_steps("10x2, 100x1") == STEPS


@pytest.mark.parametrize("text", ["", "10", "10x", "x5", "0x5", "5x0", "-1x5", "nanx5", "1e9x5"])
def test_steps_that_make_no_sense_are_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_steps(text)
