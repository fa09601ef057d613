import pytest

from switch.handlers.lanes import ForwardingLane, LaneSettings, repeat_delay_ms

SETTINGS = LaneSettings(
    first_repeat_ms=1_000, repeat_max_ms=8_000, in_flight_count_max=2, issuer_delay_max_ms=60_000
)


@pytest.mark.parametrize(
    ("attempt", "delay_ms"),
    [(1, 1_000), (2, 2_000), (3, 4_000), (4, 8_000), (5, 8_000), (99, 8_000)],
)
def test_the_wait_doubles_up_to_its_cap(attempt, delay_ms):
    assert repeat_delay_ms(attempt, SETTINGS) == delay_ms


def test_a_reversal_is_taken_once_when_due():
    lane = ForwardingLane(SETTINGS)
    lane.put("a", 100)
    assert list(lane.take_due(99)) == []
    assert list(lane.take_due(100)) == ["a"]
    assert list(lane.take_due(100)) == []


def test_the_same_reversal_asked_for_twice_is_in_the_lane_once():
    lane = ForwardingLane(SETTINGS)
    lane.put("a", 100)
    lane.put("a", 50)
    assert len(lane) == 1
    assert list(lane.take_due(100)) == ["a"]
    assert list(lane.take_due(200)) == []


def test_without_an_answer_it_comes_back_after_its_delay():
    lane = ForwardingLane(SETTINGS)
    lane.put("a", 0)
    assert list(lane.take_due(0)) == ["a"]
    lane.sent("a", 1, 0)
    assert lane.next_due() == 1_000
    assert list(lane.take_due(999)) == []
    assert list(lane.take_due(1_000)) == ["a"]


def test_no_more_are_under_way_than_the_bound_allows():
    lane = ForwardingLane(SETTINGS)
    for rrn in "abc":
        lane.put(rrn, 0)
    assert list(lane.take_due(0)) == ["a", "b"]
    lane.remove("a")
    assert list(lane.take_due(0)) == ["c"]


def test_one_that_is_answered_leaves_the_lane_for_the_others():
    lane = ForwardingLane(SETTINGS)
    lane.put("poisoned", 0)
    lane.put("good", 0)
    list(lane.take_due(0))
    lane.remove("poisoned")
    lane.remove("good")
    assert len(lane) == 0
    assert lane.next_due() is None


def test_one_that_wants_another_sending_later_waits_for_its_time():
    lane = ForwardingLane(SETTINGS)
    lane.put("a", 0)
    list(lane.take_due(0))
    lane.put("a", 60_000)
    assert list(lane.take_due(59_999)) == []
    assert list(lane.take_due(60_000)) == ["a"]


def test_one_that_is_due_can_be_postponed():
    lane = ForwardingLane(SETTINGS)
    lane.put("a", 0)
    lane.postpone("a", 60_000)
    assert list(lane.take_due(59_999)) == []
    assert list(lane.take_due(60_000)) == ["a"]
    assert list(lane.take_due(60_000)) == []
