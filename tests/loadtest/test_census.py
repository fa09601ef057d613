from collections import deque

from loadtest.census import take_census
from switch.handlers.forgetting import Reminders, SpentOriginals
from switch.handlers.waiting import WaitingRoom

AT = 1_700_000_000_000
HOUR_MS = 3_600_000


def test_every_container_is_counted_by_class_and_attribute():
    reminders = Reminders()
    reminders.add_all(AT, ["1", "2"])
    reminders.add(AT + 5 * HOUR_MS, "3")
    counts = take_census(reminders)
    assert counts == {"Reminders.hours": 2, "Reminders.hours[]": 3, "Reminders.due": 0}


def test_what_is_held_by_several_of_a_kind_is_added_up():
    room = WaitingRoom(answerer=None)
    first, second = SpentOriginals(180), SpentOriginals(180)
    first.add("010000000001", AT, AT)
    second.add("010000000002", AT, AT)
    room.held = {"a": first, "b": second}
    room.again = first  # the same once more
    counts = take_census(room)
    assert counts["WaitingRoom.held"] == 2
    assert counts["SpentOriginals.by_day[]"] == 2
    assert counts["WaitingRoom.waiters"] == 0


def test_what_is_apart_and_what_is_not_ours_is_not_entered():
    room = WaitingRoom(answerer=None)
    room.apart, room.queue, room.other = Reminders(), deque([1, 2, 3]), object()
    counts = take_census(room, apart=(room.apart,))
    assert counts == {"WaitingRoom.waiters": 0, "WaitingRoom.queue": 3}
