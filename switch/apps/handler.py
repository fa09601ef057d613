"""The handler role: owns partitions of the journal and moves bytes for their state machines."""

import asyncio
import functools
import random
import secrets
import traceback
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from switch.adapters.clock import read_boot_ms, read_clock
from switch.adapters.owned_journal import OwnedJournal, claim_journal
from switch.adapters.telemetry import Logger, Metrics, Telemetry
from switch.apps.recall import OriginalReader
from switch.apps.registry_follower import RegistryFollower
from switch.apps.reply_writer import ReplyWriter
from switch.codec import load_dialect
from switch.domain.cases.state import INBOUND_PARKED
from switch.domain.clock import Now
from switch.domain.payment.events import CaseOpened
from switch.domain.upstream import UpstreamAnswer, UpstreamRequest
from switch.eventlog.inbound import Reply, decode_request
from switch.eventlog.journal import InboundParked, JournalRecord, UnknownEvent
from switch.eventlog.journal_place import Claims
from switch.eventlog.journal_reader import is_claim
from switch.eventlog.port import (
    AppendRefused,
    AppendUnknown,
    EventLog,
    Fenced,
    LogUnavailable,
    PartitionLog,
    PositionOutOfRange,
    StoredRecord,
)
from switch.handlers.actions import AppendRecord, ReadOriginal, SendReply, SendUpstream
from switch.handlers.book import PartitionBook
from switch.handlers.partition import Partition
from switch.handlers.settings import PartitionSettings
from switch.security.keys import Keys

TICK_MS: Final = 20  # how late a timer of a partition may be noticed
READ_WAIT_MS: Final = 500
READ_COUNT_MAX: Final = 256
UNACKNOWLEDGED_COUNT_MAX: Final = 2_000  # a tenth of a second of the log at full speed
RELEASE_WAIT_MS: Final = 1_000
RECLAIM_DELAY_MIN_S: Final = 0.1
RECLAIM_DELAY_MAX_S: Final = 5.0
_EXPECTED_LOSSES: Final = (AppendRefused, AppendUnknown, Fenced, LogUnavailable, UnknownEvent)


class Links(Protocol):
    """The issuer links of this process."""

    @property
    def links_up(self) -> tuple[str, ...]:
        """Names of the links in service, sorted."""
        ...

    @property
    def links_signed_on(self) -> frozenset[str]:
        """Names of the links whose connection stands, written to or not."""
        ...

    def send(self, request: UpstreamRequest) -> bool:
        """Write one message to its link; False if it was certainly not sent."""
        ...


