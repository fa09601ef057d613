"""The replies log as handlers write it: nobody waits for it, and a failed writer is replaced."""

import asyncio
import functools
import random
from typing import Final

from switch.adapters.telemetry import Logger
from switch.eventlog.inbound import Reply, encode_reply, traceparent_of
from switch.eventlog.port import AppendSink, EventLog, LogUnavailable, PartitionLog

REOPEN_DELAY_MIN_S: Final = 0.1
REOPEN_DELAY_MAX_S: Final = 5.0


class ReplyWriter:
    """
    Puts answers on their way back; they need not be durable.

    Whoever gets none repeats and is answered from the journal. After a failed append a new writer
    is opened with growing, jittered delays; what is sent meanwhile is dropped and counted.
    """

    def __init__(self, event_log: EventLog, partition: int, log: Logger) -> None:
        self._event_log = event_log
        self._partition = partition
        self._log = log
        self._writer: PartitionLog | None = None
        self._sink: AppendSink = _ignore_outcome
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self.dropped_count = 0

    async def open(self) -> None:
        """
        Open the log.

        Raises:
            LogUnavailable: the log is not there; the message says what to do.
        """
        writer = await self._event_log.open_partition("replies", self._partition)
        self._sink = functools.partial(self._hear, writer)
        self._writer = writer

    def send(self, reply: Reply) -> None:
        """Append one answer."""
        if self._writer is None:
            self.dropped_count += 1
        else:
            self._writer.append(
                encode_reply(reply),
                self._sink,
                event_id=f"{reply.inbound_id}/reply",
                traceparent=traceparent_of(reply.inbound_id),
            )

    async def close(self) -> None:
        """Stop; answers under way are not waited for."""
        self._is_closed = True
        writer, self._writer = self._writer, None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if writer is not None:
            await writer.close()

    def _hear(self, writer: PartitionLog, outcome: object) -> None:
        if isinstance(outcome, int) or writer is not self._writer:
            return
        self._writer = None
        self._log.error("replies log failed", reason=str(outcome), kind=type(outcome).__name__)
        self._start(writer)

    def _start(self, failed: PartitionLog) -> None:
        """Close the failed writer aside (with a frozen broker that takes its time), open anew."""
        if self._is_closed:
            return
        for work in (failed.close(), self._reopen()):
            task = asyncio.get_running_loop().create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _reopen(self) -> None:
        delay_s = REOPEN_DELAY_MIN_S
        while self._writer is None:
            await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            try:
                await self.open()
            except LogUnavailable as error:
                self._log.warning("replies log cannot be opened", reason=str(error))
                delay_s = min(delay_s * 2, REOPEN_DELAY_MAX_S)
        self._log.info("replies log opened again")


def _ignore_outcome(_outcome: object) -> None:
    """Before the first opening nothing is sent."""
