"""Who waits, who is late, and that both memories are bounded."""

from switch.domain.upstream import MatchKey
from switch.issuers.pending import Match, PendingRequests


def key(number: int) -> MatchKey:
    return MatchKey("payment", f"{number:06d}", "", "")


def test_the_first_answer_wins_and_the_second_is_late() -> None:
    pending = PendingRequests(wait_ms=100, late_count_max=2)
    pending.add(key(1), 0)
    assert pending.settle(key(1)) is Match.FIRST
    assert pending.settle(key(1)) is Match.LATE
    assert pending.settle(key(2)) is Match.UNKNOWN


def test_requests_expire_in_the_order_in_which_they_were_sent() -> None:
    pending = PendingRequests(wait_ms=100, late_count_max=2)
    pending.add(key(1), 0)
    pending.add(key(2), 50)
    assert pending.next_deadline() == 100
    pending.expire(100)
    assert pending.settle(key(1)) is Match.LATE
    assert pending.settle(key(2)) is Match.FIRST


def test_a_repeat_begins_the_wait_anew() -> None:
    pending = PendingRequests(wait_ms=100, late_count_max=2)
    pending.add(key(1), 0)
    pending.expire(100)
    pending.add(key(1), 150)
    assert pending.next_deadline() == 250
    assert pending.settle(key(1)) is Match.FIRST


def test_a_repeat_waits_at_the_end_of_the_row() -> None:
    pending = PendingRequests(wait_ms=100, late_count_max=2)
    for number, boot_ms in ((1, 0), (2, 10), (1, 20)):
        pending.add(key(number), boot_ms)
    assert (len(pending), pending.next_deadline()) == (2, 110)
    pending.expire(110)
    assert pending.settle(key(2)) is Match.LATE
    assert pending.settle(key(1)) is Match.FIRST


def test_the_memory_of_late_requests_is_bounded() -> None:
    pending = PendingRequests(wait_ms=100, late_count_max=2)
    for number in range(4):
        pending.add(key(number), 0)
    assert pending.give_up() == tuple(key(number) for number in range(4))
    assert [pending.settle(key(number)) for number in range(4)] == [
        Match.UNKNOWN,
        Match.UNKNOWN,
        Match.LATE,
        Match.LATE,
    ]
