"""Connections: what is sent over one arrives in order (if it is not put aside), late, or never."""

from collections.abc import Callable
from random import Random

from tests.simulation.clock import RUNNING, Process, Scheduler

TORN_RATE = 0.3


class Line:
    """
    One connection between a caller and a listener.

    `hear_*` take the bytes, `lose_*` hear that it is gone; each runs in its own process. A *black*
    line swallows everything from some moment on and tells nobody.
    """

    __slots__ = (
        "_down_at",
        "_scheduler",
        "_up_at",
        "called",
        "caller",
        "delay_max_ms",
        "hear_above",
        "hear_below",
        "is_black",
        "is_open",
        "is_torn",
        "lose_above",
        "lose_below",
        "number",
        "random",
    )

    def __init__(
        self,
        scheduler: Scheduler,
        random: Random,
        number: int,
        caller: Process,
        called: Process,
        *,
        hear_below: Callable[["Line", bytes], None],
        hear_above: Callable[["Line", bytes], None],
        lose_below: Callable[["Line"], None],
        lose_above: Callable[["Line"], None],
        delay_max_ms: int,
    ) -> None:
        self._scheduler = scheduler
        self.random = random
        self.number = number
        self.caller = caller  # below: it opened the connection
        self.called = called  # above
        self.hear_below, self.hear_above = hear_below, hear_above
        self.lose_below, self.lose_above = lose_below, lose_above
        self.delay_max_ms = delay_max_ms
        self.is_open = True
        self.is_black = False
        self.is_torn = False  # closed, and what was still on its way up is lost
        self._up_at = self._down_at = 0

    def send_up(self, frame: bytes, extra_delay_ms: int = 0) -> None:
        """Send towards the one who was called."""
        if self.is_open and not self.is_black:
            self._up_at = due = self._draw_due(self._up_at, extra_delay_ms)
            self._scheduler.at(due, self.called, self._arrive_above, frame)

    def put_aside(self, frame: bytes, delay_ms: int) -> None:
        """Let those above take it up later, and what was sent after it before."""
        if self.is_open and not self.is_black:
            self._scheduler.at(self._draw_due(0, delay_ms), self.called, self._arrive_above, frame)

    def send_down(self, frame: bytes, extra_delay_ms: int = 0) -> None:
        """Send back to the caller."""
        if self.is_open and not self.is_black:
            self._down_at = due = self._draw_due(self._down_at, extra_delay_ms)
            self._scheduler.at(due, self.caller, self._arrive_below, frame)

    def _draw_due(self, not_before: int, extra_delay_ms: int) -> int:
        delay = 1 + int(self.random.random() * self.delay_max_ms) + extra_delay_ms
        return max(self._scheduler.now + delay, not_before)

    def _arrive_above(self, frame: bytes) -> None:
        if not self.is_torn:
            self.hear_above(self, frame)

    def _arrive_below(self, frame: bytes) -> None:
        if self.is_open:
            self.hear_below(self, frame)

    def close(self, closer: Process | None = None) -> None:
        """End the connection; the other side (both, without a closer) hears of it later."""
        if not self.is_open:
            return
        self.is_open = False
        self.is_torn = self.random.random() < TORN_RATE
        scheduler, delay = self._scheduler, 1 + int(self.random.random() * self.delay_max_ms)
        if closer is not self.caller:
            scheduler.at(max(scheduler.now + delay, self._down_at), self.caller, self._tell_below)
        if closer is not self.called:
            scheduler.at(max(scheduler.now + delay, self._up_at), self.called, self._tell_above)

    def _tell_below(self) -> None:
        self.lose_below(self)

    def _tell_above(self) -> None:
        self.lose_above(self)

    @property
    def can_open(self) -> bool:
        return self.called.state == RUNNING
