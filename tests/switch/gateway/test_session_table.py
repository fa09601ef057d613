"""Deadlines of connections, without a timer each."""

from typing import Any

from switch.gateway.actions import CloseCause
from switch.gateway.limits import GatewayLimits
from switch.gateway.session_table import SessionTable

LIMITS = GatewayLimits(
    connection_count_max=10, idle_timeout_ms=1_000, frame_deadline_ms=100, read_timeout_ms=300
)


def test_whoever_was_silent_longest_is_found_first_and_nobody_else(world: Any) -> None:
    table = SessionTable(LIMITS)
    for number in range(3):
        table.open(number, world.unionpay, number)
    first = table.find(0)
    assert first is not None
    table.hear(first, 500)
    assert table.next_deadline() == 1_001
    assert [close.connection_id for close in table.find_due(1_001)] == [1]
    assert [close.connection_id for close in table.find_due(1_002)] == [1, 2]


def test_the_next_deadline_is_the_nearest_of_all_kinds(world: Any) -> None:
    table = SessionTable(LIMITS)
    table.open(1, world.unionpay, 0)
    session = table.find(1)
    assert session is not None
    table.pause(session, 10)
    assert table.next_deadline() == 310
    session.framer.receive_data(b"\x00")
    table.note_partial(session, is_fresh=False, boot_ms=20)
    assert table.next_deadline() == 120
    [close] = table.find_due(120)
    assert close.cause is CloseCause.SLOW_FRAME
    table.drop(1)
    assert table.next_deadline() is None
    assert table.find_due(10_000) == []


def test_pausing_twice_does_not_begin_the_time_anew(world: Any) -> None:
    table = SessionTable(LIMITS)
    table.open(1, world.unionpay, 0)
    session = table.find(1)
    assert session is not None
    table.pause(session, 10)
    session.unread_bytes += 7
    table.pause(session, 200)
    assert session.unread_bytes == 7
    assert table.next_deadline() == 310


def test_quiet_are_those_without_anything_under_way_and_not_heard_of_lately(world: Any) -> None:
    table = SessionTable(LIMITS)
    for number in range(4):
        table.open(number, world.unionpay, 0)
    waiting, partial, fresh = (table.find(number) for number in range(3))
    assert waiting is not None
    assert partial is not None
    assert fresh is not None
    waiting.waits.add("gw-1")
    partial.framer.receive_data(b"\x00")
    table.hear(fresh, 60)
    assert [close.connection_id for close in table.find_quiet(50)] == [3]
    waiting.waits.clear()
    assert {close.connection_id for close in table.find_quiet(60)} == {0, 2, 3}
    assert {close.cause for close in table.find_quiet(60)} == {CloseCause.STOPPING}
