"""One partition while this process owns it: the machine and its I/O."""

import asyncio
import functools
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

import msgspec

from switch.adapters.clock import read_boot_ms, read_clock
from switch.adapters.owned_journal import OwnedJournal
from switch.adapters.telemetry import Logger, Metrics
from switch.apps.recall import OriginalReader
from switch.domain.cases.state import INBOUND_PARKED
from switch.domain.clock import Now
from switch.domain.payment.events import CaseOpened
from switch.domain.payment.requests import Answer
from switch.domain.upstream import UpstreamAnswer, UpstreamRequest
from switch.eventlog.inbound import Reply, decode_request, traceparent_of
from switch.eventlog.journal import InboundParked, JournalRecord
from switch.eventlog.port import StoredRecord
from switch.handlers.actions import AppendRecord, ReadOriginal, SendReply, SendUpstream
from switch.handlers.partition import Partition

UNACKNOWLEDGED_COUNT_MAX: Final = 2_000  # a tenth of a second of the log at full speed


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

    def send(self, request: UpstreamRequest, on_dropped: Callable[[], None] | None = None) -> bool:
        """Write one message to its link; False if it was certainly not sent."""
        ...


class Surroundings(NamedTuple):
    """What the machine of a partition acts upon, and whom it tells."""

    links: Links
    send_reply: Callable[[Reply], None]
    on_acked: Callable[[], None]  # records were acked, and their effects have happened
    metrics: Metrics
    log: Logger


class _PartitionCounts:
    """What a partition shows of itself as metrics; once it is lost or let go, nothing of it."""

    def __init__(self, metrics: Metrics, index: int) -> None:
        label = str(index)
        self.appends = metrics.counter("switch_journal_appends_total").labels(label)
        self.answers = metrics.counter("switch_answers_total")
        self.cases_opened = metrics.counter("switch_cases_opened_total")
        self._label = label
        self._cases = metrics.gauge("switch_cases_open").labels(label)
        self._unknown = metrics.gauge("switch_payments_unknown").labels(label)
        self._journal_end = metrics.gauge("switch_journal_end_offset").labels(label)
        self._forwards = metrics.gauge("switch_forwards_waiting")
        self._links: set[str] = set()

    def show(self, partition: Partition, journal_end: int) -> None:
        """Show what it holds now."""
        self._cases.set(partition.case_count)
        self._unknown.set(partition.open_count)
        self._journal_end.set(journal_end)
        for link, count in partition.forwarding_counts.items():
            self._links.add(link)
            self._forwards.labels(link, self._label).set(count)

    def clear(self) -> None:
        """Show that nothing of it is here any more."""
        self._cases.set(0)
        self._unknown.set(0)
        self._journal_end.set(0)
        for link in self._links:
            self._forwards.labels(link, self._label).set(0)


