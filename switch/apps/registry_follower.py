"""Every role's view of the registry: a fold that follows the log and knows how old it is."""

import asyncio
import contextlib
from typing import Final

from switch.adapters.clock import read_boot_ms
from switch.adapters.telemetry import Telemetry
from switch.domain.registry.view import Registry
from switch.eventlog.journal import PartitionClaimed, PartitionReleased, UnknownEvent
from switch.eventlog.journal_reader import RecordReader
from switch.eventlog.port import (
    EventLog,
    LogUnavailable,
    PartitionLog,
    PositionOutOfRange,
    StoredRecord,
)
from switch.eventlog.registry_record import RegistryRecord, decode_registry_record

READ_COUNT_MAX: Final = 500
RETRY_DELAY_S: Final = 0.5
REFRESH_WAIT_S: Final = 0.5  # a request waits this long at most for a view that is too old
REFRESH_INTERVAL_S: Final = 0.01
NEVER: Final = -1


class RegistryFollower:
    """
    Tails the registry log into `view`.

    `position` is the offset below which everything is folded; `confirmed_boot_ms` when (boot time)
    the view was last known to be at the end of the log. A log that cannot be read leaves the view
    as it is and lets it age, and is opened anew (its writing process may have died); a record that
    cannot be understood stops the follower for good, and nothing confirms the view any more.
    """

    def __init__(
        self, event_log: EventLog, *, poll_wait_ms: int, staleness_max_ms: int, telemetry: Telemetry
    ) -> None:
        self.view = Registry()
        self.confirmed_boot_ms = NEVER
        self.fault = ""
        self._event_log = event_log
        self._asked_in_vain_at = NEVER  # the view's age when asking at once was no help
        self._poll_wait_ms = poll_wait_ms
        self._staleness_max_ms = staleness_max_ms
        self._reader: RecordReader[RegistryRecord] = RecordReader(decode_registry_record)
        self._log = telemetry.log
        self._partition: PartitionLog | None = None
        self._task: asyncio.Task[None] | None = None
        self._advanced = asyncio.Event()
        self._position_gauge = telemetry.metrics.gauge("switch_registry_position")
        telemetry.metrics.gauge("switch_registry_age_ms").set_function(self.age_ms)
        telemetry.readiness.add("registry", self._why_not_ready)

    @property
    def position(self) -> int:
        """The registry offset below which everything is in the view."""
        return self._reader.next_offset

    def age_ms(self) -> int:
        """Milliseconds since the view was confirmed; the time since boot if it never was."""
        return read_boot_ms() - max(self.confirmed_boot_ms, 0)

    def is_confirmed(self, boot_ms: int) -> bool:
        """Whether the view is fresh enough to decide by."""
        return (
            self.confirmed_boot_ms != NEVER
            and boot_ms - self.confirmed_boot_ms <= self._staleness_max_ms
        )

    async def start(self) -> None:
        """
        Open the log, fold all of it, then go on following in a task.

        Raises:
            LogUnavailable: the log is not there.
            UnknownEvent: a newer program wrote it.
        """
        self._partition = await self._event_log.open_partition("registry", 0)
        end = await self._partition.end()
        while self.position < end and await self._step(self._partition, wait_ms=0):
            pass  # the last offsets may hold no record
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._let_go()

    async def wait_for(self, position: int) -> None:
        """Wait until everything below `position` is in the view."""
        while self.position < position:
            self._advanced.clear()
            await self._advanced.wait()

    async def confirm(self) -> None:
        """Ask at once whether the view is at the end of the log: a follower asks now and then."""
        partition, asked_at = self._partition, read_boot_ms()
        if partition is None or self.fault:
            return
        with contextlib.suppress(LogUnavailable):  # the next read says so
            if await partition.end() <= self.position:
                self._note_confirmed(asked_at)

    def _note_confirmed(self, asked_at: int) -> None:
        """Know the view to be at the end of the log; a pause may end an earlier asking later."""
        self.confirmed_boot_ms = max(self.confirmed_boot_ms, asked_at)

    async def refresh(self) -> None:
        """
        Have a view fresh enough to decide by, if that can be had at once.

        A process that was paused comes back with a view that is too old by its clock alone; no
        payment is to be declined for that. Returns after `REFRESH_WAIT_S` at the latest, and at
        once while asking has been in vain: a log that is away delays one batch, not every one.
        """
        if self.is_confirmed(read_boot_ms()) or self._asked_in_vain_at == self.confirmed_boot_ms:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REFRESH_WAIT_S):
                while not self.fault:
                    await self.confirm()
                    if self.is_confirmed(read_boot_ms()):
                        return
                    await asyncio.sleep(REFRESH_INTERVAL_S)
        self._asked_in_vain_at = self.confirmed_boot_ms

    async def _let_go(self) -> None:
        partition, self._partition = self._partition, None
        if partition is not None:
            await partition.close()

    async def _follow(self) -> None:
        while True:
            try:
                if self._partition is None:
                    self._partition = await self._event_log.open_partition("registry", 0)
                await self._step(self._partition, wait_ms=self._poll_wait_ms)
                self.fault = ""
            except LogUnavailable as error:
                if not self.fault:
                    self._log.warning("registry log cannot be read", reason=str(error))
                self.fault = str(error)
                await self._let_go()
                await asyncio.sleep(RETRY_DELAY_S)
            except (UnknownEvent, PositionOutOfRange) as error:
                self.fault = str(error)
                self._log.error("registry log cannot be followed any further", reason=self.fault)
                return
            except Exception as error:  # noqa: BLE001 - the view may lack what the position says
                kind = type(error).__name__
                self.fault = f"following the registry ended ({kind}): start this process again"
                self._log.error("registry log cannot be followed any further", reason=self.fault)
                return

    async def _step(self, partition: PartitionLog, *, wait_ms: int) -> int:
        """
        Read once, and return how many records there were.

        An empty answer confirms the view as of the moment of asking.
        """
        asked_at = read_boot_ms()
        records = await partition.read(self.position, count_max=READ_COUNT_MAX, wait_ms=wait_ms)
        if not records:
            self._note_confirmed(asked_at)
            return 0
        for record in records:
            self._fold(record)
        self._position_gauge.set(self.position)
        self._advanced.set()
        asked_at = read_boot_ms()
        if await partition.end() <= self.position:
            self._note_confirmed(asked_at)
        return len(records)

    def _fold(self, stored: StoredRecord) -> None:
        record = self._reader.feed(stored.offset, stored.value)
        if record is None:
            self._log.warning("void registry record", offset=stored.offset)
        else:
            for event in record.events:
                if not isinstance(event, PartitionClaimed | PartitionReleased):
                    self.view.apply(stored.offset, event)
        self.view.advance(stored.offset)

    def _why_not_ready(self) -> str:
        if self.fault:
            return self.fault
        if self.confirmed_boot_ms == NEVER:
            return "reading the registry log"
        if not self.is_confirmed(read_boot_ms()):
            return f"the view was last confirmed {self.age_ms()} ms ago"
        return ""
