import pytest

from switch.handlers.lanes import ForwardingLane, LaneSettings, repeat_delay_ms

SETTINGS = LaneSettings(
    first_repeat_ms=1_000, repeat_max_ms=8_000, in_flight_count_max=2, issuer_delay_max_ms=60_000
)


RRNS = [f"01{number:010d}" for number in range(200)]


@pytest.mark.parametrize(
    ("attempt", "delay_ms"),
    [(1, 1_000), (2, 2_000), (3, 4_000), (4, 8_000), (5, 8_000), (99, 8_000)],
)
def test_the_wait_doubles_up_to_its_cap_and_is_spread_over_its_last_quarter(attempt, delay_ms):
    delays = [repeat_delay_ms(rrn, attempt, SETTINGS) for rrn in RRNS]
    assert delay_ms * 3 // 4 <= min(delays) < delay_ms * 4 // 5
    assert delay_ms * 19 // 20 < max(delays) <= delay_ms
    assert len(set(delays)) > 100


def test_each_wait_is_longer_than_the_one_before_until_the_cap():
    for rrn in RRNS:
        first, second, third = (repeat_delay_ms(rrn, n, SETTINGS) for n in (1, 2, 3))
        assert first < second < third


def test_the_wait_is_the_same_wherever_it_is_computed():
    assert len({repeat_delay_ms("010000000007", 3, SETTINGS) for _ in range(5)}) == 1


def test_the_shortest_delays_have_no_jitter_to_speak_of():
    assert repeat_delay_ms("a", 1, LaneSettings(first_repeat_ms=1)) == 1


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
    due = repeat_delay_ms("a", 1, SETTINGS)
    assert lane.next_due() == due
    assert list(lane.take_due(due - 1)) == []
    assert list(lane.take_due(due)) == ["a"]


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


def test_what_is_never_answered_does_not_keep_others_from_being_sent():
    lane = ForwardingLane(SETTINGS)
    for rrn in ("silent", "mute"):
        lane.put(rrn, 0)
    for attempt, now in ((1, 0), (2, 1_000), (3, 3_000)):
        for rrn in lane.take_due(now):
            lane.sent(rrn, attempt, now)
    lane.put("new", 3_100)
    assert list(lane.take_due(3_999)) == [], "for a moment an answer may come"
    assert list(lane.take_due(4_000)) == ["new"]
    lane.remove("new")
    assert lane.next_due() == 3_000 + min(
        repeat_delay_ms(rrn, 3, SETTINGS) for rrn in ("silent", "mute")
    )
    assert sorted(lane.take_due(7_000)) == ["mute", "silent"]
