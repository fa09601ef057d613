"""Simulated time: one queue of what is to happen, and processes whose clocks differ."""

from collections.abc import Callable
from enum import IntEnum
from heapq import heappop, heappush

from switch.domain.clock import Now

START_MS = 1_000_000  # since the simulated machines were started
WALL_AT_START_MS = 1_700_000_000_000


class State(IntEnum):
    RUNNING = 0
    PAUSED = 1
    DEAD = 2


RUNNING, PAUSED, DEAD = State.RUNNING, State.PAUSED, State.DEAD


class Scheduler:
    """
    What happens next, and when; equal times happen in the order in which they were asked for.

    `ticket` numbers everything that witnesses write down: an order that no clock can blur.
    """

    def __init__(self, wall_at_start_ms: int = WALL_AT_START_MS) -> None:
        self.now = START_MS
        self.wall_offset_ms = wall_at_start_ms - START_MS
        self.step_count = 0
        self.ticket = 0
        self._serial = 0
        self._queue: list[tuple[int, int, Process | None, Callable[..., None], tuple]] = []

    def after(
        self, delay_ms: int, process: "Process | None", take: Callable[..., None], *args: object
    ) -> None:
        self._serial = serial = self._serial + 1
        heappush(self._queue, (self.now + delay_ms, serial, process, take, args))

    def at(
        self, due_ms: int, process: "Process | None", take: Callable[..., None], *args: object
    ) -> None:
        self._serial = serial = self._serial + 1
        if due_ms < self.now:  # noqa: PLR1730 - a call of `max` takes longer
            due_ms = self.now
        heappush(self._queue, (due_ms, serial, process, take, args))

    def take_ticket(self) -> int:
        self.ticket += 1
        return self.ticket

    def run(self, until_ms: int, *, step_max: int) -> bool:
        """Let time pass up to `until_ms`; False if that took more than `step_max` steps."""
        queue, pop = self._queue, heappop
        count = 0
        while queue and queue[0][0] <= until_ms:
            due, _, process, take, args = pop(queue)
            # after a jump there are some that should have happened long ago
            if due > self.now:  # noqa: PLR1730
                self.now = due
            count += 1
            if process is None or process.state is RUNNING:
                take(*args)
            elif process.state is PAUSED:
                process.missed.append((take, args))
            if count >= step_max:
                self.step_count += count
                return False
        self.now = max(self.now, until_ms)
        self.step_count += count
        return True


class Process:
    """
    One operating system process on a machine of its own.

    `clock_error_ms` is how wrong its wall clock is; its boot clock counts right from another zero.
    What happens to it while it is paused, happens when it wakes; a dead one comes back as another.
    """

    def __init__(self, scheduler: Scheduler, name: str, boot_offset_ms: int = 0) -> None:
        self.scheduler = scheduler
        self.name = name
        self.state = RUNNING
        self.clock_error_ms = 0
        self.boot_offset_ms = boot_offset_ms
        self.paused_ms = 0
        self.woke_ms = 0
        self.missed: list[tuple[Callable[..., None], tuple]] = []

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"

    def read_clock(self) -> Now:
        scheduler = self.scheduler
        now = scheduler.now
        return Now(now + scheduler.wall_offset_ms + self.clock_error_ms, now + self.boot_offset_ms)

    @property
    def boot_ms(self) -> int:
        return self.scheduler.now + self.boot_offset_ms

    def pause(self) -> None:
        if self.state == RUNNING:
            self.state = PAUSED
            self.paused_ms = self.scheduler.now

    def wake(self) -> None:
        if self.state == PAUSED:
            self.state = RUNNING
            self.woke_ms = self.scheduler.now
            missed, self.missed = self.missed, []
            for take, args in missed:
                self.scheduler.after(0, self, take, *args)

    def die(self) -> None:
        self.state = DEAD
        self.missed.clear()
