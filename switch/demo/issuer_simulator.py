"""The demo issuer on a socket: iso1987-ascii behind a 2-byte length (docs/demo-world.md)."""

import asyncio
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

import msgspec

from switch.codec import CodecError, load_dialect
from switch.codec.framing import FrameError, Framer, frame_bytes
from switch.demo.issuer_book import IssuerBook, Timing
from switch.demo.issuer_ledger import IssuerLedger, read_ledger
from switch.demo.issuer_line import LedgerLine
from switch.demo.issuer_pin import PinCheck, make_demo_pin_check

DIALECT: Final = "iso1987-ascii"
DELAYED_COUNT_MAX: Final = 100_000  # answers held back; the next are never given


class IssuerPace(msgspec.Struct, frozen=True, kw_only=True):
    """When the issuer answers."""

    delay_ms: int = 0
    late_ms: int = 4_000  # amounts ending in 97: after the switch's issuer time-out


class IssuerSimulator:
    """One issuer with its ledger, for any number of connections."""

    def __init__(
        self, ledger_path: Path, pace: IssuerPace, pin_check: PinCheck | None = None
    ) -> None:
        """
        Open the ledger and recall what it tells; without `pin_check` any PIN is right.

        Raises:
            OSError: the ledger cannot be used.
            msgspec.DecodeError: a line of it is none.
        """
        self.pace = pace  # may be replaced at any time
        self.dialect = load_dialect(DIALECT)
        self._ledger = IssuerLedger(ledger_path)
        self._book = IssuerBook(pin_check=pin_check)
        for line in read_ledger(ledger_path):
            self._book.recall(line)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Transport] = set()
        self._delayed_count = 0

    @property
    def address(self) -> str:
        """Where it listens, as host:port."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    async def listen(self, host: str, port: int) -> None:
        """
        Accept connections; port 0 picks a free one.

        Raises:
            OSError: the address cannot be used.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port)

    async def close(self) -> None:
        """Stop; answers that are held back are never given."""
        if self._server is not None:
            self._server.close()
        for transport in tuple(self._connections):
            transport.abort()
        if self._server is not None:
            await self._server.wait_closed()
        self._ledger.close()

    def connected(self, transport: asyncio.Transport) -> None:
        """Remember a connection."""
        self._connections.add(transport)

    def disconnected(self, transport: asyncio.Transport) -> None:
        """Forget a connection."""
        self._connections.discard(transport)

    def take_frames(self, transport: asyncio.Transport, frames: Sequence[bytes]) -> None:
        """Take what one read brought: one ledger write, then one write of the answers."""
        at_ms = time.time_ns() // 1_000_000
        lines: list[LedgerLine] = []
        soon: list[bytes] = []
        late: list[bytes] = []
        for frame in frames:
            if not frame:
                continue  # keep-alive
            try:
                message = self.dialect.decode(frame)
            except CodecError:
                lines.append(LedgerLine(op="unreadable", outcome="ignored", at=at_ms))
                continue
            verdict = self._book.receive(message, at_ms)
            lines.append(verdict.line)
            for answer in verdict.answers:
                wire = frame_bytes("binary-2", self.dialect.encode(answer.message))
                (late if answer.timing is Timing.LATE else soon).append(wire)
        try:
            self._ledger.append(lines)
        except OSError as error:
            print(f"issuer: the ledger cannot be written: {error}", file=sys.stderr)  # noqa: T201
            transport.abort()  # no answer without its line
            return
        self._answer_after(transport, soon, self.pace.delay_ms)
        self._answer_after(transport, late, self.pace.late_ms)

    def _answer_after(
        self, transport: asyncio.Transport, wires: list[bytes], delay_ms: int
    ) -> None:
        if not wires:
            return
        if not delay_ms:
            transport.write(b"".join(wires))
        elif self._delayed_count + len(wires) <= DELAYED_COUNT_MAX:
            self._delayed_count += len(wires)
            loop = asyncio.get_running_loop()
            loop.call_later(delay_ms / 1000, self._answer_now, transport, wires)

    def _answer_now(self, transport: asyncio.Transport, wires: list[bytes]) -> None:
        self._delayed_count -= len(wires)
        if not transport.is_closing():
            transport.write(b"".join(wires))


class _Connection(asyncio.Protocol):
    """One connection of a switch: frames in, answers out; it reads no more than it may write."""

    def __init__(self, simulator: IssuerSimulator) -> None:
        self._simulator = simulator
        self._framer = Framer("binary-2")
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop's is none by name
        self._transport = transport
        connected: socket.socket | None = transport.get_extra_info("socket")
        if connected is not None:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._simulator.connected(transport)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        assert transport is not None
        try:
            frames = self._framer.receive_data(data)
        except FrameError as error:
            self._simulator.take_frames(transport, error.frames)
            transport.close()
            return
        if frames:
            self._simulator.take_frames(transport, frames)

    def pause_writing(self) -> None:
        assert self._transport is not None
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # a reset is as good as a close
        if self._transport is not None:
            self._simulator.disconnected(self._transport)


async def start_issuer(
    host: str, port: int, ledger_path: Path, pace: IssuerPace, *, checks_pin: bool = True
) -> IssuerSimulator:
    """
    Start the demo issuer in this event loop, with what its ledger remembers.

    `checks_pin`: a PIN that is sent must be that of the demo (switch/demo/issuer_pin.py).

    Raises:
        OSError: the address or the ledger cannot be used.
    """
    simulator = IssuerSimulator(ledger_path, pace, make_demo_pin_check() if checks_pin else None)
    await simulator.listen(host, port)
    return simulator
