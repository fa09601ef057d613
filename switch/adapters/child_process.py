"""
Child processes that never outlive their parent, however it ends.

The child's stdin is its lifeline: one line of order, then nothing until the parent dies and the
kernel closes it. Its stdout carries reports, one JSON line each. Its stderr is ours.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Final

REPORT_BYTES_MAX: Final = 65_536
_STOP_DEADLINE_S: Final = 3.0  # for a child whose parent is gone
_STDIN: Final = 0
_STDOUT: Final = 1


class ChildProcess:
    """One child of ours; `start_child` makes it."""

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, reading: asyncio.Task[None]
    ) -> None:
        self.name = name
        self.process = process
        self._reading = reading

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self.process.returncode is None

    async def wait(self) -> int:
        """Wait until the child has ended and all it reported was taken; return its exit code."""
        await self._reading
        return await self.process.wait()

    async def stop(self, deadline_s: float) -> int:
        """Ask the child to stop, then make it; return its exit code."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), deadline_s)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self.process.kill()
        if self.process.stdin is not None:
            self.process.stdin.close()
        return await self.wait()


async def start_child(
    name: str, arguments: Sequence[str], order: bytes, on_report: Callable[[bytes], None]
) -> ChildProcess:
    """
    Start `python -m ARGUMENTS...`, give it one line of order, hear its reports.

    Raises:
        OSError: the process cannot be started.
    """
    assert b"\n" not in order, "an order is one line"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=REPORT_BYTES_MAX,
    )
    assert process.stdin is not None
    process.stdin.write(order + b"\n")
    with contextlib.suppress(ConnectionError):  # it died at once; its exit code tells
        await process.stdin.drain()
    assert process.stdout is not None
    reading = asyncio.create_task(_hear(process.stdout, on_report), name=f"reports of {name}")
    return ChildProcess(name, process, reading)


async def _hear(reports: asyncio.StreamReader, on_report: Callable[[bytes], None]) -> None:
    with contextlib.suppress(ValueError):  # a line without end: no report of ours
        async for line in reports:
            on_report(line)


def take_order() -> bytes:
    """
    In a child: read the parent's order, and from now on end when the parent does.

    Ctrl-C at the terminal is for the parent alone: SIGINT is ignored, SIGTERM comes instead.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order = bytearray()
    while not order.endswith(b"\n"):
        part = os.read(_STDIN, 1)
        if not part:
            sys.exit(f"{sys.argv[0]}: started by hand? it waits for an order of `switch up`")
        order += part
    threading.Thread(target=_end_with_parent, name="lifeline", daemon=True).start()
    return bytes(order)


def report(content: bytes) -> None:
    """In a child: tell the parent something, one line; a parent that is gone hears nothing."""
    with contextlib.suppress(OSError):
        os.write(_STDOUT, content + b"\n")


def _end_with_parent() -> None:
    with contextlib.suppress(OSError):
        while os.read(_STDIN, 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    # A child that hangs in its own stop must not outlive the instance either.
    threading.Event().wait(_STOP_DEADLINE_S)
    os._exit(1)
