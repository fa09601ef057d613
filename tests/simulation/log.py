"""
The simulated log: partitions, and writers whose records land late, whose acks are lost.

It promises what `switch.eventlog.port` promises and nothing more: appends of one writer land in
order or, from the first failure on, not at all; what was on its way may land at any later time.
"""

from collections import deque
from collections.abc import Callable
from random import Random

import msgspec

from switch.eventlog.port import AppendRefused, StoredRecord
from tests.simulation.clock import DEAD, Process, Scheduler

Outcome = int | AppendRefused
FULL = AppendRefused("the log's disk is full; make room, then nothing else is needed")


class Landed(msgspec.Struct, frozen=True, gc=False):
    """One durable record with what only a witness knows: who wrote it, and when."""

    value: bytes
    writer: str
    ticket: int
    landed_ms: int
    appended_ms: int


class SimPartition:
    """What is durable in one partition, and who wants to hear of more."""

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self.scheduler = scheduler
        self.name = name
        self.records: list[Landed | None] = []  # None: an offset without a record
        self._stored: list[StoredRecord | None] = []  # the same, as readers see it
        self._has_holes = False
        self.frozen_until_ms = 0
        self.is_full = False
        self.may_have_holes = name.startswith("journal")
        self.readers: dict[Process, Callable[[], None]] = {}

    @property
    def end(self) -> int:
        return len(self.records)

    def put(self, value: bytes, appended_ms: int, writer: str) -> int:
        scheduler = self.scheduler
        scheduler.ticket = ticket = scheduler.ticket + 1
        offset = len(self.records)
        self.records.append(Landed(value, writer, ticket, scheduler.now, appended_ms))
        self._stored.append(StoredRecord(offset, value))
        return offset

    def put_hole(self) -> None:
        """Use up an offset that no record ever gets."""
        self.records.append(None)
        self._stored.append(None)
        self._has_holes = True

    def read(self, offset: int, end: int) -> list[StoredRecord]:
        stored = self._stored[offset:end]
        return [record for record in stored if record is not None] if self._has_holes else stored

    def tell_readers(self) -> None:
        for reader, hear in self.readers.items():
            if reader.state != DEAD:
                hear()


