"""
uvicorn inside our own loop, with the bounds that it has not.

Signals stay ours; a request that trickles in is cut off at a deadline, and so is one whose head
grows without end. Bodies are bounded where they are read (`http_exchange.read_body`).
"""

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_BYTES_MAX: Final = 16_384  # ten times what any client of ours sends
# The parser is fed so much at a time: what it makes of it is looked at in between. One read of the
# kernel may bring 250 KB, which are eight thousand requests.
PART_BYTES_MAX: Final = 4_096
PIPELINED_COUNT_MAX: Final = 16  # requests that wait behind the one being answered
REFUSED_CONNECTION_COUNT_MAX: Final = 32  # above the bound; these are told so, others closed
_TICKS_A_SECOND: Final = 10  # as uvicorn counts them
_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_HEAD_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)


class TooManyPipelined(Exception):
    """A client sends request after request and does not wait for answers."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """
    One HTTP connection whose requests must arrive by a deadline, with a head of bounded size.

    What is wrong after a request that is still being answered is not told: it would be taken for
    the answer to that one. The connection ends after the answers that are owed.
    """

    receive_deadline_s = 10.0  # these three are set by `make_protocol`
    taking_deadline_s = 60
    connection_count_max = 2_000

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's signature
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._is_in_head = True
        self._bare_bytes = 0  # received since the last piece of a body: head, chunks, trailers
        self._is_bare = True  # the part being fed brought nothing of a body
        self._is_deaf = False
        self._whole: RequestResponseCycle | None = None  # the last request that came whole
        self._untaken_looks_count = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        if len(self.connections) >= self.connection_count_max + REFUSED_CONNECTION_COUNT_MAX:
            self.transport = transport
            transport.abort()
            return
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and count the bytes that are no body."""
        for start in range(0, len(data), PART_BYTES_MAX):
            if self._is_deaf or self.transport.is_closing():
                return
            part = data[start : start + PART_BYTES_MAX]
            self._is_bare = True
            super().data_received(part)
            self._bare_bytes = self._bare_bytes + len(part) if self._is_bare else 0
            if self._bare_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                self._refuse(_HEAD_TOO_LARGE)
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        if cycle is None or cycle.response_complete:
            self._arm()  # blank lines between requests end the wait for the next one, too

    def on_message_begin(self) -> None:
        """Begin a request."""
        if len(self.pipeline) >= PIPELINED_COUNT_MAX:
            raise TooManyPipelined
        super().on_message_begin()
        self._bare_bytes = 0
        self._is_in_head = True
        self._disarm()  # that was the wait for it: what a client waits before it asks is its own
        self._arm()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, but no trailer: who looked at the head has not seen it."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the head."""
        self._is_in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body; their sum is bounded where they are read."""
        self._is_bare = False
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request: what follows is our time, not the client's."""
        self._disarm()
        self._whole = self.cycle
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        if not self._end_after_answers():
            super().send_400_response(msg)

    def check_taking(self) -> None:
        """Leave a client that does not take its answers; to be called once a second."""
        if not self.transport.get_write_buffer_size():
            self._untaken_looks_count = 0
            return
        self._untaken_looks_count += 1
        if self._untaken_looks_count > self.taking_deadline_s:
            self.transport.abort()

    def _arm(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.receive_deadline_s, self._expire)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self._refuse(_TOO_SLOW)

    def _refuse(self, answer: bytes) -> None:
        if self._end_after_answers():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or not cycle.response_started or cycle.response_complete:
            self.transport.write(answer)
        self.transport.close()

    def _end_after_answers(self) -> bool:
        """Hear nothing more and close after the answers that are owed; False if there is none."""
        owed = self._whole
        if owed is None or owed.response_complete:
            return False
        if self.cycle is not owed and self.pipeline:
            self.pipeline.popleft()  # the newest did not come whole
        self.cycle = owed
        owed.keep_alive = False
        self._is_deaf = True
        self._disarm()
        return True


def make_protocol(
    receive_deadline_ms: int, keep_alive_s: int, connection_count_max: int
) -> type[BoundedHttpProtocol]:
    """Make the protocol class with these bounds."""
    bounds = {
        "receive_deadline_s": receive_deadline_ms / 1000,
        "taking_deadline_s": keep_alive_s,
        "connection_count_max": connection_count_max,
    }
    return type("HttpProtocol", (BoundedHttpProtocol,), bounds)


class HttpServer(uvicorn.Server):
    """uvicorn's server, started and stopped by its owner; it wakes once a second, not ten times."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._asked_to_stop = asyncio.Event()

    def ask_to_stop(self) -> None:
        """Let the server finish what it answers and return."""
        self.should_exit = True
        self._asked_to_stop.set()

    async def main_loop(self) -> None:
        """Keep the date header right, and clients to taking answers, until asked to stop."""
        counter = 0
        while not await self.on_tick(counter):
            counter += _TICKS_A_SECOND
            for connection in tuple(self.server_state.connections):
                if isinstance(connection, BoundedHttpProtocol):
                    connection.check_taking()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked_to_stop.wait(), 1.0)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the process."""
        yield


def make_server(
    app: Any,  # noqa: ANN401 - an ASGI application
    *,
    receive_deadline_ms: int,
    keep_alive_ms: int,
    connection_count_max: int,
    drain_ms: int,
) -> HttpServer:
    """Build the server over an ASGI application."""
    keep_alive_s = max(1, keep_alive_ms // 1000)
    return HttpServer(
        uvicorn.Config(
            app,
            http=make_protocol(receive_deadline_ms, keep_alive_s, connection_count_max),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=connection_count_max,
            timeout_keep_alive=keep_alive_s,
            timeout_graceful_shutdown=max(1, drain_ms // 1000),
        )
    )


async def serve(server: HttpServer, listening: socket.socket) -> None:
    """Serve on a bound socket until `stop` is called."""
    await server.serve(sockets=[listening])


def stop(server: HttpServer) -> None:
    """Ask the server to finish what it answers and return."""
    server.ask_to_stop()
