"""The registry log and the views that follow it, each a little later than the other."""

from typing import NamedTuple

from switch.domain.registry.view import Registry
from tests.simulation.clock import Process, Scheduler

POLL_MS = 50  # how old a view's last look at the end of the log may be


class RegistryEntry(NamedTuple):
    event: object
    appended_ms: int


class RegistryFeed:
    """One writer, any number of followers."""

    def __init__(self, scheduler: Scheduler, events: tuple, draw_delay_ms) -> None:
        self.scheduler = scheduler
        self.entries = [RegistryEntry(event, scheduler.now) for event in events]
        self._draw_delay_ms = draw_delay_ms
        self._followers: list[Follower] = []

    def follow(self, process: Process) -> "Follower":
        follower = Follower(self, process)
        self._followers = [f for f in self._followers if f.process.state != 2]
        self._followers.append(follower)
        return follower

    def append(self, event: object) -> None:
        self.entries.append(RegistryEntry(event, self.scheduler.now))
        for follower in self._followers:
            delay_ms = self._draw_delay_ms()
            self.scheduler.after(delay_ms, follower.process, follower.catch_up)


class Follower:
    """One process's view, and when it was last known to be at the end of the log."""

    def __init__(self, feed: RegistryFeed, process: Process) -> None:
        self.process = process
        self.view = Registry()
        self._feed = feed
        self._stalled_since_ms: int | None = None
        for offset, entry in enumerate(feed.entries):
            self.view.apply(offset, entry.event)

    def catch_up(self) -> None:
        if self._stalled_since_ms is None:
            entries = self._feed.entries
            for offset in range(self.view.position, len(entries)):
                self.view.apply(offset, entries[offset].event)

    def stall(self) -> None:
        """Lose the log: the view stays as it is and ages."""
        if self._stalled_since_ms is None:
            self._stalled_since_ms = self._feed.scheduler.now

    def recover(self) -> None:
        self._stalled_since_ms = None
        self.catch_up()

    @property
    def confirmed_boot_ms(self) -> int:
        """The last moment, on the process's boot clock, at which the view missed nothing."""
        now = self._feed.scheduler.now
        process = self.process
        at = now - now % POLL_MS
        if at < process.woke_ms:
            at = process.paused_ms  # it has not looked again since it woke
        if self._stalled_since_ms is not None:
            at = min(at, self._stalled_since_ms)
        entries, position = self._feed.entries, self.view.position
        if position < len(entries):
            at = min(at, entries[position].appended_ms - 1)
        return at + process.boot_offset_ms
