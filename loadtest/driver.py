"""
The open loop: payments are sent when they are due, whether or not the switch keeps up.

Latency runs from the moment a payment was meant to be sent, so a switch that stalls is charged for
everything that had to wait behind the stall (no coordinated omission).
"""

import asyncio
import gc
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from loadtest.courses import draw_courses
from loadtest.frames import read_answer, verify_answer
from loadtest.lean_terminal import Course, Ended, LeanTerminal
from loadtest.line import Line
from loadtest.scenario import Scenario
from loadtest.schedule import intended_times, total_duration_s
from loadtest.tally import Tally
from loadtest.told import Told
from switch.codec import Dialect

_TICK_S: Final = 0.001  # the loop's own resolution
_RECONNECT_S: Final = 0.2
_CONNECTING_COUNT_MAX: Final = 100  # below a listener's backlog
_DRAIN_ATTEMPTS: Final = 4  # a sale and three reversals may each wait their full time

clock_s = time.perf_counter


def wall_ms() -> int:
    """Return the time of day in epoch milliseconds."""
    return time.time_ns() // 1_000_000


class Seat:
    """One terminal at its line: what the driver has to remember beside the terminal's own state."""

    __slots__ = ("intended_s", "line", "sent_s", "terminal")

    def __init__(self, terminal: LeanTerminal, line: Line) -> None:
        self.terminal = terminal
        self.line = line
        self.intended_s = 0.0
        self.sent_s = 0.0


