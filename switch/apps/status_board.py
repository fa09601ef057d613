"""The log `status`: every process over Kafka says how it is; whoever is asked reads them all."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from switch.adapters.telemetry import Logger
from switch.apps.status import ProcessStatus, decode_status, encode_status, keep_newest
from switch.eventlog.port import (
    EventLog,
    LogUnavailable,
    PartitionLog,
    PositionOutOfRange,
    StoredRecord,
)

STATUS_LOG: Final = "status"
LOOK_BACK_COUNT: Final = 2_048  # a hundred processes for ten intervals, twice
READ_COUNT_MAX: Final = 500
READ_DEADLINE_S: Final = 3.0
FAREWELL_S: Final = 0.5


class Heard(NamedTuple):
    """What processes said last; `unheard` is why the others were not heard, empty if they were."""

    said: list[ProcessStatus]
    unheard: str = ""


class StatusBoard:
    """
    Tells the others of this process once an interval, and reads what they told.

    Nothing waits for it and nothing depends on it: a failed append is told in the log once, and
    tried again with the next word. Over the embedded log (`event_log` None) there is nobody else.
    """

    def __init__(
        self,
        event_log: EventLog | None,
        describe: Callable[[], ProcessStatus],
        *,
        interval_ms: int,
        log: Logger,
    ) -> None:
        self._event_log = event_log
        self._describe = describe
        self._interval_s = interval_ms / 1000
        self._log = log
        self._telling: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()
        self._reading = asyncio.Lock()
        self._is_failing = False

    def start(self) -> None:
        """Begin to tell."""
        if self._event_log is not None:
            self._telling = asyncio.create_task(self._tell(self._event_log), name="status")

    async def stop(self) -> None:
        """Say good-bye, so that nobody waits ten intervals for the next word; then be silent."""
        self._ending.set()
        if self._telling is not None:
            await asyncio.wait({self._telling}, timeout=FAREWELL_S)
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)

    async def read(self) -> Heard:
        """Return what every process said last, this one as it is now; only this one if need be."""
        own = self._describe()
        if self._event_log is None:
            return Heard([own])
        try:
            async with asyncio.timeout(READ_DEADLINE_S), self._reading:  # its turn included
                said = await read_statuses(self._event_log)
        except LogUnavailable as error:
            return Heard([own], str(error))
        except TimeoutError:
            return Heard([own], f"it does not answer within {READ_DEADLINE_S:g} s")
        return Heard(keep_newest([one for one in said if one.name != own.name] + [own], own.at))

    async def _tell(self, event_log: EventLog) -> None:
        while not self._ending.is_set():
            partition: PartitionLog | None = None
            try:
                partition = await event_log.open_partition(STATUS_LOG, 0)
                while not self._ending.is_set():
                    await self._append(partition, self._describe())
                    self._is_failing = False
                    await self._pause()
                await self._append(
                    partition, msgspec.structs.replace(self._describe(), interval_ms=0)
                )
            except (LogUnavailable, _NotWritten) as error:
                if not self._is_failing:
                    self._log.warning("status cannot be told to the others", reason=str(error))
                self._is_failing = True
            finally:
                if partition is not None:
                    await partition.close()
            await self._pause()

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), self._interval_s)

    async def _append(self, partition: PartitionLog, said: ProcessStatus) -> None:
        """
        Append one word and wait for its acknowledgement.

        Raises:
            _NotWritten: there is none.
        """
        acked: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        def take(outcome: object) -> None:
            if not acked.done():
                acked.set_result(outcome)

        partition.append(encode_status(said), take, key=said.name.encode())
        outcome = await acked
        if not isinstance(outcome, int):
            raise _NotWritten(str(outcome))


class _NotWritten(Exception):
    """A word was not acknowledged."""


async def read_statuses(event_log: EventLog) -> list[ProcessStatus]:
    """
    Read the last words of all processes, oldest first; what cannot be read is passed over.

    Raises:
        LogUnavailable: the log cannot be read.
    """
    partition = await event_log.open_partition(STATUS_LOG, 0)
    try:
        end = await partition.end()
        found: list[ProcessStatus] = []
        for record in await _read_last(partition, end):
            try:
                found.append(decode_status(record.value))
            except msgspec.MsgspecError:
                continue  # of a program of another version
        return found
    finally:
        await partition.close()


async def _read_last(partition: PartitionLog, end: int) -> list[StoredRecord]:
    """Read the last records, as far back as the log holds them: it forgets within minutes."""
    count = min(LOOK_BACK_COUNT, end)
    while count > 0:
        try:
            return await _read_range(partition, end - count, end)
        except PositionOutOfRange:
            count //= 2
    return []


async def _read_range(partition: PartitionLog, offset: int, end: int) -> list[StoredRecord]:
    found: list[StoredRecord] = []
    while offset < end:
        records = await partition.read(offset, count_max=READ_COUNT_MAX, wait_ms=0)
        if not records:
            break
        found += records
        offset = records[-1].offset + 1
    return found


def is_shared(log_url: str) -> bool:
    """Whether other processes may stand on this log."""
    return log_url.startswith("kafka://")
