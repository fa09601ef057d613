"""Waits and trace numbers."""

from switch.eventlog.inbound import RequestReceived
from switch.gateway.waiting import RecentStans, Waiting, WaitingTable


def waiting(number: int, deadline: int) -> Waiting:
    request = RequestReceived(
        inbound_id=f"gw-{number}",
        gateway="gw",
        channel="unionpay-pos",
        acquirer="a",
        partition_key="a|m",
        mti="0200",
        fields={"stan": f"{number:06d}", "terminal_id": "t"},
        received_at=0,
        start_before=1,
        deadline_at=2,
    )
    return Waiting(request, deadline)


def test_a_wait_ends_once() -> None:
    table = WaitingTable()
    table.add(waiting(1, 10))
    assert table.take("gw-1") is not None
    assert table.take("gw-1") is None
    assert len(table) == 0


def test_waits_end_at_their_deadlines_first_to_come_first() -> None:
    table = WaitingTable()
    for number in range(3):
        table.add(waiting(number, 10 + number))
    table.take("gw-0")
    assert table.next_deadline() == 11
    assert [ended.request.inbound_id for ended in table.take_due(11)] == ["gw-1"]
    assert table.next_deadline() == 12


def test_a_stan_is_known_for_at_least_one_window() -> None:
    recent = RecentStans(window_ms=100)
    recent.note("a", "t", "000001", 1_000)
    assert recent.knows("a", "t", "000001")
    recent.note("a", "u", "000001", 1_099)
    recent.note("a", "v", "000001", 1_100)
    assert recent.knows("a", "t", "000001")
    recent.note("a", "v", "000002", 1_200)
    assert not recent.knows("a", "t", "000001")


def test_the_memory_of_stans_is_bounded_by_terminals_too() -> None:
    recent = RecentStans(window_ms=1_000_000, count_max=2)
    for number in range(5):
        recent.note("a", f"t{number}", "000001", 0)
    assert recent.knows("a", "t4", "000001")
    assert not recent.knows("a", "t0", "000001")


def test_what_was_not_handed_over_after_all_is_forgotten() -> None:
    recent = RecentStans(window_ms=100)
    recent.note("a", "t", "000001", 0)
    recent.forget("a", "t")
    assert not recent.knows("a", "t", "000001")
    recent.forget("a", "t")