class Driver:
    """Runs one scenario over connected terminals; the caller owns the loop."""

    def __init__(
        self,
        scenario: Scenario,
        dialect: Dialect,
        terminals: Sequence[LeanTerminal],
        address: tuple[str, int],
        on_second: Callable[["Driver"], None] = lambda _driver: None,
    ) -> None:
        self.tally = Tally()
        self.told: list[Told] = []
        self.waiting: deque[float] = deque()
        self.started_s = 0.0
        self._scenario = scenario
        self._dialect = dialect
        self._on_second = on_second
        random_source = random.Random(scenario.seed)
        self._courses: Iterator[tuple[Course, int]] = draw_courses(scenario, random_source)
        self._draw_share = random.Random(scenario.seed + 1).random
        self._intended = intended_times(scenario.steps, scenario.arrivals, random_source)
        self._next_s: float | None = None
        self._timeout_s = scenario.answer_timeout_ms / 1000
        self._deadlines: deque[tuple[float, int, Seat]] = deque()
        self._seats = [self._make_seat(terminal, address) for terminal in terminals]
        self._free: deque[Seat] = deque(self._seats)
        self._finished = asyncio.Event()

    def _make_seat(self, terminal: LeanTerminal, address: tuple[str, int]) -> Seat:
        seat = Seat(terminal, Line(address))
        seat.line.on_frame = lambda frame: self._hear(seat, frame)
        seat.line.on_lost = lambda: self._lose(seat)
        return seat

    @property
    def busy_count(self) -> int:
        """Return how many terminals have something outstanding."""
        return len(self._seats) - len(self._free)

    async def connect(self) -> None:
        """
        Connect all terminals, some at a time.

        Raises:
            OSError: the listener refuses.
        """
        for start in range(0, len(self._seats), _CONNECTING_COUNT_MAX):
            batch = self._seats[start : start + _CONNECTING_COUNT_MAX]
            await asyncio.gather(*(seat.line.connect() for seat in batch))

    async def run(self) -> None:
        """Send everything that the schedule holds, then wait until nothing is outstanding."""
        loop = asyncio.get_running_loop()
        gc.collect()
        gc.freeze()
        gc.disable()  # a pause of the client would be charged to the switch
        self.started_s = clock_s()
        self._next_s = next(self._intended, None)
        self._tick(loop)
        try:
            limit_s = total_duration_s(self._scenario.steps) + _DRAIN_ATTEMPTS * self._timeout_s
            await self._watch(limit_s + 1)
        finally:
            gc.enable()
            gc.unfreeze()

    async def _watch(self, limit_s: float) -> None:
        while not self._finished.is_set() and clock_s() - self.started_s < limit_s:
            try:
                await asyncio.wait_for(self._finished.wait(), 1.0)
            except TimeoutError:
                self._on_second(self)
        if not self._finished.is_set():
            self.tally.faults["run: not finished within its bound"] += 1

    def close(self) -> None:
        """Hang up all lines."""
        self._finished.set()
        for seat in self._seats:
            seat.line.close()

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now_s = clock_s() - self.started_s
        while self._next_s is not None and self._next_s <= now_s:
            self._admit(self._next_s)
            self._next_s = next(self._intended, None)
        self._expire(now_s)
        if self._next_s is None and not self.waiting and not self.busy_count:
            self._finished.set()
        if not self._finished.is_set():
            loop.call_later(_TICK_S, self._tick, loop)

    def _admit(self, intended_s: float) -> None:
        self.tally.intended_in_window += intended_s >= self._scenario.warmup_s
        if self._free:
            self._begin(self._free.popleft(), intended_s)
        elif len(self.waiting) < self._scenario.waiting_count_max:
            self.waiting.append(intended_s)
        else:
            self.tally.faults["sale: not sent, no terminal was free"] += 1

    def _begin(self, seat: Seat, intended_s: float) -> None:
        course, amount_minor = next(self._courses)
        seat.intended_s = intended_s
        self.tally.begun += 1
        self._send(seat, seat.terminal.begin(course, amount_minor))

    def _send(self, seat: Seat, frame: bytes) -> None:
        now_s = clock_s() - self.started_s
        seat.sent_s = now_s
        self.tally.sent += 1
        self._deadlines.append((now_s + self._timeout_s, seat.terminal.serial, seat))
        if not seat.line.send(frame):
            self.tally.faults["connection: not there when needed"] += 1

    def _hear(self, seat: Seat, frame: bytes) -> None:
        terminal = seat.terminal
        answer = read_answer(self._dialect, frame)
        if answer is None or not terminal.expects(answer):
            self.tally.faults[
                "answer: unreadable" if answer is None else "answer: not expected"
            ] += 1
            return
        mac_valid = None
        if self._draw_share() < self._scenario.mac_check_share:
            mac_valid = verify_answer(terminal.templates, frame, self._dialect.mac_length)
        self.tally.responses[answer.response_code] += 1
        self._end(seat, terminal.hear(answer, wall_ms(), mac_valid=mac_valid), heard=True)

    def _end(self, seat: Seat, ended: Ended, *, heard: bool) -> None:
        now_s = clock_s() - self.started_s
        self.told.append(ended.told)
        if ended.fault:
            self.tally.faults[ended.fault] += 1
        in_window = seat.intended_s >= self._scenario.warmup_s
        if heard:
            from_s = seat.intended_s if ended.is_first else seat.sent_s
            self.tally.record(ended.label, int((now_s - from_s) * 1e6), counts=in_window)
        if ended.is_first:
            self.tally.ended += 1
            self.tally.answered_in_window += heard and in_window
        if ended.next_frame is not None:
            self._send(seat, ended.next_frame)
        elif self.waiting:
            self._begin(seat, self.waiting.popleft())
        else:
            self._free.append(seat)

    def _expire(self, now_s: float) -> None:
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now_s:
            _, serial, seat = deadlines.popleft()
            if seat.terminal.is_waiting and seat.terminal.serial == serial:
                self._end(seat, seat.terminal.give_up(wall_ms()), heard=False)

    def _lose(self, seat: Seat) -> None:
        if self._finished.is_set():
            return
        self.tally.faults["connection: lost"] += 1
        asyncio.get_running_loop().call_later(_RECONNECT_S, self._reconnect, seat)

    def _reconnect(self, seat: Seat) -> None:
        if not self._finished.is_set():
            seat.line.reconnect_soon()
