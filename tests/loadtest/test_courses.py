import itertools
import random
from collections import Counter

from loadtest.courses import draw_courses, list_errands
from loadtest.lean_terminal import Course
from loadtest.scenario import Mix, Scenario
from loadtest.schedule import Step

STEPS = (Step(rate_per_s=1, duration_s=1),)


def drawn(count=20_000, **settings):
    scenario = Scenario(name="x", steps=STEPS, **settings)
    return list(itertools.islice(draw_courses(scenario, random.Random(7)), count))


def test_shares_are_kept():
    mix = Mix(repeats=0.1, conflicts=0.05, reversals=0.2, declines=0.1, silent=0.05)
    counts = Counter(course for course, _ in drawn(mix=mix))
    for course, share in [
        (Course.REPEAT, 0.1),
        (Course.CONFLICT, 0.05),
        (Course.REVERSAL, 0.2),
        (Course.DECLINE, 0.1),
        (Course.SILENT, 0.05),
        (Course.PLAIN, 0.5),
    ]:
        assert abs(counts[course] / 20_000 - share) < 0.02


def test_amounts_carry_the_order_of_their_course_and_no_other():
    mix = Mix(declines=0.3, silent=0.3)
    for course, amount in drawn(2_000, mix=mix, amount_minor_min=100, amount_minor_max=999):
        cents = {Course.DECLINE: 51, Course.SILENT: 98}.get(course, 0)
        assert amount % 100 == cents
        assert 100 <= amount <= 998


def test_without_a_mix_everything_is_plain():
    assert {course for course, _ in drawn(1_000)} == {Course.PLAIN}


def test_the_seed_decides():
    assert drawn(100, mix=Mix(repeats=0.5)) == drawn(100, mix=Mix(repeats=0.5))


def test_errands_have_their_share_beside_the_plain_courses():
    mix = Mix(voids=0.2, refunds=0.1, holds=0.1, advices=0.1, inquiries=0.1, lost=0.1, odd=0.1)
    counts = Counter(course for course, _ in drawn(mix=mix))
    assert abs(counts[Course.VOID] / 20_000 - 0.2) < 0.02
    assert set(counts) == set(list_errands(mix)) | {Course.PLAIN}
    assert all(amount % 100 == 0 for _, amount in drawn(1_000, mix=mix))


def test_errands_that_nobody_asks_for_change_no_draw():
    assert list_errands(Mix(repeats=0.1)) == {}
    assert list_errands(Mix(odd=0.1)) == {Course.ODD: 0.1}
