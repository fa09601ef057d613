"""Handler processes: what each is proposed, has, and lost; and what it hears from its links."""

from functools import partial
from typing import TYPE_CHECKING

from switch.domain.upstream import UpstreamAnswer
from switch.eventlog.port import Fenced
from switch.eventlog.takeover import BackOff
from switch.handlers.book import PartitionBook
from switch.handlers.lanes import LaneSettings
from switch.handlers.settings import PartitionSettings
from tests.simulation.clock import Process
from tests.simulation.links import SimLinks
from tests.simulation.ownership import Ownership

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

SETTLED_MS = 5_000
RECOVERY = {"first_ms": 100, "max_ms": 5_000, "growth": 2, "settled_ms": SETTLED_MS}
FIGHT = {"first_ms": 200, "max_ms": 5_000, "growth": 3, "settled_ms": SETTLED_MS}
SESSION_MS = 1_000  # who was stopped for so long is no member any more


def make_settings(partition_count: int) -> PartitionSettings:
    return PartitionSettings(
        partition_count=partition_count,
        issuer_timeout_ms=3_000,
        lanes=LaneSettings(first_repeat_ms=1_000, repeat_max_ms=5_000, issuer_delay_max_ms=6_000),
    )


class Wish:
    """What one handler knows of a partition that is proposed to it, and how it lost it before."""

    def __init__(self, since_boot_ms: int, view: str) -> None:
        self.since_boot_ms = since_boot_ms
        self.view = view  # of the members: right, none, wrong; or ordinals, which know of none
        self.recovery = BackOff(**RECOVERY)
        self.fight = BackOff(**FIGHT)


class SimHandler(Process):
    """One incarnation of one handler process, with the partitions that it owns or wants."""

    def __init__(self, simulation: "Simulation", place: int, incarnation: str) -> None:
        super().__init__(simulation.scheduler, f"handler-{place}", 77_000 * (place + 1))
        self.simulation = simulation
        self.place = place
        self.incarnation = incarnation
        self.read_delay_ms = 2  # how long an inbound record waits for its reader
        self.follower = simulation.registry.follow(self)
        self.owned: dict[int, Ownership] = {}
        self._wanted: dict[int, Wish] = {}
        self.links = SimLinks(self)

    # -- owning

    def want(self, index: int, view: str = "right") -> None:
        """Be proposed as the owner of a partition."""
        if index in self._wanted:
            return
        self._wanted[index] = Wish(self.boot_ms, view)
        ownership = self.owned.get(index)
        if ownership is None:
            self._take(index)
        else:
            ownership.resume()

    def unwant(self, index: int) -> None:
        """No longer be proposed: hand over what is owned, after a drain."""
        self._wanted.pop(index, None)
        ownership = self.owned.get(index)
        if ownership is not None:
            ownership.drain()

    def _take(self, index: int) -> None:
        if index in self._wanted and index not in self.owned:
            self.owned[index] = Ownership(self, index, self._wanted[index])

    def lost(self, ownership: Ownership, why: Exception | None) -> None:
        """Drop a partition with all its state; take it anew if it is still to be ours."""
        index = ownership.index
        if self.owned.get(index) is not ownership:
            return
        del self.owned[index]
        self.simulation.note_lost(self, index, why)
        wish = self._wanted.get(index)
        if wish is None:
            return
        wish.since_boot_ms = self.boot_ms
        served_ms = self.boot_ms - ownership.served_boot_ms if ownership.served_boot_ms else 0
        back_off = wish.fight if isinstance(why, Fenced) else wish.recovery
        delay_ms = back_off.take_loss(served_ms, self.simulation.random.random())
        self.scheduler.after(delay_ms, self, self._take, index)

    # -- inputs from the links

    def on_issuer_messages(self, answers: list[UpstreamAnswer]) -> None:
        now = self.read_clock()
        for answer in answers:
            text = answer.match.rrn[:2]
            if text.isascii() and text.isdecimal():
                ownership = self.owned.get(int(text))
                if ownership is not None and ownership.partition is not None:
                    ownership.feed(partial(ownership.partition.on_issuer_message, answer, now))

    def on_links_changed(self, links_up: tuple[str, ...], lost: frozenset[str]) -> None:
        now = self.read_clock()
        for ownership in list(self.owned.values()):
            if ownership.partition is not None:
                ownership.feed(partial(ownership.partition.on_links, links_up, lost, now))

    def die(self) -> None:
        super().die()
        self.owned.clear()
        self.links.close()
        self.simulation.log.cut_writers_of(self)


def new_book(index: int, settings: PartitionSettings) -> PartitionBook:
    return PartitionBook(index, settings.partition_count, settings.rules)
