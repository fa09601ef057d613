"""Every count is moved by what it counts."""

from typing import Any

from switch.gateway.actions import CloseCause


def test_a_day_at_the_gateway_is_counted(world: Any) -> None:
    world.open()
    request = world.hand_over(world.frame())
    world.gateway.deliver(world.reply(request), world.at(1))
    world.gateway.deliver(world.reply(request), world.at(2))
    world.hand_over(world.frame(stan="000124"))
    world.gateway.timer(world.at(5_000))
    world.feed(world.frame(terminal_id="99999999"))
    world.feed(b"\xff\xff")
    counts = world.gateway.counts
    assert (counts.handed, counts.delivered, counts.late_replies, counts.unanswered) == (2, 1, 1, 1)
    assert list(counts.delays) == [("unionpay-pos", 1)]
    assert counts.refused == {"terminal-unknown": 1}
    assert counts.closed == {CloseCause.BAD_FRAME.value: 1}