class OwnedPartition:
    """Feeds the machine of one partition and does what it asks for, until it is lost or let go."""

    def __init__(
        self,
        *,
        index: int,
        partition: Partition,
        journal: OwnedJournal[JournalRecord],
        originals: OriginalReader,
        surroundings: Surroundings,
    ) -> None:
        self.index = index
        self.partition = partition
        self.journal = journal
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_released = False
        self._originals = originals
        self._recalls: set[asyncio.Task[None]] = set()
        self._links = surroundings.links
        self._send_reply = surroundings.send_reply
        self._on_acked = surroundings.on_acked
        self._log = surroundings.log
        self._acked_count = 0
        self._pump_handle: asyncio.Handle | None = None
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._room.set()
        self._inbound_ids: dict[int, str] = {}  # of the records fed last
        self._counts = _PartitionCounts(surroundings.metrics, index)
        self._counts.show(partition, journal.next_offset)
        self.lost.add_done_callback(lambda _: self._counts.clear())

    # -- the end --------------------------------------------------------------------------------

    def stop(self, error: Exception) -> None:
        """Act on nothing any more; the owner's task sees why."""
        if not self.lost.done():
            self.lost.set_exception(error)

    def release(self, owner: str) -> None:
        """Write the last record; nothing is decided after it, its acknowledgement is waited for."""
        now = read_clock()
        self.feed(functools.partial(self.partition.release, owner, now))
        self.is_released = True

    async def give_up(self) -> None:
        """Act on nothing any more: its owner has let it go."""
        self.lost.cancel()
        for task in self._recalls:
            task.cancel()
        await asyncio.gather(*self._recalls, return_exceptions=True)
        await self._originals.close()

    # -- inputs ---------------------------------------------------------------------------------

    def feed(self, take: Callable[[], None]) -> None:
        """Give the machine an input and do what it asks for; a fault in it stops the partition."""
        if not self.is_released:
            self._feed(take)

    def _feed(self, take: Callable[[], None]) -> None:
        if self.lost.done():
            return
        try:
            take()
            self._pump()
        except Exception as error:  # noqa: BLE001 - its state may be half changed: claim anew
            self.stop(error)

    def take_inbound(self, records: list[StoredRecord]) -> None:
        """Let the machine decide the next inbound records."""
        self._inbound_ids.clear()
        self.feed(functools.partial(self._take_inbound, records, read_clock()))

    def _take_inbound(self, records: list[StoredRecord], now: Now) -> None:
        partition = self.partition
        for offset, value in records:
            try:
                received = decode_request(value)
            except msgspec.MsgspecError as error:
                partition.on_unreadable_inbound(offset, str(error), now)
            else:
                self._inbound_ids[offset] = received.inbound_id
                partition.on_inbound(offset, received, now)

    def take_answers(self, answers: list[UpstreamAnswer], now: Now) -> None:
        """Give the machine messages of issuers that quote RRNs of this partition."""
        partition = self.partition

        def take() -> None:
            for answer in answers:
                partition.on_issuer_message(answer, now)

        self.feed(take)

    async def wait_for_room(self) -> None:
        """Wait while too many records are on their way; the inbound log holds the rest."""
        await self._room.wait()

    # -- what the machine asks for --------------------------------------------------------------

    def _pump(self) -> None:
        """Carry out what the machine asks for, in order."""
        partition = self.partition
        while actions := partition.take_actions():
            for action in actions:
                if isinstance(action, AppendRecord):
                    self._append(action.record)
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

    def _append(self, record: JournalRecord) -> None:
        inbound_id = self._inbound_ids.get(record.inbound_offset, "")
        traceparent = traceparent_of(inbound_id) if inbound_id else ""
        self.journal.append(record, self._on_append, traceparent=traceparent)
        self._note(record)

    def _begin_recall(self, rrn: str) -> None:
        """Read an original beside everything else; the machine bounds how many at a time."""
        task = self._loop.create_task(self._recall(rrn), name=f"recall-{rrn}")
        self._recalls.add(task)
        task.add_done_callback(self._recalls.discard)

    async def _recall(self, rrn: str) -> None:
        """Read, then let the machine go on, whatever was found."""
        recalled = await self._originals.read(rrn, self.journal.next_offset)
        if recalled.fault:
            self._log.warning("original not read", partition=self.index, reason=recalled.fault)
        payment, fault = recalled
        now = read_clock()
        self.feed(lambda: self.partition.on_original(rrn, payment, fault, now))

    def _send_upstream(self, action: SendUpstream) -> None:
        """Look at the clock directly before the socket write (docs/design.md 3, send window)."""
        request = action.request
        if not action.send_before_boot_ms:
            self._links.send(request)  # a reversal: its lane comes again
            return
        on_dropped = functools.partial(self._hear_dropped, request.match.rrn)
        is_late = read_boot_ms() > action.send_before_boot_ms
        if is_late or not self._links.send(request, on_dropped):
            self.partition.on_not_sent(request.match.rrn, read_clock())

    def _hear_dropped(self, rrn: str) -> None:
        """Hear that a debit never left, after all."""
        now = read_clock()
        self.feed(lambda: self.partition.on_not_sent(rrn, now))

    # -- acknowledgements -----------------------------------------------------------------------

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
        self._counts.appends.inc(count)
        if not self.lost.done():
            self._counts.show(self.partition, self.journal.next_offset)
        now = read_clock()

        def take() -> None:
            for _ in range(count):
                self.partition.on_appended(now)

        self._feed(take)
        if not self.lost.done():
            self._on_acked()

    def _note(self, record: JournalRecord) -> None:
        """Count what was answered, and what a person must look at."""
        for event in record.events:
            answer = getattr(event, "answer", None)
            if isinstance(answer, Answer):
                self._counts.answers.labels(answer.response_code).inc()
            elif type(event) is CaseOpened:
                self._counts.cases_opened.labels(event.kind).inc()
            elif type(event) is InboundParked:
                self._counts.cases_opened.labels(INBOUND_PARKED).inc()
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
