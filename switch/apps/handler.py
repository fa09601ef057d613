"""The handler role: takes the partitions that are proposed to it, decides, and hands them over."""

import asyncio
import functools
from collections.abc import Callable
from typing import Final

from switch.adapters.clock import read_boot_ms, read_clock
from switch.adapters.telemetry import Telemetry
from switch.apps.owned_partition import Links, OwnedPartition
from switch.apps.ownership import Proposer
from switch.apps.partition_keeper import KeeperParts, PartitionKeeper, SeenMembers, Snapshots
from switch.apps.partition_metrics import PartitionMetrics
from switch.apps.registry_follower import RegistryFollower
from switch.apps.reply_writer import ReplyWriter
from switch.domain.upstream import UpstreamAnswer
from switch.eventlog.port import EventLog
from switch.eventlog.takeover import ClaimPace
from switch.handlers.settings import PartitionSettings
from switch.security.keys import Keys

SHOW_INTERVAL_MS: Final = 1_000
TICK_MS: Final = 20  # how late a timer of a partition may be noticed
MEMBERS_INTERVAL_MS: Final = 100
DEADLINE_MARGIN_MS: Final = 2_000  # an owner that drains for its whole bound is not cut short
STOP_MARGIN_MS: Final = 2_000  # beyond the drain: for the release and its acknowledgement


