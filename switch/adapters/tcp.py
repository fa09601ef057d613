"""TCP connections by number: bytes in and out for a protocol object that never sees a socket."""

import asyncio
import contextlib
import socket
from typing import Final, Protocol, cast

BACKLOG_COUNT: Final = 4_096  # a town of terminals that reconnects at once
_WRITE_LOW_DIVISOR: Final = 4  # resume a writer once a quarter of its buffer is left
# What one client may have looked at before everybody else has a turn: some fifty messages, about
# two milliseconds. The kernel gives a client that floods us 250 KB at a time.
TURN_BYTES_MAX: Final = 4_096
_CLOSE_DEADLINE_S: Final = 0.5  # for a client to take its last answer when we stop
# The same while we go on: else a client that reads nothing would keep the file for good, and
# nobody would count it any more.
LAST_ANSWER_DEADLINE_S: Final = 5.0


class ConnectionEvents(Protocol):
    """Who is told what happens on connections; all calls come from the event loop."""

    def connection_opened(self, connection_id: int, listener: str) -> None:
        """A client connected to this listener."""
        ...

    def bytes_received(self, connection_id: int, received: bytes) -> None:
        """These bytes came in."""
        ...

    def writing_paused(self, connection_id: int) -> None:
        """The client does not read: what it was sent fills its buffer."""
        ...

    def writing_resumed(self, connection_id: int) -> None:
        """The client reads again."""
        ...

    def connection_lost(self, connection_id: int) -> None:
        """The connection is gone, whoever closed it."""
        ...


class TcpConnections:
    """
    All connections of some listeners.

    Writes of one loop iteration leave together. A connection costs some kilobytes: no task, no
    timer, no stream object.
    """

    def __init__(
        self,
        events: ConnectionEvents,
        *,
        write_buffer_bytes_max: int,
        last_answer_deadline_s: float = LAST_ANSWER_DEADLINE_S,
    ) -> None:
        self.events = events
        self._last_answer_deadline_s = last_answer_deadline_s
        self.write_buffer_bytes_max = write_buffer_bytes_max
        self._by_id: dict[int, _Connection] = {}
        self._last_id = 0
        self._unflushed: list[_Connection] = []
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.get_running_loop()
        self.call_soon = self._loop.call_soon
        self.is_stopping = False
        self._one_lost = asyncio.Event()

    @property
    def connection_count(self) -> int:
        """How many connections are open."""
        return len(self._by_id)

    async def listen(self, bound: socket.socket, listener: str) -> None:
        """Accept clients on a bound socket; `listener` is its name in `connection_opened`."""
        server = await self._loop.create_server(
            lambda: _Connection(self, listener), sock=bound, backlog=BACKLOG_COUNT
        )
        self._servers.append(server)

    def write(self, connection_id: int, frame: bytes) -> None:
        """Send `frame`; nothing happens if the connection is gone."""
        connection = self._by_id.get(connection_id)
        if connection is None:
            return
        if not connection.unsent:
            if not self._unflushed:
                self._loop.call_soon(self._flush)
            self._unflushed.append(connection)
        connection.unsent.append(frame)

    def close(self, connection_id: int, *, is_abort: bool = False) -> None:
        """End a connection: after what it was sent, or at once where that is to be thrown away."""
        connection = self._by_id.get(connection_id)
        if connection is None or connection.transport is None:
            return
        if is_abort:
            connection.unsent.clear()
            connection.transport.abort()
            return
        transport = connection.transport
        connection.flush()
        transport.close()
        if transport.get_write_buffer_size():
            self._loop.call_later(self._last_answer_deadline_s, transport.abort)

    def peer_of(self, connection_id: int) -> str:
        """Return who is at the other end, as host:port; also of one that is just being lost."""
        connection = self._by_id.get(connection_id)
        return "" if connection is None else connection.peer

    def stop_listening(self) -> None:
        """Take no further client; open connections go on."""
        self.is_stopping = True
        for server in self._servers:
            server.close()

    async def stop(self) -> None:
        """Close everything; what was sent is given to the kernel first."""
        self.stop_listening()
        for is_abort in (False, True):
            for connection_id in list(self._by_id):
                self.close(connection_id, is_abort=is_abort)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_DEADLINE_S):
                    while self._by_id:
                        self._one_lost.clear()
                        await self._one_lost.wait()
        for server in self._servers:
            await server.wait_closed()

    def admit(self, connection: "_Connection") -> int:
        """Number a new connection."""
        self._last_id += 1
        self._by_id[self._last_id] = connection
        return self._last_id

    def forget(self, connection_id: int) -> None:
        """Drop a connection that is gone."""
        self.events.connection_lost(connection_id)
        del self._by_id[connection_id]
        self._one_lost.set()

    def _flush(self) -> None:
        unflushed, self._unflushed = self._unflushed, []
        for connection in unflushed:
            connection.flush()


class _Connection(asyncio.Protocol):
    """One connection: moves bytes, knows its number."""

    __slots__ = (
        "_connection_id",
        "_events",
        "_fed_bytes",
        "_listener",
        "_owner",
        "_unfed",
        "peer",
        "transport",
        "unsent",
    )

    def __init__(self, owner: TcpConnections, listener: str) -> None:
        self._owner = owner
        self._events = owner.events
        self._listener = listener
        self._connection_id = 0
        self.transport: asyncio.Transport | None = None
        self.unsent: list[bytes] = []
        self.peer = ""
        self._unfed = b""  # what was read in one go but is too much for one turn
        self._fed_bytes = 0  # so much of it was told

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's in all but their ancestry
        self.transport = transport = cast("asyncio.Transport", transport)
        if self._owner.is_stopping:
            transport.abort()
            return
        connected: socket.socket | None = transport.get_extra_info("socket")
        if connected is not None:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if peer := transport.get_extra_info("peername"):
            self.peer = f"{peer[0]}:{peer[1]}"
        high = self._owner.write_buffer_bytes_max
        transport.set_write_buffer_limits(high=high, low=high // _WRITE_LOW_DIVISOR)
        self._connection_id = self._owner.admit(self)
        self._events.connection_opened(self._connection_id, self._listener)

    def data_received(self, data: bytes) -> None:
        if len(data) <= TURN_BYTES_MAX:
            self._events.bytes_received(self._connection_id, data)
        elif self.transport is not None:
            self.transport.pause_reading()
            self._unfed, self._fed_bytes = data, 0
            self._feed()

    def _feed(self) -> None:
        """Tell as much as one turn allows; then the others come first."""
        transport = self.transport
        if transport is None or transport.is_closing():
            self._unfed = b""
            return
        start = self._fed_bytes
        self._fed_bytes = end = start + TURN_BYTES_MAX
        part = self._unfed[start:end]
        if end < len(self._unfed):
            self._owner.call_soon(self._feed)
        else:
            self._unfed = b""
            transport.resume_reading()
        self._events.bytes_received(self._connection_id, part)

    def pause_writing(self) -> None:
        self._events.writing_paused(self._connection_id)

    def resume_writing(self) -> None:
        self._events.writing_resumed(self._connection_id)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # a reset is as good as a close
        self.unsent.clear()
        self.transport = None
        if self._connection_id:
            self._owner.forget(self._connection_id)

    def flush(self) -> None:
        unsent = self.unsent
        if not unsent:
            return
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))
        unsent.clear()