class OwnedPartition:
    """One partition while this process owns it: the machine and its I/O."""

    def __init__(
        self,
        *,
        index: int,
        partition: Partition,
        journal: OwnedJournal[JournalRecord],
        originals: OriginalReader,
        links: Links,
        send_reply: Callable[[Reply], None],
        metrics: Metrics,
        log: Logger,
    ) -> None:
        self._log = log
        self.index = index
        self.partition = partition
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._journal = journal
        self._originals = originals
        self._recalls: set[asyncio.Task[None]] = set()
        self._links = links
        self._send_reply = send_reply
        self._acked_count = 0
        self._pump_handle: asyncio.Handle | None = None
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._room.set()
        self._appends = metrics.counter("switch_journal_appends_total").labels(str(index))
        self._cases_opened = metrics.counter("switch_cases_opened_total")
        self._cases_open = metrics.gauge("switch_cases_open").labels(str(index))
        self._cases_open.set(partition.case_count)

    def _note_cases(self, record: JournalRecord) -> None:
        """Count what a person must look at."""
        for event in record.events:
            if type(event) is CaseOpened:
                self._cases_opened.labels(event.kind).inc()
            elif type(event) is InboundParked:
                self._cases_opened.labels(INBOUND_PARKED).inc()
                self._tell_parked(event)

    def _tell_parked(self, event: InboundParked) -> None:
        """Say loudly that somebody gets no answer, and where to look."""
        self._log.error(
            "request parked as a case: deciding it failed, and its sender gets no answer",
            partition=self.index,
            inbound_offset=event.inbound_offset,
            inbound_id=event.inbound_id,
            fault=event.fault,
        )

    def stop(self, error: Exception) -> None:
        """Act on nothing any more; the owner's task sees why."""
        if not self.lost.done():
            self.lost.set_exception(error)

    async def give_up(self) -> None:
        """Act on nothing any more: its owner has let it go."""
        self.lost.cancel()
        for task in self._recalls:
            task.cancel()
        await asyncio.gather(*self._recalls, return_exceptions=True)
        await self._originals.close()

    def feed(self, take: Callable[[], None]) -> None:
        """Give the machine an input and do what it asks for; a fault in it stops the partition."""
        if self.lost.done():
            return
        try:
            take()
            self._pump()
        except Exception as error:  # noqa: BLE001 - its state may be half changed: claim anew
            self.stop(error)

    def _pump(self) -> None:
        """Carry out what the machine asks for, in order."""
        partition = self.partition
        while actions := partition.take_actions():
            for action in actions:
                if isinstance(action, AppendRecord):
                    self._journal.append(action.record, self._on_append)
                    self._note_cases(action.record)
                elif isinstance(action, SendUpstream):
                    self._send_upstream(action)
                elif isinstance(action, SendReply):
                    self._send_reply(action.reply)
                elif isinstance(action, ReadOriginal):
                    self._begin_recall(action.rrn)
        if partition.unacknowledged_count > UNACKNOWLEDGED_COUNT_MAX:
            self._room.clear()
        elif not self._room.is_set():
            self._room.set()

    def _begin_recall(self, rrn: str) -> None:
        """Read an original beside everything else; the machine bounds how many at a time."""
        task = self._loop.create_task(self._recall(rrn), name=f"recall-{rrn}")
        self._recalls.add(task)
        task.add_done_callback(self._recalls.discard)

    async def _recall(self, rrn: str) -> None:
        """Read, then let the machine go on, whatever was found."""
        recalled = await self._originals.read(rrn, self._journal.next_offset)
        if recalled.fault:
            self._log.warning("original not read", partition=self.index, reason=recalled.fault)
        payment, fault = recalled
        now = read_clock()
        self.feed(lambda: self.partition.on_original(rrn, payment, fault, now))

    async def wait_for_room(self) -> None:
        """Wait while too many records are on their way; the inbound log holds the rest."""
        await self._room.wait()

    def _send_upstream(self, action: SendUpstream) -> None:
        """Look at the clock directly before the socket write (docs/design.md 3, send window)."""
        late = action.send_before_boot_ms and read_boot_ms() > action.send_before_boot_ms
        sent = not late and self._links.send(action.request)
        if not sent and action.send_before_boot_ms:
            self.partition.on_not_sent(action.request.match.rrn, read_clock())

    def _on_append(self, outcome: int | Exception) -> None:
        """Count acknowledgements; all that came at once are taken in one go."""
        if isinstance(outcome, Exception):
            self.stop(outcome)
            return
        self._acked_count += 1
        if self._pump_handle is None:
            self._pump_handle = self._loop.call_soon(self._take_acks)

    def _take_acks(self) -> None:
        self._pump_handle = None
        count, self._acked_count = self._acked_count, 0
        self._appends.inc(count)
        self._cases_open.set(self.partition.case_count)
        now = read_clock()

        def take() -> None:
            for _ in range(count):
                self.partition.on_appended(now)

        self.feed(take)