class HandlerRole:
    """
    Keeps every partition that is proposed to it, in parallel, each served as soon as it is folded.

    `stop` hands all of them over.
    """

    def __init__(
        self,
        *,
        owner: str,
        settings: PartitionSettings,
        event_log: EventLog,
        registry: RegistryFollower,
        keys: Keys,
        links: Links,
        telemetry: Telemetry,
        append_deadline_ms: int,
        drain_ms: int,
        proposer: Proposer,
        snapshots: Snapshots | None = None,
    ) -> None:
        self._owner = owner
        self._registry = registry
        self._links = links
        self._log = telemetry.log
        self._drain_ms = drain_ms
        self._proposer = proposer
        self._snapshots = snapshots
        self._replies = ReplyWriter(event_log, telemetry.log)
        self._seen = SeenMembers(None, 0)
        self._parts = KeeperParts(
            owner=owner,
            settings=settings,
            event_log=event_log,
            registry=registry,
            keys=keys,
            links=links,
            send_reply=self._replies.send,
            telemetry=telemetry,
            append_deadline_ms=append_deadline_ms,
            drain_ms=drain_ms,
            pace=ClaimPace(
                waits_for_members=proposer.waits_for_members,
                absence_ms=proposer.absence_ms,
                deadline_ms=drain_ms + DEADLINE_MARGIN_MS,
            ),
            watch_members=lambda: self._seen,
            snapshots=snapshots,
        )
        self._keepers: dict[int, PartitionKeeper] = {}
        self._keeping: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._signed_on: frozenset[str] = links.links_signed_on
        self._is_proposed = False
        self._is_stopping = False
        telemetry.readiness.add("partitions", self._why_not_ready)
        telemetry.readiness.add("replies", lambda: self._replies.fault)

    # -- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to take what is proposed; `wait_ready` tells when all of that is served."""
        self._tasks.append(asyncio.create_task(self._tick(), name="partition-timers"))
        if self._proposer.waits_for_members:
            self._tasks.append(asyncio.create_task(self._watch_members(), name="members"))
        self._tasks.append(asyncio.create_task(self._show(), name="partition-metrics"))
        await self._proposer.start(self._owner, self._on_proposed)

    async def wait_ready(self) -> None:
        """Return once something was proposed and all of it is served (or has stopped for good)."""
        await self._until(
            lambda: (
                self._is_proposed
                and all(
                    keeper.state == "serving" or keeper.state.startswith("stopped")
                    for keeper in self._keepers.values()
                )
            )
        )

    async def stop(self) -> None:
        """Hand everything over, within the drain bound; then close."""
        await self._proposer.retire()
        self._is_stopping = True
        for keeper in self._keepers.values():
            keeper.propose(is_wanted=False)
        if self._keeping:
            _, late = await asyncio.wait(
                self._keeping, timeout=(self._drain_ms + STOP_MARGIN_MS) / 1000
            )
            for task in late:
                task.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._keeping, *self._tasks, return_exceptions=True)
        await self._proposer.stop()
        await self._replies.close()
        if self._snapshots is not None:
            await self._snapshots.stop()

    async def _until(self, is_true: Callable[[], bool]) -> None:
        """Look every few milliseconds: the machines know no events of this loop."""
        while not is_true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def _serving(self) -> list[OwnedPartition]:
        found = [keeper.serving for keeper in self._keepers.values()]
        return [owned for owned in found if owned is not None]

    def _why_not_ready(self) -> str:
        """Say in words why this role cannot decide now; empty if it can."""
        if not self._is_proposed:
            return "no partitions were proposed to this process yet"
        return "; ".join(
            f"partition {index}: {keeper.state}"
            for index, keeper in sorted(self._keepers.items())
            if keeper.state != "serving"
        )

    def status(self) -> list[dict[str, object]]:
        """Describe each partition for `/v1/status`."""
        return [keeper.status() for _, keeper in sorted(self._keepers.items())]

    # -- proposals ------------------------------------------------------------------------------

    def _on_proposed(self, partitions: frozenset[int]) -> None:
        """Take what is new, hand over what is gone; nothing is revoked by this alone."""
        if self._is_stopping:
            return
        if self._is_proposed:
            self._log.info("partitions proposed", partitions=sorted(partitions))
        self._is_proposed = True
        for index, keeper in self._keepers.items():
            keeper.propose(is_wanted=index in partitions)
        for index in sorted(partitions - self._keepers.keys()):
            self._keep(index)

    def _keep(self, index: int) -> None:
        keeper = PartitionKeeper(index, self._parts)
        self._keepers[index] = keeper
        task = asyncio.create_task(keeper.run(), name=f"partition-{index}")
        self._keeping.add(task)
        task.add_done_callback(functools.partial(self._end_keeping, keeper))

    def _end_keeping(self, keeper: PartitionKeeper, task: asyncio.Task[None]) -> None:
        """Forget what was handed over; take it again if it was proposed at the last moment."""
        self._keeping.discard(task)
        del self._keepers[keeper.index]
        if keeper.is_wanted and not self._is_stopping:
            self._keep(keeper.index)

    async def _watch_members(self) -> None:
        """Look who is a member while a partition waits for that."""
        while True:
            if any(keeper.state == "following" for keeper in self._keepers.values()):
                members = await self._proposer.find_members()
                self._seen = SeenMembers(members, read_boot_ms())
            await asyncio.sleep(MEMBERS_INTERVAL_MS / 1000)

    async def _show(self) -> None:
        shown = PartitionMetrics(self._parts.telemetry.metrics)
        while True:
            shown.show(self.status())
            await asyncio.sleep(SHOW_INTERVAL_MS / 1000)

    # -- inputs from the links --------------------------------------------------------------------

    def on_issuer_messages(self, answers: list[UpstreamAnswer]) -> None:
        """Give each answer to the partition that its RRN names."""
        now = read_clock()
        by_index: dict[int, list[UpstreamAnswer]] = {}
        for answer in answers:
            text = answer.match.rrn[:2]
            if text.isascii() and text.isdecimal():
                by_index.setdefault(int(text), []).append(answer)
        for index, named in by_index.items():
            keeper = self._keepers.get(index)
            if keeper is not None and keeper.owned is not None:
                keeper.owned.take_answers(named, now)

    def on_links_changed(self) -> None:
        """Tell every partition which links are in service now."""
        now = read_clock()
        signed_on = self._links.links_signed_on
        lost, self._signed_on = self._signed_on - signed_on, signed_on
        links_up = self._links.links_up
        for owned in self._serving():
            owned.feed(functools.partial(owned.partition.on_links, links_up, lost, now))

    # -- time -----------------------------------------------------------------------------------

    async def _tick(self) -> None:
        """Wake the machines for what falls due, and tell them how fresh the registry is."""
        while True:
            await asyncio.sleep(TICK_MS / 1000)
            now = read_clock()
            confirmed = self._registry.confirmed_boot_ms
            for owned in self._serving():
                owned.partition.on_registry_confirmed(confirmed)
                if owned.partition.next_wake_ms() <= now.boot_ms:
                    owned.feed(functools.partial(owned.partition.on_time, now))
