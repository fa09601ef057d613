"""The HTTP listener of a process while it runs."""

import asyncio
import socket
from typing import Final

from switch.adapters.http_api import HttpApi
from switch.adapters.http_server import make_server, serve, stop
from switch.adapters.loop import count_open_files_max
from switch.apps.settings import HttpSettings

HTTP_DRAIN_MS: Final = 1_000
HTTP_FILES_DIVISOR: Final = 4  # HTTP gets no more than this share of a low limit


def bound_http_connections(settings: HttpSettings, open_files_max: int) -> int:
    """Return how many connections HTTP takes in a process that may open so many files."""
    return max(1, min(settings.connection_count_max, open_files_max // HTTP_FILES_DIVISOR))


class HttpListener:
    """Serves one HTTP application on a bound socket."""

    def __init__(self, api: HttpApi, settings: HttpSettings) -> None:
        self._server = make_server(
            api,
            receive_deadline_ms=settings.receive_deadline_ms,
            keep_alive_ms=settings.keep_alive_ms,
            connection_count_max=bound_http_connections(settings, count_open_files_max()),
            drain_ms=HTTP_DRAIN_MS,
        )
        self._serving: asyncio.Task[None] | None = None

    def start(self, bound: socket.socket) -> None:
        """Serve on this socket."""
        self._serving = asyncio.create_task(serve(self._server, bound), name="http")

    def ask_to_stop(self) -> None:
        """Take nothing new; what is being answered goes on."""
        stop(self._server)

    async def stop(self) -> None:
        """End, after what is being answered."""
        self.ask_to_stop()
        if self._serving is not None:
            await self._serving
