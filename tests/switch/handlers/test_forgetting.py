from hypothesis import given
from hypothesis import strategies as st

from switch.handlers.forgetting import (
    LOOKED_AT_COUNT_MAX,
    LOOKED_AT_COUNT_MIN,
    Reminders,
    SpentOriginals,
    pop_oldest,
)

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
AT = 1_700_000_000_000


@given(
    st.lists(st.tuples(st.integers(0, 20 * HOUR_MS), st.integers(0, 99)), max_size=30),
    st.lists(st.integers(0, 25 * HOUR_MS), max_size=20),
)
def test_nothing_is_reminded_of_early_or_more_than_an_hour_late(dues, moments):
    reminders, waiting = Reminders(), []
    for number, (after, _) in enumerate(dues):
        reminders.add(AT + after, str(number))
        waiting.append((AT + after, str(number)))
    for moment in sorted(moments):
        now = AT + moment
        taken = set(reminders.take_due(now))
        due = {rrn for at, rrn in waiting if at <= now}
        overdue = {rrn for at, rrn in waiting if at <= now - HOUR_MS}
        assert overdue <= taken <= due
        waiting = [(at, rrn) for at, rrn in waiting if rrn not in taken]
    assert len(reminders) == len(waiting)


def test_what_is_added_again_for_an_earlier_hour_is_found_in_that_hour():
    reminders = Reminders()
    reminders.add(AT + 10 * HOUR_MS, "late")
    assert list(reminders.take_due(AT)) == []
    reminders.add(AT + HOUR_MS, "early")
    assert list(reminders.take_due(AT + 2 * HOUR_MS)) == ["early"]


def test_a_whole_batch_is_reminded_of_at_once():
    reminders = Reminders()
    reminders.add_all(AT, ["1", "2"])
    assert list(reminders.take_due(AT + HOUR_MS)) == ["1", "2"]
    assert len(reminders) == 0


def test_so_many_are_looked_at_in_one_go_and_the_rest_next_time():
    reminders = Reminders()
    most, least = LOOKED_AT_COUNT_MAX, LOOKED_AT_COUNT_MIN
    many = [str(number) for number in range(most + 2 * least)]
    reminders.add_all(AT, many)
    assert list(reminders.take_due(AT + HOUR_MS)) == many[:most]
    assert reminders.has_due
    assert len(reminders) == 2 * least
    assert list(reminders.take_due(AT + HOUR_MS)) == many[most : most + least], "at once again"
    assert list(reminders.take_due(AT + HOUR_MS + 1_000)) == many[most + least :]
    assert not reminders.has_due


def test_a_clock_that_goes_back_forgets_nothing_early():
    reminders = Reminders()
    reminders.add(AT + 5 * HOUR_MS, "1")
    assert list(reminders.take_due(AT + 3 * HOUR_MS)) == []
    assert list(reminders.take_due(AT - 30 * HOUR_MS)) == []
    assert list(reminders.take_due(AT + 6 * HOUR_MS)) == ["1"]


def test_a_spent_original_is_known_for_as_long_as_it_could_be_asked_for():
    spent = SpentOriginals(180)
    spent.add("010000000001", AT, AT + 8 * DAY_MS)
    spent.add("010000000002", AT + 180 * DAY_MS, AT + 180 * DAY_MS)
    assert "010000000001" in spent
    spent.add("010000000003", AT + 182 * DAY_MS, AT + 182 * DAY_MS)
    assert "010000000001" not in spent
    assert "010000000002" in spent
    assert len(spent) == 2


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(0, 9))
def test_the_oldest_are_taken_until_one_is_not_over(values, bound):
    held = dict(enumerate(values))
    kept = list(held.items())
    taken = []
    while kept and kept[0][1] < bound:
        taken.append(kept.pop(0)[0])
    assert pop_oldest(held, lambda value: value < bound) == taken
    assert list(held.items()) == kept