class SimWriter:
    """One opened partition (one producer): what it was given leaves at once, lands later."""

    __slots__ = (
        "_acked_at",
        "_landing",
        "_lands_at",
        "_log",
        "_on_outcomes",
        "is_cut",
        "is_dead",
        "is_failed",
        "partition",
        "process",
        "queued",
    )

    def __init__(
        self,
        log: "SimLog",
        partition: SimPartition,
        process: Process,
        on_outcomes: Callable[[list[Outcome]], None],
    ) -> None:
        self._log = log
        self.partition = partition
        self.process = process
        self._on_outcomes = on_outcomes
        self.queued: deque[tuple[bytes, int]] = deque()  # with the time of the append
        self._landing = False
        self._lands_at = 0
        self._acked_at = 0
        self.is_cut = False  # the connection is gone: whatever lands, nobody hears of it
        self.is_failed = False
        self.is_dead = False  # something was lost: nothing after it lands either

    def append(self, value: bytes) -> None:
        """Hand one record to the producer; its outcome is told in order, if ever."""
        scheduler = self._log.scheduler
        if self.is_dead:
            return
        # what waits is refused, or not, when its turn comes: outcomes are told in order
        if self.is_failed or (self.partition.is_full and not self.queued):
            self.is_failed = True
            self._tell([FULL])
            return
        self.queued.append((value, scheduler.now))
        if not self._landing:
            self._landing = True
            self._plan_landing()

    def _plan_landing(self) -> None:
        log = self._log
        now = log.scheduler.now
        due = max(now + log.draw_delay_ms(), self.partition.frozen_until_ms, self._lands_at)
        self._lands_at = due
        log.scheduler.at(due, None, self._land)

    def _land(self) -> None:
        """Make what waits durable: all of it in one batch, or only the first few."""
        log, partition, queued = self._log, self.partition, self.queued
        now = log.scheduler.now
        if not queued or now < self._lands_at or now < partition.frozen_until_ms:
            self._landing = bool(queued)
            if queued:
                log.scheduler.at(max(self._lands_at, partition.frozen_until_ms), None, self._land)
            return
        if partition.is_full:
            self._landing = False
            self.is_failed = True
            refused = [FULL] * len(queued)
            queued.clear()
            self._tell(refused)
            return
        count = len(queued)
        if count > 1 and log.random.random() < log.split_rate:
            count = 1 + int(log.random.random() * (count - 1))
        name = self.process.name
        if partition.may_have_holes and log.random.random() < log.hole_rate:
            partition.put_hole()
        offsets = [partition.put(*queued.popleft(), name) for _ in range(count)]
        partition.tell_readers()
        if not self.is_cut and log.lost_ack_rate and log.random.random() < log.lost_ack_rate:
            log.note_fault("lost-ack", partition.name)
            self.is_cut = True
        self._tell(offsets)
        self._landing = bool(queued)
        if queued:
            self._plan_landing()

    def _tell(self, outcomes: list[Outcome]) -> None:
        if self.is_cut:
            return
        log = self._log
        due = max(log.scheduler.now + log.draw_delay_ms(), self._acked_at)
        self._acked_at = due
        log.scheduler.at(due, self.process, self._on_outcomes, outcomes)

    def cut(self, *, lands_late: bool) -> None:
        """
        Lose the connection, or the process that held it.

        What was on its way is lost, or lands late: a stray.
        """
        self.is_cut = True
        if not self.queued:
            return
        log = self._log
        if not lands_late:
            kept = int(log.random.random() * (len(self.queued) + 1))
            self.is_dead = kept < len(self.queued)
            while len(self.queued) > kept:
                self.queued.pop()
        self._lands_at = max(self._lands_at, log.scheduler.now + log.draw_stray_delay_ms())
        log.note_fault("stray", self.partition.name)


class SimLog:
    """All partitions of all logs, and how badly they behave."""

    def __init__(self, scheduler: Scheduler, random: Random, note_fault: Callable) -> None:
        self.scheduler = scheduler
        self.random = random
        self.note_fault = note_fault
        self.partitions: dict[tuple[str, int], SimPartition] = {}
        self.writers: list[SimWriter] = []
        self.delay_max_ms = 8
        self.stray_delay_max_ms = 8_000
        self.lost_ack_rate = 0.0
        self.split_rate = 0.1
        self.hole_rate = 0.0

    def draw_delay_ms(self) -> int:
        return 1 + int(self.random.random() * self.delay_max_ms)

    def draw_stray_delay_ms(self) -> int:
        return int(self.random.random() * self.stray_delay_max_ms)

    def partition(self, log: str, index: int) -> SimPartition:
        found = self.partitions.get((log, index))
        if found is None:
            name = f"{log}[{index}]"
            found = self.partitions[log, index] = SimPartition(self.scheduler, name)
        return found

    def open_writer(
        self, log: str, index: int, process: Process, on_outcomes: Callable[[list[Outcome]], None]
    ) -> SimWriter:
        writer = SimWriter(self, self.partition(log, index), process, on_outcomes)
        self.writers.append(writer)
        return writer

    def cut_writers_of(self, process: Process) -> None:
        """A process died: what its producers held is gone, what they had sent may still land."""
        kept = []
        for writer in self.writers:
            if writer.process is process:
                writer.cut(lands_late=self.random.random() < 0.5)
            else:
                kept.append(writer)
        self.writers = kept

    def delay_writers_of(self, process: Process) -> None:
        """A process is paused: what lies in its own memory leaves when it wakes, or later."""
        for writer in self.writers:
            if writer.process is process and writer.queued:
                writer._lands_at = self.scheduler.now + self.draw_stray_delay_ms()

    def heal(self) -> None:
        self.lost_ack_rate = self.hole_rate = 0.0
        for partition in self.partitions.values():
            partition.frozen_until_ms = 0
            partition.is_full = False
