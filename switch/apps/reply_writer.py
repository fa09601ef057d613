"""The replies log as handlers write it: nobody waits for it, and a failed writer is replaced."""

import asyncio
import functools
import random
from collections.abc import Coroutine
from typing import Final

from switch.adapters.telemetry import Logger
from switch.eventlog.inbound import Reply, encode_reply, reply_partition_of, traceparent_of
from switch.eventlog.port import (
    REPLIES_PARTITION_COUNT,
    AppendSink,
    EventLog,
    LogUnavailable,
    PartitionLog,
)

REOPEN_DELAY_MIN_S: Final = 0.1
REOPEN_DELAY_MAX_S: Final = 5.0
WAITING_COUNT_MAX: Final = 2_000  # answers of one gateway while its partition is being opened
FLUSH_TIMEOUT_S: Final = 1.0
FAULT_SHOWN_S: Final = 10.0  # without traffic nothing shows that it is over


class ReplyWriter:
    """
    Puts answers on their way back, each into the partition that its gateway reads.

    They need not be durable: whoever gets none repeats and is answered from the journal. A
    partition's writer is opened when the first answer needs it; there are at most
    REPLIES_PARTITION_COUNT.
    """

    def __init__(self, event_log: EventLog, log: Logger) -> None:
        self._event_log = event_log
        self._log = log
        self._lanes: dict[int, ReplyLane] = {}

    @property
    def dropped_count(self) -> int:
        """Answers that could not be put on their way."""
        return sum(lane.dropped_count for lane in self._lanes.values())

    @property
    def fault(self) -> str:
        """Why answers do not arrive now; empty if nothing is known against it."""
        return "; ".join(sorted({lane.fault for lane in self._lanes.values() if lane.fault}))

    def send(self, reply: Reply) -> None:
        """Append one answer."""
        index = reply_partition_of(reply.gateway)
        assert index < REPLIES_PARTITION_COUNT
        lane = self._lanes.get(index)
        if lane is None:
            lane = self._lanes[index] = ReplyLane(self._event_log, index, self._log)
            lane.start()
        lane.send(reply)

    async def close(self) -> None:
        """Stop; answers under way are waited for, but not for long."""
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()))


class ReplyLane:
    """
    Writes one partition of the replies log.

    After a failed append a new writer is opened with growing, jittered delays; what is sent
    meanwhile is dropped and counted. Only before the first opening answers wait, bounded.
    """

    def __init__(self, event_log: EventLog, partition: int, log: Logger) -> None:
        self._event_log = event_log
        self._partition = partition
        self._log = log
        self._writer: PartitionLog | None = None
        self._sink: AppendSink = _ignore_outcome
        self._waiting: list[Reply] | None = []  # None once it was open
        self._tasks: set[asyncio.Task[None]] = set()
        self._unheard_count = 0
        self._is_closed = False
        self._fault = ""
        self._failed_at = 0.0  # loop time
        self.dropped_count = 0

    @property
    def fault(self) -> str:
        """Why answers are lost: until one was written again, or a while after the last failure."""
        now = asyncio.get_running_loop().time()
        is_over = self._writer is not None and now - self._failed_at > FAULT_SHOWN_S
        return "" if is_over else self._fault

    def start(self) -> None:
        """Begin to open the log."""
        self._begin(self._open_first())

    def send(self, reply: Reply) -> None:
        """Append one answer."""
        if self._writer is not None:
            self._unheard_count += 1
            self._writer.append(
                encode_reply(reply),
                self._sink,
                event_id=f"{reply.inbound_id}/reply",
                traceparent=traceparent_of(reply.inbound_id),
            )
        elif self._waiting is not None and len(self._waiting) < WAITING_COUNT_MAX:
            self._waiting.append(reply)
        else:
            self.dropped_count += 1

    async def close(self) -> None:
        """Stop; answers under way are waited for, but not for long."""
        deadline = asyncio.get_running_loop().time() + FLUSH_TIMEOUT_S
        while (self._unheard_count and self._writer is not None) or self._waiting:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.005)
        self._is_closed = True
        writer, self._writer = self._writer, None
        self._waiting = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if writer is not None:
            await writer.close()

    async def _open_first(self) -> None:
        try:
            await self._open()
        except LogUnavailable as error:
            self._note_failure(error)
            await self._reopen()

    async def _open(self) -> None:
        writer = await self._event_log.open_partition("replies", self._partition)
        self._sink = functools.partial(self._hear, writer)
        self._unheard_count = 0
        self._writer = writer
        waiting, self._waiting = self._waiting, None
        for reply in waiting or ():
            self.send(reply)

    def _hear(self, writer: PartitionLog, outcome: object) -> None:
        if writer is not self._writer:
            return
        if isinstance(outcome, int):
            self._unheard_count -= 1
            self._fault = ""
            return
        self._writer = None
        self._note_failure(outcome)
        if not self._is_closed:
            # With a frozen broker closing takes its time; the new writer does not wait for it.
            self._begin(writer.close())
            self._begin(self._reopen())

    def _note_failure(self, error: object) -> None:
        self._fault = f"answers cannot be written: {error}"
        self._failed_at = asyncio.get_running_loop().time()
        self._log.error("replies log failed", reason=str(error), kind=type(error).__name__)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reopen(self) -> None:
        delay_s = REOPEN_DELAY_MIN_S
        while self._writer is None:
            await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            try:
                await self._open()
            except LogUnavailable as error:
                self._log.warning("replies log cannot be opened", reason=str(error))
                delay_s = min(delay_s * 2, REOPEN_DELAY_MAX_S)
        self._log.info("replies log opened again")


def _ignore_outcome(_outcome: object) -> None:
    """Before the first opening nothing is sent."""
