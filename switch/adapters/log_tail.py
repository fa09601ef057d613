"""The newest records of one partition, kept in memory for readers in the same process."""

import asyncio
from typing import Final, NamedTuple

from switch.eventlog.port import PositionOutOfRange, StoredRecord

TAIL_COUNT_MAX: Final = 8_192  # more than a second of one partition at full load
TAIL_BYTES_MAX: Final = 8 * 1_048_576  # bounds what large records may hold


class LogTail:
    """
    Holds the records from `first_offset` up to `next_offset`, without gaps; wakes who waits.

    Belongs to one event loop. Old records fall out at the bounds, at most one half at a time.
    What is held is bytes only: nothing that the garbage collector would look at, again and again.
    """

    def __init__(
        self,
        next_offset: int,
        *,
        count_max: int = TAIL_COUNT_MAX,
        bytes_max: int = TAIL_BYTES_MAX,
    ) -> None:
        self.first_offset = next_offset
        self.next_offset = next_offset
        self._values: list[bytes] = []
        self._bytes = 0
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._waiters: list[_Waiter] = []
        # One for all who wait: readers come and go with almost every record, deadlines do not.
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0

    def add(self, value: bytes) -> None:
        """Take one more durable record; it gets `next_offset`."""
        self._values.append(value)
        self.next_offset += 1
        self._bytes += len(value)
        if len(self._values) > self._count_max or self._bytes > self._bytes_max:
            self._shrink()

    def _shrink(self) -> None:
        """Drop the older half, so that dropping costs little for each record."""
        drop_count = (len(self._values) + 1) // 2
        self._bytes -= sum(map(len, self._values[:drop_count]))
        del self._values[:drop_count]
        self.first_offset += drop_count

    def find(self, offset: int, count_max: int) -> list[StoredRecord] | None:
        """
        Return records from `offset` on (none at the end); None if they have left the memory.

        Raises:
            PositionOutOfRange: `offset` is above the end.
        """
        if offset > self.next_offset:
            raise PositionOutOfRange(f"offset {offset} is above the end, {self.next_offset}")
        index = offset - self.first_offset
        if index < 0:
            return None
        values = self._values[index : index + count_max]
        return [StoredRecord(at, value) for at, value in enumerate(values, offset)]

    def wake_readers(self) -> None:
        """Let every waiting reader look again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.wake()

    async def wait(self, wait_ms: int) -> None:
        """Return when records were added, or after `wait_ms`."""
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop.create_future(), loop.time() + wait_ms / 1000)
        self._waiters.append(waiter)
        self._watch(waiter.due, loop)
        try:
            await waiter.woken
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _watch(self, due: float, loop: asyncio.AbstractEventLoop) -> None:
        """Look at who waits at `due`, if not before."""
        if self._timer is not None:
            if self._timer_due <= due:
                return
            self._timer.cancel()
        self._timer = loop.call_at(due, self._give_up, loop)
        self._timer_due = due

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let those go whose time is over."""
        self._timer = None
        now = loop.time()
        for waiter in self._waiters:
            if waiter.due <= now:
                waiter.wake()
            else:
                self._watch(waiter.due, loop)


class _Waiter(NamedTuple):
    """Who waits, and until when (time of the loop, seconds)."""

    woken: asyncio.Future[None]
    due: float

    def wake(self) -> None:
        if not self.woken.done():
            self.woken.set_result(None)
