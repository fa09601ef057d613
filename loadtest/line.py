"""One TCP connection of one terminal: frames out, frames in."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final, cast

from switch.codec.framing import FrameError, Framer

_LENGTH_BYTES: Final = 2


class Line(asyncio.Protocol):
    """A connection that knows nothing but frames; `on_frame` gets each without its length."""

    __slots__ = ("_address", "_connecting", "_framer", "_transport", "on_frame", "on_lost")

    def __init__(self, address: tuple[str, int]) -> None:
        self.on_frame: Callable[[bytes], None] = lambda _frame: None
        self.on_lost: Callable[[], None] = lambda: None
        self._address = address
        self._framer = Framer("binary-2")
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """
        Connect once.

        Raises:
            OSError: nobody listens, or no more connections can be made.
        """
        host, port = self._address
        await asyncio.get_running_loop().create_connection(lambda: self, host, port)

    def reconnect_soon(self) -> None:
        """Connect without waiting for it; a failure counts as another loss."""
        self._connecting = asyncio.ensure_future(self._reconnect())

    async def _reconnect(self) -> None:
        try:
            await self.connect()
        except OSError:
            self.on_lost()

    def send(self, frame: bytes) -> bool:
        """Write one frame; False if there is no connection."""
        if self._transport is None:
            return False
        self._transport.write(frame)
        return True

    def close(self) -> None:
        """Hang up."""
        if self._connecting:
            self._connecting.cancel()
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (called by the loop)."""
        transport = cast("asyncio.Transport", transport)  # uvloop's is none by name
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._framer = Framer("binary-2")
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Cut frames (called by the loop); nearly always one whole frame comes at once."""
        if (
            len(data) > _LENGTH_BYTES
            and not self._framer.is_inside_frame
            and int.from_bytes(data[:_LENGTH_BYTES], "big") == len(data) - _LENGTH_BYTES
        ):
            self.on_frame(data[_LENGTH_BYTES:])
            return
        try:
            frames = self._framer.receive_data(data)
        except FrameError:
            self.close()
            return
        for frame in frames:
            if frame:
                self.on_frame(frame)

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell the owner (called by the loop)."""
        self._transport = None
        self.on_lost()
