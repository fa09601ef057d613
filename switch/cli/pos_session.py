"""A POS in a shell: its memory in a file, its line a plain socket."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from switch.adapters.clock import read_clock
from switch.cli.failure import EXIT_FAULT, EXIT_IN_USE, CommandFailure
from switch.domain.clock import Now
from switch.security.sealing import SealBroken, Sealer
from switch.terminal.actions import Finish, PosAction, SaveState, SendFrame
from switch.terminal.outcome import PosOutcome
from switch.terminal.pos import Pos
from switch.terminal.state import PosState, decode_state, encode_state

CONNECT_TIMEOUT_S: Final = 5.0
QUIET_MS: Final = 1_000  # most answers are there before
READ_BYTES: Final = 65_536


class PosFile:
    """
    One terminal's memory: `DIR/pos/ACQUIRER-TERMINAL.json`, written before anything is sent.

    Key and card are sealed in it; trace number and batch can be read.
    """

    def __init__(self, directory: Path, name: str, sealer: Sealer) -> None:
        self.path = directory / f"{name}.json"
        self._sealer = sealer

    def load(self) -> PosState | None:
        """
        Return what was stored, None if this terminal was never used.

        Raises:
            CommandFailure: the file is damaged, or another instance's.
        """
        try:
            return decode_state(self.path.read_bytes(), self._sealer)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, SealBroken, ValueError) as error:
            raise CommandFailure(
                f"{self.path} cannot be read ({error}); remove it, and the terminal starts anew"
                " with trace number 1 (its open payments are settled by the switch)",
                EXIT_FAULT,
            ) from error

    def save(self, state: PosState) -> None:
        """Store the state durably, whole or not at all."""
        aside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(encode_state(state, self._sealer))
            out.flush()
            os.fsync(out.fileno())
        aside.replace(self.path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """
        Keep other shells from using the same terminal meanwhile.

        Raises:
            CommandFailure: another shell is using it.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CommandFailure(
                    f"terminal {self.path.stem} is in use by another shell; wait for it, or take"
                    " another terminal",
                    EXIT_IN_USE,
                ) from error
            yield


class PosSession:
    """Carries out what a `Pos` asks for, one operation to its end."""

    def __init__(
        self,
        pos: Pos,
        file: PosFile,
        address: tuple[str, int],
        *,
        breaks_mac: bool = False,
        tell: Callable[[str], None] | None = None,
        quiet_ms: int = QUIET_MS,
    ) -> None:
        """
        Use a line to `address`; `breaks_mac` spoils the last byte of the first frame.

        Where a try is not answered within `quiet_ms`, `tell` is told once what is waited for.
        """
        self._pos = pos
        self._tell = tell
        self._quiet_ms = quiet_ms
        self._tell_at: int | None = None  # boot time
        self._breaks_mac = breaks_mac
        self._file = file
        self._address = address
        self._line: socket.socket | None = None
        self._outcome: PosOutcome | None = None

    def run(self, actions: list[PosAction], *, drops_answer: bool = False) -> PosOutcome:
        """Carry an operation out; with `drops_answer` the first answer is lost on its way."""
        try:
            self._carry_out(actions)
            while self._outcome is None:
                received = self._receive()
                if received and drops_answer:
                    self._carry_out(self._pos.give_up(read_clock()))
                elif received:
                    self._carry_out(self._pos.data_received(received, read_clock()))
        finally:
            self._hang_up()
        # what the end of an operation settles is stored as well
        self._file.save(self._pos.state)
        return self._outcome

    def _carry_out(self, actions: list[PosAction]) -> None:
        for action in actions:
            if isinstance(action, SaveState):
                self._file.save(self._pos.state)
            elif isinstance(action, SendFrame):
                self._send(action.frame)
            else:
                assert isinstance(action, Finish)
                self._outcome = action.outcome

    def _send(self, frame: bytes) -> None:
        if self._line is None and not self._call():
            self._carry_out(self._pos.not_connected(read_clock()))
            return
        assert self._line is not None
        if self._breaks_mac:
            frame, self._breaks_mac = frame[:-1] + bytes([frame[-1] ^ 1]), False
        if self._tell is not None:
            self._tell_at = read_clock().boot_ms + self._quiet_ms
        try:
            self._line.sendall(frame)
        except OSError:
            self._hang_up()  # perhaps a part was sent: `_receive` tells the terminal

    def _call(self) -> bool:
        try:
            self._line = socket.create_connection(self._address, CONNECT_TIMEOUT_S)
        except OSError:
            return False
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pos.connection_made()
        return True

    def _receive(self) -> bytes:
        """Return bytes; on a time-out or a broken line tell the terminal and return none."""
        if self._line is None:
            self._carry_out(self._pos.connection_lost(read_clock()))
            return b""
        times = [at for at in (self._pos.wake_at(), self._tell_at) if at is not None]
        now = read_clock()
        try:
            self._line.settimeout(max(0.001, (min(times) - now.boot_ms) / 1000) if times else None)
            received = self._line.recv(READ_BYTES)
        except TimeoutError:
            self._tell_wait(read_clock())
            self._carry_out(self._pos.timer(read_clock()))
            return b""
        except OSError:
            received = b""
        if not received:
            self._hang_up()
            self._carry_out(self._pos.connection_lost(read_clock()))
        return received

    def _tell_wait(self, now: Now) -> None:
        if self._tell is None or self._tell_at is None or now.boot_ms < self._tell_at:
            return
        self._tell_at = None
        left_ms = max(0, (self._pos.wake_at() or 0) - now.boot_ms)
        self._tell(f"waiting for {self._pos.describe_wait()}: {left_ms / 1000:.0f} s left")

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()
