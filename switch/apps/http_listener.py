"""The HTTP listener of a process while it runs."""

import asyncio
import socket
from typing import Final

from switch.adapters.http_api import HttpApi
from switch.adapters.http_server import make_server, serve, stop
from switch.apps.settings import HttpSettings

HTTP_DRAIN_MS: Final = 1_000


class HttpListener:
    """Serves one HTTP application on a bound socket."""

    def __init__(self, api: HttpApi, settings: HttpSettings) -> None:
        self._server = make_server(
            api,
            receive_deadline_ms=settings.receive_deadline_ms,
            keep_alive_ms=settings.keep_alive_ms,
            connection_count_max=settings.connection_count_max,
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
