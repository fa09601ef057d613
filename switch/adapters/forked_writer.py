"""
Writing a file from a copy of this process, while this process goes on.

The child of a fork sees everything as it was at that moment, for the price of the pages that either
side changes afterwards. It shares open sockets, timers and signal handlers with its parent, so it
lets go of all of them before it does anything, and never returns to the program.
"""

import asyncio
import errno
import gc
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NoReturn

from switch.adapters.snapshot_folder import write_whole

WRITE_TIMEOUT_S: Final = 120.0  # at idle priority on a busy machine; a hundred times what it takes
KILL_WAIT_S: Final = (
    0.5  # a killed child ends within a millisecond; a stuck disk may hold it longer
)
_KILL_POLL_S: Final = 0.001
_NICENESS: Final = 19
_FAULT: Final = 255  # neither an errno nor a signal: the program is wrong
_DESCRIPTORS_MAX: Final = 1_048_576


class ChildFailed(Exception):
    """The child wrote no file, or not all of it; the message says why."""


class ForkedWriter:
    """
    One child that writes one file; made by `fork_writer`.

    `fork_s` is how long this process stood still for it.
    """

    def __init__(self, pid: int, ended: int, fork_s: float) -> None:
        self.fork_s = fork_s
        self._pid = pid
        self._ended = ended  # reads as closed once the child is gone
        self._status: int | None = None
        self._is_left = False  # killed, and held by the system: it is asked after once it has ended

    @property
    def is_gone(self) -> bool:
        """Whether the child has ended; one that a stuck disk holds outlives its killing."""
        return self._status is not None

    async def wait(self, timeout_s: float = WRITE_TIMEOUT_S) -> None:
        """
        Return once the file is whole and on the disk; a child that hangs is killed.

        Raises:
            ChildFailed: it is not.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._wait_for_end()
        except TimeoutError:
            raise ChildFailed(f"it was not written within {timeout_s:g} s") from None
        finally:
            self.end()
        if self._status is None:
            raise ChildFailed("it does not end")
        code = os.waitstatus_to_exitcode(self._status)
        if code == _FAULT:
            raise ChildFailed("a fault in this program")
        if code:
            raise ChildFailed(os.strerror(code) if code > 0 else f"ended by signal {-code}")

    async def _wait_for_end(self) -> None:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def note_end() -> None:
            loop.remove_reader(self._ended)
            if not ended.done():
                ended.set_result(None)

        loop.add_reader(self._ended, note_end)
        try:
            await ended
        finally:
            loop.remove_reader(self._ended)

    def end(self) -> None:
        """Kill the child if it still writes; one that a stuck disk holds is not waited for."""
        if self._is_left or self.is_gone:
            return
        if not self._ask_after():
            os.kill(self._pid, signal.SIGKILL)
            give_up_at = time.monotonic() + KILL_WAIT_S
            while not self._ask_after() and time.monotonic() < give_up_at:
                time.sleep(_KILL_POLL_S)
        if self.is_gone:
            os.close(self._ended)
        else:
            self._is_left = True
            self._ask_later()

    def _ask_later(self) -> None:
        """Ask again in a while: its pipe tells nothing more, it may be closed before the files."""
        asyncio.get_running_loop().call_later(KILL_WAIT_S, self._ask_again)

    def _ask_again(self) -> None:
        """Let a child go that was left, once the system has let it end."""
        if self._ask_after():
            os.close(self._ended)
        else:
            self._ask_later()

    def _ask_after(self) -> bool:
        """Whether the child has ended by now."""
        try:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self._pid, _FAULT << 8  # somebody else asked: how it ended is not known
        if pid:
            self._status = status
        return self.is_gone


def fork_writer(path: Path, list_pieces: Callable[[], Iterator[bytes]]) -> ForkedWriter:
    """
    Write `list_pieces()` to a new file from a child; `wait` for it, always.

    Raises:
        OSError: there is no room for another process.
    """
    started_s, parent = time.monotonic(), os.getpid()
    ended, held = os.pipe()
    # A signal for the child must not wake the parent's loop before the child has let go of it.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if not pid:
            _run_child(path, list_pieces, parent=parent, held=held)
    except OSError:
        os.close(ended)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(held)
    return ForkedWriter(pid, ended, time.monotonic() - started_s)


def _run_child(
    path: Path, list_pieces: Callable[[], Iterator[bytes]], *, parent: int, held: int
) -> NoReturn:
    """Write and end; whatever happens, never go back into the program of the parent."""
    code = _FAULT
    try:
        gc.disable()
        _let_go(held)
        os.nice(_NICENESS)
        write_whole(path, _while_parent_lives(list_pieces(), parent))
        code = 0
    except OSError as error:
        code = error.errno or errno.EIO
    finally:
        os._exit(code)  # no clean-up: those are the parent's things


def _let_go(held: int) -> None:
    """
    Close every descriptor but `held`, and take back the signal handlers.

    Closing here takes nothing from the parent, but keeping would: a connection, a lock or a
    listening port of a parent that was killed would live as long as the child.
    """
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.closerange(0, held)
    os.closerange(held + 1, _DESCRIPTORS_MAX)


def _while_parent_lives(pieces: Iterator[bytes], parent: int) -> Iterator[bytes]:
    """Stop with the parent: nobody would keep the file."""
    for piece in pieces:
        if os.getppid() != parent:
            raise OSError(errno.ECHILD, "the parent is gone")
        yield piece
