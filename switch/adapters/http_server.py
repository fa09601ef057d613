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
_TICKS_A_SECOND: Final = 10  # as uvicorn counts them
_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_HEAD_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)


class BoundedHttpProtocol(HttpToolsProtocol):
    """One HTTP connection whose requests must arrive by a deadline, with a head of bounded size."""

    receive_deadline_s = 10.0  # set by `make_protocol`

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's signature
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._is_in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the head's bytes; the parser does the rest."""
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                self._refuse(_HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._head_bytes = 0
        self._is_in_head = True
        self._arm()

    def on_headers_complete(self) -> None:
        """End the head."""
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End the request: what follows is our time, not the client's."""
        self._disarm()
        super().on_message_complete()

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
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        if cycle is None or not cycle.response_started or cycle.response_complete:
            self.transport.write(answer)
        self.transport.close()


def make_protocol(receive_deadline_ms: int) -> type[BoundedHttpProtocol]:
    """Make the protocol class with this deadline."""
    return type(
        "HttpProtocol", (BoundedHttpProtocol,), {"receive_deadline_s": receive_deadline_ms / 1000}
    )


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
        """Keep the date header right until asked to stop."""
        counter = 0
        while not await self.on_tick(counter):
            counter += _TICKS_A_SECOND
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
    return HttpServer(
        uvicorn.Config(
            app,
            http=make_protocol(receive_deadline_ms),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=connection_count_max,
            timeout_keep_alive=max(1, keep_alive_ms // 1000),
            timeout_graceful_shutdown=max(1, drain_ms // 1000),
        )
    )


async def serve(server: HttpServer, listening: socket.socket) -> None:
    """Serve on a bound socket until `stop` is called."""
    await server.serve(sockets=[listening])


def stop(server: HttpServer) -> None:
    """Ask the server to finish what it answers and return."""
    server.ask_to_stop()
