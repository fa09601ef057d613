"""One partition from its proposal to its hand-over: follow, claim, serve, drain, release."""

import asyncio
import functools
import random
import secrets
import traceback
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from switch.adapters.clock import read_boot_ms, read_clock
from switch.adapters.owned_journal import OwnedJournal, claim_log, follow_log, read_on
from switch.adapters.telemetry import Telemetry
from switch.apps.owned_partition import Links, OwnedPartition, Surroundings
from switch.apps.recall import OriginalReader
from switch.apps.registry_follower import RegistryFollower
from switch.codec import load_dialect
from switch.eventlog.claims import JOURNAL_FORMAT
from switch.eventlog.inbound import Reply
from switch.eventlog.journal import JournalRecord, PartitionReleased, UnknownEvent
from switch.eventlog.journal_place import JournalPlace
from switch.eventlog.port import (
    AppendRefused,
    AppendUnknown,
    EventLog,
    Fenced,
    LogUnavailable,
    PartitionLog,
    PositionOutOfRange,
)
from switch.eventlog.takeover import BackOff, ClaimPace, ClaimRule, Takeover
from switch.handlers.book import PartitionBook
from switch.handlers.partition import Partition
from switch.handlers.settings import PartitionSettings
from switch.security.keys import Keys

READ_WAIT_MS: Final = 500
READ_COUNT_MAX: Final = 256
PAUSE_MS: Final = READ_WAIT_MS + 1_000  # a read takes so long only for one who was paused
FOLLOW_WAIT_MS: Final = 100  # how late the loss of a membership or a deadline may be noticed
RELEASE_WAIT_MS: Final = 1_000
LAG_INTERVAL_MS: Final = 1_000
SETTLED_MS: Final = 5_000  # whoever served for so long is not fighting, and its log is well
_POLL_S: Final = 0.01  # the machines know no events of this loop
_RECOVERY: Final = {"first_ms": 100, "max_ms": 5_000, "growth": 2}
_FIGHT: Final = {"first_ms": 500, "max_ms": 60_000, "growth": 3}  # each round costs reversals
_EXPECTED_LOSSES: Final = (AppendRefused, AppendUnknown, Fenced, LogUnavailable, UnknownEvent)


class Snapshots(Protocol):
    """Snapshots of partitions, as the one who serves them sees it."""

    async def load(
        self, index: int, journal: PartitionLog
    ) -> tuple[JournalPlace, PartitionBook] | None:
        """Return the newest that fits the journal, and the place in it that it stands at."""
        ...

    def note_acked(
        self,
        index: int,
        *,
        acked_next_offset: int,
        book: PartitionBook,
        place_of: Callable[[], JournalPlace],
    ) -> None:
        """Take note that all below an offset was acked in order; begin a snapshot when due."""
        ...

    def forget(self, index: int) -> None:
        """Throw away what is being made: the partition was lost, or offsets were not foreseen."""
        ...

    def newest_offset(self, index: int) -> int:
        """Return how far the newest one goes, -1 if there is none."""
        ...

    async def stop(self) -> None:
        """Leave what is being made."""
        ...


class SeenMembers(NamedTuple):
    """Who was a member of the group of owners, and when that was seen; None: it was not told."""

    members: frozenset[str] | None
    boot_ms: int


class KeeperParts(NamedTuple):
    """What every partition of one process is kept with."""

    owner: str
    settings: PartitionSettings
    event_log: EventLog
    registry: RegistryFollower
    keys: Keys
    links: Links
    send_reply: Callable[[Reply], None]
    telemetry: Telemetry
    append_deadline_ms: int
    drain_ms: int
    pace: ClaimPace
    watch_members: Callable[[], SeenMembers]  # what was seen last
    snapshots: Snapshots | None


