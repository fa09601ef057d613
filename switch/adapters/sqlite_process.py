"""The switch's end of the process that writes its embedded log."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

from switch.adapters.sqlite_wire import Run, RunParser, pack_record_head
from switch.eventlog.port import LogUnavailable

END_TIMEOUT_S: Final = 5.0
REAP_WAIT_S: Final = 0.5  # it ends within a millisecond; a stuck disk may hold it longer
SOCKET_BYTES: Final = 1_048_576  # so that one read takes a whole batch


class WriterProcess(asyncio.Protocol):
    """
    Starts the writing process, sends it records and reports what became of them.

    `on_runs` gets what one read brought; `on_end` is called once, when the process is gone.
    """

    def __init__(self, on_runs: Callable[[list[Run]], None], on_end: Callable[[], None]) -> None:
        self._on_runs = on_runs
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._parser = RunParser()
        self._unsent: list[bytes] = []
        self._will_flush = False
        self._transport: asyncio.Transport | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = asyncio.Event()

    async def start(
        self, path: Path, *, lock: int, inbound_retention_ms: int, page_count_max: int
    ) -> None:
        """
        Start the process; it inherits `lock`, so the file stays locked until it has ended.

        Raises:
            LogUnavailable: it cannot be started.
        """
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise LogUnavailable(f"cannot start the log's writing process: {error}") from error
        for side in (ours, theirs):
            side.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
        arguments = (
            str(theirs.fileno()),
            str(path),
            str(inbound_retention_ms),
            str(page_count_max),
        )
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - returns at once; our own
                    [sys.executable, "-m", "switch.adapters.sqlite_writer", *arguments],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), lock),
                )
        except OSError as error:
            ours.close()
            raise LogUnavailable(f"cannot start the log's writing process: {error}") from error
        await self._loop.create_unix_connection(lambda: self, sock=ours)

    @property
    def pid(self) -> int:
        """Process id of the writing process."""
        assert self._process is not None
        return self._process.pid

    def send(self, appender: int, stream_key: int, value: bytes) -> None:
        """Send one record with all others of this turn of the event loop."""
        if not self._will_flush:
            self._flush_soon()
        self._unsent += (pack_record_head(appender, len(value), stream_key), value)

    def _flush_soon(self) -> None:
        self._will_flush = True
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._will_flush = False
        if self._transport is not None and self._unsent:
            unsent, self._unsent = self._unsent, []
            self._transport.write(b"".join(unsent))

    async def stop(self) -> None:
        """Let the process write what it was sent and end; give up on it after a while."""
        self._flush()
        transport, process = self._transport, self._process
        # A disk that does not answer must not hold up the stop: the process then ends by itself.
        with contextlib.suppress(TimeoutError, subprocess.TimeoutExpired):
            if transport is not None:
                transport.write_eof()
                async with asyncio.timeout(END_TIMEOUT_S):
                    await self._ended.wait()
            if process is not None:
                await asyncio.to_thread(process.wait, END_TIMEOUT_S)
        if transport is not None:
            transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by name
        self._flush()

    def data_received(self, data: bytes) -> None:
        """
        Report what became of the oldest records.

        What that sets off in the next turn mostly sends some more: it leaves at the end of that
        turn, and not only in the one after it.
        """
        self._on_runs(list(self._parser.receive_data(data)))
        if not self._will_flush:
            self._flush_soon()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Note that the process is gone."""
        self._transport = None
        self._ended.set()
        self._reap()
        self._on_end()

    def _reap(self) -> None:
        """Let the ended process go: it has closed its socket, which is the last thing it does."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(REAP_WAIT_S)