class HandlerRole:
    """
    Owns every partition of the log, decides, and keeps what it owns alive.

    A partition that is lost (an append without an answer, a foreign claim) is dropped with all its
    state and claimed anew, with a growing, jittered delay.
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
    ) -> None:
        self._owner = owner
        self._settings = settings
        self._event_log = event_log
        self._registry = registry
        self._keys = keys
        self._links = links
        self._metrics = telemetry.metrics
        self._log = telemetry.log
        telemetry.readiness.add("partitions", self._why_not_ready)
        self._append_deadline_ms = append_deadline_ms
        self._drain_ms = drain_ms
        self._replies = ReplyWriter(event_log, 0, telemetry.log)
        self._owned: dict[int, OwnedPartition] = {}
        self._states: dict[int, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._signed_on: frozenset[str] = links.links_signed_on
        self._stopping = False

    # -- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to take every partition; `wait_ready` tells when all are served."""
        await self._replies.open()
        for index in range(self._event_log.partition_count):
            self._states[index] = "claiming"
            self._tasks.append(asyncio.create_task(self._keep(index), name=f"partition-{index}"))
        self._tasks.append(asyncio.create_task(self._tick(), name="partition-timers"))

    async def wait_ready(self) -> None:
        """Return once every partition is served (or has stopped for good)."""
        await self._until(lambda: "claiming" not in self._states.values())

    async def stop(self) -> None:
        """Read nothing new, wait for routed payments within the drain bound, release, close."""
        self._stopping = True
        await self._until(
            lambda: not any(owned.partition.routed_count for owned in self._serving()),
            self._drain_ms,
        )
        now = read_clock()
        for owned in self._serving():
            owned.feed(functools.partial(owned.partition.release, self._owner, now))
        await self._until(
            lambda: not any(owned.partition.unacknowledged_count for owned in self._serving()),
            RELEASE_WAIT_MS,
        )
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._replies.close()

    async def _until(self, is_true: Callable[[], bool], within_ms: int | None = None) -> None:
        """Look every few milliseconds: the machines know no events of this loop."""
        deadline = None if within_ms is None else read_boot_ms() + within_ms
        while not is_true() and (deadline is None or read_boot_ms() < deadline):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def _serving(self) -> list[OwnedPartition]:
        return [owned for owned in self._owned.values() if not owned.lost.done()]

    def _why_not_ready(self) -> str:
        """Say in words why this role cannot decide now; empty if it can."""
        return "; ".join(
            f"partition {index}: {state}"
            for index, state in sorted(self._states.items())
            if state != "serving"
        )

    def status(self) -> list[dict[str, object]]:
        """Describe each partition for `/v1/status`."""
        return [
            {
                "partition": index,
                "state": state,
                "open_payments": owned.partition.open_count if owned else 0,
                "forwards_waiting": owned.partition.forwarding_count if owned else 0,
                "inbound_position": owned.partition.next_inbound_offset if owned else 0,
                "answers_not_built": owned.partition.untold_count if owned else 0,
                "open_cases": owned.partition.case_count if owned else 0,
            }
            for index, state in sorted(self._states.items())
            for owned in (self._owned.get(index),)
        ]

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
            owned = self._owned.get(index)
            if owned is not None:
                owned.feed(functools.partial(_take_answers, owned.partition, named, now))

    def on_links_changed(self) -> None:
        """Tell every partition which links are in service now."""
        now = read_clock()
        signed_on = self._links.links_signed_on
        lost, self._signed_on = self._signed_on - signed_on, signed_on
        links_up = self._links.links_up
        for owned in self._serving():
            owned.feed(functools.partial(owned.partition.on_links, links_up, lost, now))

    # -- owning -----------------------------------------------------------------------------------

    async def _keep(self, index: int) -> None:
        """Own a partition for as long as this process lives."""
        delay = RECLAIM_DELAY_MIN_S
        while not self._stopping:
            started = read_boot_ms()
            try:
                await self._own(index)
            except PositionOutOfRange as error:
                self._states[index] = f"stopped: {error}"
                self._log.error("partition stopped", partition=index, reason=str(error))
                return
            except Exception as error:  # noqa: BLE001 - whatever it was: all state is dropped
                self._states[index] = "claiming"
                self._log.warning("partition lost", partition=index, reason=explain_loss(error))
            finally:
                self._owned.pop(index, None)
            delay = (
                RECLAIM_DELAY_MIN_S
                if read_boot_ms() - started > 1_000 * RECLAIM_DELAY_MAX_S
                else min(delay * 2, RECLAIM_DELAY_MAX_S)
            )
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311 - jitter

    async def _own(self, index: int) -> None:
        """Claim, fold, then serve until the partition is lost or the process stops."""
        journal_log = await self._event_log.open_partition("journal", index)
        inbound = await self._event_log.open_partition("inbound", index)
        try:
            owned = await self._claim(index, journal_log)
            self._owned[index] = owned
            self._states[index] = "serving"
            reader = asyncio.create_task(self._read_inbound(inbound, owned))
            try:
                await asyncio.wait({reader, owned.lost}, return_when=asyncio.FIRST_COMPLETED)
                if owned.lost.done():
                    owned.lost.result()
                reader.result()
            finally:
                await owned.give_up()
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
        finally:
            await journal_log.close()
            await inbound.close()

    async def _claim(self, index: int, journal_log: PartitionLog) -> OwnedPartition:
        claim_id = secrets.token_hex(8)
        book = PartitionBook(index, self._settings.partition_count, self._settings.rules)
        claims = Claims()

        def fold(offset: int, record: JournalRecord) -> None:
            if is_claim(record):
                claims.note(offset, record.claim_id)
            book.apply(record)

        journal = await claim_journal(
            journal_log,
            owner=self._owner,
            claim_id=claim_id,
            on_record=fold,
            append_deadline_ms=self._append_deadline_ms,
        )
        await self._registry.wait_for(book.registry_position)
        acked_boot_ms = journal.claim_acked_boot_ms
        await self._until(lambda: self._registry.confirmed_boot_ms >= acked_boot_ms)
        self._metrics.counter("switch_takeovers_total").labels(str(index)).inc()
        partition = Partition(
            index=index,
            claim_id=claim_id,
            settings=self._settings,
            book=book,
            registry=self._registry.view,
            keys=self._keys,
            load_dialect=load_dialect,
        )
        owned = OwnedPartition(
            index=index,
            partition=partition,
            journal=journal,
            originals=OriginalReader(
                lambda: self._event_log.open_partition("journal", index), claims
            ),
            links=self._links,
            send_reply=self._replies.send,
            metrics=self._metrics,
            log=self._log,
        )
        now = read_clock()
        partition.on_registry_confirmed(self._registry.confirmed_boot_ms)
        partition.on_claimed(journal.next_offset, acked_boot_ms, now)
        links_up = self._links.links_up
        owned.feed(functools.partial(partition.on_links, links_up, frozenset(), now))
        return owned

    async def _read_inbound(self, inbound: PartitionLog, owned: OwnedPartition) -> None:
        partition = owned.partition
        while not self._stopping:
            await owned.wait_for_room()
            records = await inbound.read(
                partition.next_inbound_offset, count_max=READ_COUNT_MAX, wait_ms=READ_WAIT_MS
            )
            owned.feed(functools.partial(_take_inbound, partition, records, read_clock()))
        await asyncio.Event().wait()

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


def _take_answers(partition: Partition, answers: list[UpstreamAnswer], now: Now) -> None:
    for answer in answers:
        partition.on_issuer_message(answer, now)


def _take_inbound(partition: Partition, records: list[StoredRecord], now: Now) -> None:
    for offset, value in records:
        try:
            received = decode_request(value)
        except msgspec.MsgspecError as error:
            partition.on_unreadable_inbound(offset, str(error), now)
        else:
            partition.on_inbound(offset, received, now)


def explain_loss(error: Exception) -> str:
    """Say why a partition was lost; of a fault in the program the place, never its words."""
    kind = type(error).__name__
    if isinstance(error, _EXPECTED_LOSSES):
        return f"{kind}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{kind} in {frames[-1].name}, line {frames[-1].lineno}" if frames else kind
