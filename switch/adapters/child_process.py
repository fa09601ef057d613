"""Child processes that never outlive their parent, however it ends."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Final

_STOP_DEADLINE_S: Final = 3.0  # for a child whose parent is gone
_LIFELINE_VARIABLE: Final = "SWITCH_LIFELINE_FD"


class ChildProcess:
    """
    One child of ours.

    It holds the reading end of a pipe, the lifeline: when the parent dies, also by SIGKILL, the
    kernel closes the writing end and the child, in `watch_parent`, ends itself.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process, lifeline: int) -> None:
        self.name = name
        self.process = process
        self._lifeline = lifeline

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self.process.returncode is None

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
        code = await self.process.wait()
        self.cut_lifeline()
        return code

    def cut_lifeline(self) -> None:
        """Let go of the pipe."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1


async def start_child(name: str, arguments: Sequence[str]) -> ChildProcess:
    """
    Start `python -m ARGUMENTS...` with its output on ours, in our process group.

    Ctrl-C at the terminal is for the parent alone: the child ignores SIGINT and waits for SIGTERM.
    """
    reading, writing = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(reading,),
            env={**os.environ, _LIFELINE_VARIABLE: str(reading)},
        )
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    return ChildProcess(name, process, writing)


def watch_parent() -> None:
    """
    In a child: end when the parent does, as if asked to by SIGTERM.

    The kernel closes the parent's end of the pipe whichever way it dies. Does nothing in a process
    that was not started by `start_child`.
    """
    descriptor = os.environ.pop(_LIFELINE_VARIABLE, "")
    if not descriptor:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(
        target=_end_with_lifeline, args=(int(descriptor),), name="lifeline", daemon=True
    ).start()


def _end_with_lifeline(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(descriptor, 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    # A child that hangs in its own stop must not outlive the instance either.
    threading.Event().wait(_STOP_DEADLINE_S)
    os._exit(1)
