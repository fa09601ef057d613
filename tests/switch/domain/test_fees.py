from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.domain.fees import FeePlan, compute_fee


@pytest.mark.parametrize(
    ("amount_minor", "rate_ppm", "cap_minor", "fee"),
    [
        (500, 3800, None, 2),
        (83, 6000, None, 0),
        (10_000, 6000, None, 60),
        (84, 6000, None, 1),
        (1_000_000, 6000, 3500, 3500),
        (250, 6000, None, 2),
        (583_333, 6000, 3500, 3500),
        (750, 6000, None, 5),
        (10_000, 3500, 1300, 35),
        (10_000, 325, 325, 3),
    ],
)
def test_known_answers(amount_minor, rate_ppm, cap_minor, fee):
    assert compute_fee(amount_minor, FeePlan(rate_ppm=rate_ppm, cap_minor=cap_minor)) == fee


@given(st.integers(0, 10**12), st.integers(0, 100_000))
def test_the_fee_is_rounded_half_up_once(amount_minor, rate_ppm):
    exact = Fraction(amount_minor * rate_ppm, 1_000_000)
    fee = compute_fee(amount_minor, FeePlan(rate_ppm=rate_ppm))
    assert Fraction(-1, 2) < fee - exact <= Fraction(1, 2)


def test_the_minimum_comes_before_the_cap():
    plan = FeePlan(rate_ppm=6000, min_minor=50, cap_minor=30)
    assert compute_fee(100, plan) == 30


def test_a_small_payment_costs_the_minimum():
    assert compute_fee(100, FeePlan(rate_ppm=6000, min_minor=10)) == 10
