"""One partition of the inbound log as a gateway writes it: bounded, reopened after a fault."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Final

from switch.adapters.clock import read_boot_ms
from switch.adapters.telemetry import Logger
from switch.eventlog.inbound import traceparent_of
from switch.eventlog.port import (
    AppendRefused,
    AppendUnknown,
    EventLog,
    LogUnavailable,
    PartitionLog,
)

AppendFailure = AppendRefused | AppendUnknown
FailedSink = Callable[[str, AppendFailure], None]

REOPEN_DELAY_MIN_S: Final = 0.1
REOPEN_DELAY_MAX_S: Final = 5.0
TELL_INTERVAL_MS: Final = 1_000  # a disk with room for every other record fails ten times a second


class InboundWriter:
    """
    Appends requests to one partition; tells of each that failed, never of one that succeeded.

    What the log has not acknowledged for a while stops what comes after it: appends are refused at
    once, certainly not in the log, until it has. After any failure, or a deadline without an
    acknowledgement, a new writer is opened once the log answers again, tried with growing, jittered
    delays; it gets one request at first, and all others when that one was acknowledged.
    """

    def __init__(
        self,
        event_log: EventLog,
        partition: int,
        *,
        append_deadline_ms: int,
        append_slow_ms: int,
        on_failed: FailedSink,
        log: Logger,
    ) -> None:
        self._event_log = event_log
        self._partition = partition
        self._append_deadline_ms = append_deadline_ms
        self._append_slow_ms = append_slow_ms
        self._on_failed = on_failed
        self._log = log.bind(partition=partition)
        self._open_writer: _OpenWriter | None = None
        self._reopening: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._failure = "not opened yet"  # empty while a writer is open
        self._is_proven = True  # the open writer has acknowledged something, or none has failed
        self._reopen_delay_s = REOPEN_DELAY_MIN_S
        self._told_failure = ""
        self._told_at_ms = 0
        self._is_failure_told = False

    @property
    def fault(self) -> str:
        """Why requests are refused; empty while they are not."""
        writer = self._open_writer
        if writer is None:
            return self._failure
        oldest = writer.oldest_boot_ms()
        age_ms = 0 if oldest is None else read_boot_ms() - oldest
        if age_ms > self._append_slow_ms:
            return f"the inbound log has acknowledged nothing for {age_ms} ms"
        return ""

    async def open(self) -> None:
        """
        Open the partition.

        Raises:
            LogUnavailable: the log is not there; the message says what to do.
        """
        writer = await self._event_log.open_partition("inbound", self._partition)
        self._open_writer = _OpenWriter(self, writer)
        self._failure = ""

    def append(self, inbound_id: str, key: bytes, value: bytes) -> None:
        """Append one request; a failure is told from the event loop, never from in here."""
        reason = self.fault
        writer = self._open_writer
        if not reason and writer is not None:
            if self._is_proven or not writer.waiting_count:
                writer.append(inbound_id, key, value)
                return
            reason = "it failed, and has not acknowledged the first request since"
        refused = AppendRefused(f"the inbound log cannot be written: {reason}")
        asyncio.get_running_loop().call_soon(self._on_failed, inbound_id, refused)

    def check_deadline(self, boot_ms: int) -> None:
        """Give up on appends that were not acknowledged in time; call every now and then."""
        writer = self._open_writer
        if writer is None:
            return
        oldest = writer.oldest_boot_ms()
        if oldest is not None and boot_ms - oldest > self._append_deadline_ms:
            why = f"no acknowledgement within {self._append_deadline_ms} ms"
            self.fail(writer, AppendUnknown(why))

    def fail(self, writer: "_OpenWriter", error: AppendFailure) -> None:
        """Drop a writer that failed; whatever it still had under way has failed with it."""
        if writer is not self._open_writer:
            return
        self._open_writer = None
        self._is_proven = False
        self._failure = str(error)
        self._tell_failure(type(error).__name__)
        for inbound_id in writer.give_up():
            self._on_failed(inbound_id, error)
        self._close_later(writer)
        if not self._is_closed:
            self._reopening = asyncio.get_running_loop().create_task(self._reopen())

    def _tell_failure(self, kind: str) -> None:
        """Log why it failed: each reason once a second at most, as often as it may happen."""
        now_ms = read_boot_ms()
        self._is_failure_told = (
            self._failure != self._told_failure or now_ms - self._told_at_ms >= TELL_INTERVAL_MS
        )
        if self._is_failure_told:
            self._told_failure, self._told_at_ms = self._failure, now_ms
            self._log.error("inbound log failed", reason=self._failure, kind=kind)

    def tell_failed(self, inbound_id: str, error: AppendFailure) -> None:
        """Tell of one request that failed."""
        self._on_failed(inbound_id, error)

    def note_acknowledged(self) -> None:
        """Trust the open writer with everything."""
        self._is_proven = True
        self._reopen_delay_s = REOPEN_DELAY_MIN_S

    async def close(self) -> None:
        """Stop; appends under way are not waited for."""
        self._is_closed = True
        if self._reopening is not None:
            self._reopening.cancel()
            await asyncio.gather(self._reopening, return_exceptions=True)
        writer, self._open_writer = self._open_writer, None
        self._failure = "closed"
        if writer is not None:
            await writer.log.close()
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _reopen(self) -> None:
        """Open a writer once the log answers; what fails again and again is asked less often."""
        while True:
            delay_s = self._reopen_delay_s
            self._reopen_delay_s = min(delay_s * 2, REOPEN_DELAY_MAX_S)
            await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            try:
                await self._probe()
                await self.open()
            except LogUnavailable as error:
                self._failure = str(error)
            else:
                if self._is_failure_told:
                    self._log.info("inbound log opened again")
                return

    async def _probe(self) -> None:
        """Ask the log for something, whatever the answer."""
        probe = await self._event_log.open_partition("inbound", self._partition)
        try:
            await probe.end()
        finally:
            await probe.close()

    def _close_later(self, writer: "_OpenWriter") -> None:
        """Close the failed writer aside: with a frozen broker that may take for ever."""
        task = asyncio.get_running_loop().create_task(writer.log.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class _OpenWriter:
    """One opened partition, and what it has not acknowledged yet, in order."""

    __slots__ = ("_owner", "_waiting", "log")

    def __init__(self, owner: InboundWriter, log: PartitionLog) -> None:
        self._owner = owner
        self._waiting: deque[tuple[str, int]] = deque()
        self.log = log

    def append(self, inbound_id: str, key: bytes, value: bytes) -> None:
        self._waiting.append((inbound_id, read_boot_ms()))
        self.log.append(
            value, self._hear, key=key, event_id=inbound_id, traceparent=traceparent_of(inbound_id)
        )

    @property
    def waiting_count(self) -> int:
        return len(self._waiting)

    def oldest_boot_ms(self) -> int | None:
        return self._waiting[0][1] if self._waiting else None

    def give_up(self) -> list[str]:
        given_up = [inbound_id for inbound_id, _ in self._waiting]
        self._waiting.clear()
        return given_up

    def _hear(self, outcome: int | AppendRefused | AppendUnknown) -> None:
        if not self._waiting:
            return  # given up before
        inbound_id, _ = self._waiting.popleft()
        if type(outcome) is int:
            self._owner.note_acknowledged()
            return
        assert isinstance(outcome, AppendRefused | AppendUnknown)
        self._owner.tell_failed(inbound_id, outcome)
        self._owner.fail(self, outcome)