class PartitionKeeper:
    """
    Takes one partition when it is proposed, serves it, and hands it over when it no longer is.

    What is lost (an append without an answer, a foreign claim) is dropped with all its state and
    taken again, with growing, jittered delays, for as long as it is proposed.
    """

    def __init__(self, index: int, parts: KeeperParts) -> None:
        self.index = index
        self.state = "folding"
        self.is_wanted = True
        self.owned: OwnedPartition | None = None
        self._parts = parts
        self._log = parts.telemetry.log
        self._changed = asyncio.Event()
        self._may_read = asyncio.Event()
        self._since_boot_ms = read_boot_ms()
        self._served_boot_ms = 0
        self._takeover: Takeover[JournalRecord] | None = None
        self._inbound_end = 0
        self._journal_end = 0  # as far as it was acknowledged or read: it is never shorter
        self._gap_count = 0
        self._recovery = BackOff(**_RECOVERY, settled_ms=SETTLED_MS)
        self._fight = BackOff(**_FIGHT, settled_ms=SETTLED_MS)
        label, metrics = str(index), parts.telemetry.metrics
        self._takeovers = metrics.counter("switch_takeovers_total").labels(label)
        self._is_owned = metrics.gauge("switch_partition_owned").labels(label)
        self._lag = metrics.gauge("switch_partition_lag").labels(label)
        self._voids = metrics.counter("switch_journal_void_records_total").labels(label)
        self._void_count = 0

    # -- asking and telling -----------------------------------------------------------------------

    @property
    def serving(self) -> OwnedPartition | None:
        """The partition while it decides."""
        owned = self.owned
        return None if owned is None or owned.lost.done() else owned

    def propose(self, *, is_wanted: bool) -> None:
        """Take note of whether this partition is proposed to this process."""
        if is_wanted and not self.is_wanted:
            self._since_boot_ms = read_boot_ms()
        self.is_wanted = is_wanted
        self._changed.set()

    def status(self) -> dict[str, object]:
        """Describe the partition for `/v1/status`."""
        found, owned = self._takeover, self.owned
        partition = owned.partition if owned else None
        journal = owned.journal if owned else None
        position = partition.next_inbound_offset if partition else 0
        snapshots = self._parts.snapshots
        return {
            "partition": self.index,
            "state": self.state,
            "owner": found.owner if found else "",
            "epoch": found.epoch if found else -1,
            "claimed_at": found.claimed_at if found else 0,
            "inbound_position": position,
            "inbound_end": max(position, self._inbound_end),
            "inbound_lag": max(0, self._inbound_end - position) if partition else 0,
            "journal_end": journal.next_offset if journal else found.next_offset if found else 0,
            "void_records": journal.void_count if journal else found.void_count if found else 0,
            "unknown_payments": partition.open_count if partition else 0,
            "forwards_waiting": partition.forwarding_count if partition else 0,
            "open_cases": partition.case_count if partition else 0,
            "answers_not_built": partition.untold_count if partition else 0,
            "snapshot_offset": snapshots.newest_offset(self.index) if snapshots else -1,
        }

    # -- life -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the partition until it is no longer proposed and was handed over."""
        while self.is_wanted:
            self._served_boot_ms = 0
            try:
                await self._own()
            except PositionOutOfRange as error:
                self.state = f"stopped: {error}"
                self._log.error("partition stopped", partition=self.index, reason=str(error))
                await self._until(lambda: not self.is_wanted)
            except Exception as error:  # noqa: BLE001 - whatever it was: all state is dropped
                await self._recover(error)
            finally:
                self._let_go()

    def _let_go(self) -> None:
        found = self.owned.journal if self.owned else self._takeover
        self._journal_end = max(self._journal_end, found.next_offset if found else 0)
        self.owned = self._takeover = None
        self._is_owned.set(0)
        self._lag.set(0)
        if self._parts.snapshots is not None:
            self._parts.snapshots.forget(self.index)

    async def _recover(self, error: Exception) -> None:
        """Say why it was lost, and wait a while before it is claimed again."""
        self._let_go()
        now = read_boot_ms()
        served_ms = now - self._served_boot_ms if self._served_boot_ms else 0
        self._since_boot_ms = now  # whoever has it now has his time, too
        back_off = self._fight if isinstance(error, Fenced) else self._recovery
        delay_ms = back_off.take_loss(served_ms, random.random())  # noqa: S311 - jitter
        self.state = "claiming"
        self._log.warning(
            "partition lost",
            partition=self.index,
            reason=explain_loss(error),
            again_in_ms=delay_ms,
        )
        await self._until(lambda: not self.is_wanted, delay_ms)

    async def _until(self, is_true: Callable[[], bool], within_ms: int | None = None) -> None:
        """Look every few milliseconds."""
        deadline = None if within_ms is None else read_boot_ms() + within_ms
        while not is_true() and (deadline is None or read_boot_ms() < deadline):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)

    async def _own(self) -> None:
        """Follow, claim, then serve until the partition is lost or handed over."""
        event_log = self._parts.event_log
        journal_log = await event_log.open_partition("journal", self.index)
        inbound = await event_log.open_partition("inbound", self.index)
        try:
            book = await self._fold(journal_log)
            # connected before the claim, and its position looked at: an owner begins at once
            await inbound.read(book.watermark, count_max=1, wait_ms=0)
            if not await self._follow(journal_log):
                return
            owned = await self._claim(journal_log, book)
            if owned is not None:
                await self._serve(owned, book, inbound)
        finally:
            await journal_log.close()
            await inbound.close()

    # -- taking -----------------------------------------------------------------------------------

    async def _fold(self, log: PartitionLog) -> PartitionBook:
        """Fold the journal as far as it goes now, from the newest snapshot on."""
        self.state = "folding"
        parts = self._parts
        loaded = (
            await parts.snapshots.load(self.index, log) if parts.snapshots is not None else None
        )
        place, book = loaded or (
            JournalPlace(),
            PartitionBook(self.index, parts.settings.partition_count, parts.settings.rules),
        )
        self._takeover = takeover = Takeover(
            JOURNAL_FORMAT.decode, on_record=lambda _, record: book.apply(record), place=place
        )
        await follow_log(log, takeover, known_end=self._journal_end)
        self._note_voids(takeover.void_count)
        return book

    async def _follow(self, log: PartitionLog) -> bool:
        """Go on folding until one may claim; False: no longer proposed."""
        assert self._takeover is not None
        parts, takeover = self._parts, self._takeover
        rule = ClaimRule(owner=parts.owner, pace=parts.pace, since_boot_ms=self._since_boot_ms)
        while self.is_wanted:
            now = read_boot_ms()
            reason = rule.find_reason(takeover, now)
            # who cannot read the registry would take it from somebody, and decide nothing
            if reason is not None and not parts.registry.fault:
                self._log.info("partition is claimed", partition=self.index, because=reason.value)
                return True
            self.state = "following"
            await read_on(log, takeover, FOLLOW_WAIT_MS)
            rule.note_members(takeover, *parts.watch_members())
        return False

    async def _claim(self, log: PartitionLog, book: PartitionBook) -> OwnedPartition | None:
        """Claim, and wait for a registry read after it; None: no longer proposed meanwhile."""
        assert self._takeover is not None
        parts, takeover = self._parts, self._takeover
        self.state = "claiming"
        journal = await claim_log(
            log,
            JOURNAL_FORMAT,
            takeover,
            owner=parts.owner,
            claim_id=secrets.token_hex(8),
            append_deadline_ms=parts.append_deadline_ms,
        )
        self._takeovers.inc()
        self._is_owned.set(1)
        acked_boot_ms = journal.claim_acked_boot_ms
        registry = parts.registry
        await registry.confirm()
        await self._until(
            lambda: (
                not self.is_wanted
                or (
                    registry.position >= book.registry_position
                    and registry.confirmed_boot_ms >= acked_boot_ms
                )
            )
        )
        if not self.is_wanted:
            await self._release_unserved(journal, book)
            return None
        return self._make_owned(journal, book)

    async def _release_unserved(
        self, journal: OwnedJournal[JournalRecord], book: PartitionBook
    ) -> None:
        """Give a claim back that nothing was decided under."""
        now = read_clock()
        heard = asyncio.Event()
        released = PartitionReleased(owner=self._parts.owner, at=now.wall_ms)
        journal.append(
            JournalRecord(
                claim_id=journal.claim_id,
                at=now.wall_ms,
                watermark=book.watermark,
                registry_position=book.registry_position,
                events=(released,),
            ),
            lambda _outcome: heard.set(),
        )
        await self._until(heard.is_set, RELEASE_WAIT_MS)

    def _make_owned(
        self, journal: OwnedJournal[JournalRecord], book: PartitionBook
    ) -> OwnedPartition:
        assert self._takeover is not None
        parts, index, claims = self._parts, self.index, self._takeover.claims
        partition = Partition(
            index=index,
            claim_id=journal.claim_id,
            settings=parts.settings,
            book=book,
            registry=parts.registry.view,
            keys=parts.keys,
            load_dialect=load_dialect,
        )
        self._gap_count = journal.gap_count
        owned = OwnedPartition(
            index=index,
            partition=partition,
            journal=journal,
            originals=OriginalReader(
                lambda: parts.event_log.open_partition("journal", index), claims
            ),
            surroundings=Surroundings(
                links=parts.links,
                send_reply=parts.send_reply,
                on_acked=functools.partial(self._note_acked, journal, book),
                metrics=parts.telemetry.metrics,
                log=self._log,
            ),
        )
        now = read_clock()
        partition.on_registry_confirmed(parts.registry.confirmed_boot_ms)
        partition.on_claimed(journal.next_offset, journal.claim_acked_boot_ms, now)
        links_up = parts.links.links_up
        owned.feed(functools.partial(partition.on_links, links_up, frozenset(), now))
        return owned

    # -- serving ----------------------------------------------------------------------------------

    async def _serve(
        self, owned: OwnedPartition, book: PartitionBook, inbound: PartitionLog
    ) -> None:
        """Decide what comes in until it is lost, or handed over."""
        self.owned = owned
        self.state = "serving"
        self._served_boot_ms = read_boot_ms()
        self._note_acked(owned.journal, book)  # what was folded may be due for a snapshot
        self._may_read.set()
        reader = asyncio.create_task(self._read_inbound(inbound, owned))
        ending = asyncio.create_task(self._hand_over(owned))
        try:
            await asyncio.wait({reader, ending, owned.lost}, return_when=asyncio.FIRST_COMPLETED)
            if owned.lost.done():
                owned.lost.result()
            if reader.done():
                reader.result()
            if ending.done():
                ending.result()
        finally:
            await owned.give_up()
            reader.cancel()
            ending.cancel()
            await asyncio.gather(reader, ending, return_exceptions=True)

    async def _read_inbound(self, inbound: PartitionLog, owned: OwnedPartition) -> None:
        partition, registry = owned.partition, self._parts.registry
        looked_boot_ms = 0
        while True:
            await self._may_read.wait()
            await owned.wait_for_room()
            asked_boot_ms = read_boot_ms()
            records = await inbound.read(
                partition.next_inbound_offset, count_max=READ_COUNT_MAX, wait_ms=READ_WAIT_MS
            )
            if read_boot_ms() - asked_boot_ms > PAUSE_MS:
                await owned.journal.look_behind()
            if records:
                await registry.refresh()
                partition.on_registry_confirmed(registry.confirmed_boot_ms)
            if self._may_read.is_set():  # else they are left to a successor
                owned.take_inbound(records)
            now = read_boot_ms()
            if not records:
                self._note_lag(partition, partition.next_inbound_offset)
            elif now - looked_boot_ms >= LAG_INTERVAL_MS:
                looked_boot_ms = now
                self._note_lag(partition, await inbound.end())

    def _note_lag(self, partition: Partition, end: int) -> None:
        self._inbound_end = end
        self._lag.set(max(0, end - partition.next_inbound_offset))

    def _note_acked(self, journal: OwnedJournal[JournalRecord], book: PartitionBook) -> None:
        """Tell of what was acked: void records met, and how far a snapshot may go."""
        self._note_voids(journal.void_count)
        snapshots, owned = self._parts.snapshots, self.owned
        if snapshots is None or owned is None or owned.is_released:
            return
        if journal.gap_count != self._gap_count:
            self._gap_count = journal.gap_count
            snapshots.forget(self.index)
        if journal.is_reading_gap or journal.failure is not None:
            return  # the place would be foreseen too low, or the book hold what was never appended
        snapshots.note_acked(
            self.index,
            acked_next_offset=journal.next_offset,
            book=book,
            place_of=functools.partial(self._find_place, journal),
        )

    def _find_place(self, journal: OwnedJournal[JournalRecord]) -> JournalPlace:
        """Where the book stands now, records on their way included."""
        assert self._takeover is not None
        return JournalPlace(
            next_offset=journal.next_append_offset,
            claim_id=journal.claim_id,
            epoch=journal.epoch,
            void_count=journal.void_count,
            claims=self._takeover.claims.list(),
        )

    def _note_voids(self, count: int) -> None:
        """Count each void record once, however often the journal is folded."""
        if count > self._void_count:
            self._voids.inc(count - self._void_count)
            self._void_count = count

    # -- handing over -----------------------------------------------------------------------------

    async def _hand_over(self, owned: OwnedPartition) -> None:
        """
        Wait until it is no longer proposed; then drain, and release as the last word.

        Proposed again before the release, it goes on as if nothing had been. A drain waits for
        payments that are routed, never for what must still be told an issuer.
        """
        while True:
            while self.is_wanted:
                self._changed.clear()
                await self._changed.wait()
            self.state = "draining"
            self._may_read.clear()
            await self._until(
                lambda: self.is_wanted or not owned.partition.routed_count,
                self._parts.drain_ms,
            )
            if not self.is_wanted:
                break
            self.state = "serving"
            self._may_read.set()
        owned.release(self._parts.owner)
        await self._until(lambda: not owned.partition.unacknowledged_count, RELEASE_WAIT_MS)


def explain_loss(error: Exception) -> str:
    """Say why a partition was lost; of a fault in the program the place, never its words."""
    kind = type(error).__name__
    if isinstance(error, _EXPECTED_LOSSES):
        return f"{kind}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{kind} in {frames[-1].name}, line {frames[-1].lineno}" if frames else kind
