"""All issuer links of a process, by the names that routes use."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Final

from switch.adapters.clock import read_clock
from switch.adapters.issuer_connection import IssuerConnection
from switch.adapters.telemetry import Telemetry
from switch.apps.addresses import parse_address
from switch.apps.settings import Settings
from switch.apps.settings_sources import SettingsError
from switch.codec import CodecError, load_dialect
from switch.domain.upstream import UpstreamAnswer, UpstreamRequest
from switch.issuers.connection import LinkState
from switch.issuers.limits import LinkLimits
from switch.issuers.link import IssuerLink
from switch.security.cards import CardVault
from switch.security.keystore import KeyStoreFault
from switch.security.sealing import SealBroken

DIALECT: Final = "iso1987-ascii"
TICK_S: Final = 0.02  # how exactly time-outs and echoes are kept


def make_limits(settings: Settings) -> LinkLimits:
    """Take a link's bounds from the settings of the same names."""
    link = settings.issuer_link
    return LinkLimits(
        answer_wait_ms=settings.times.issuer_timeout_ms,
        connect_timeout_ms=link.connect_timeout_ms,
        sign_on_timeout_ms=link.sign_on_timeout_ms,
        echo_interval_ms=link.echo_interval_ms,
        echo_timeout_ms=link.echo_timeout_ms,
        reconnect_delay_min_ms=link.reconnect_delay_min_ms,
        reconnect_delay_max_ms=link.reconnect_delay_max_ms,
        in_flight_count_max=link.in_flight_count_max,
    )


class IssuerLinks:
    """
    The links named in the settings, each with its connection.

    Two callbacks are set before `start`: `on_answers` takes what came in one read, `on_changed`
    hears that `links_up` is another.
    """

    def __init__(self, settings: Settings, vault: CardVault, telemetry: Telemetry) -> None:
        """
        Build the links, not connected yet.

        Raises:
            SettingsError: an address in `issuer_link.links` is none.
        """
        self.on_answers: Callable[[list[UpstreamAnswer]], None] = _drop_answers
        self.on_changed: Callable[[], None] = _do_nothing
        self.links_up: tuple[str, ...] = ()
        self._log = telemetry.log
        self._tick_handle: asyncio.TimerHandle | None = None
        self._connections: dict[str, IssuerConnection] = {}
        for name, text in settings.issuer_link.links.items():
            try:
                address = parse_address(text)
            except ValueError as error:
                raise SettingsError(f"issuer_link.links, {name}: {error}") from error
            self._add(name, address, settings, vault, telemetry)
        telemetry.readiness.add("issuer links", self._why_not_ready)

    def _add(
        self,
        name: str,
        address: tuple[str, int],
        settings: Settings,
        vault: CardVault,
        telemetry: Telemetry,
    ) -> None:
        self._connections[name] = IssuerConnection(
            IssuerLink(
                name,
                dialect=load_dialect(DIALECT),
                vault=vault,
                limits=make_limits(settings),
                random=random.random,
            ),
            lambda: address,
            self,
            write_buffer_bytes_max=settings.issuer_link.write_buffer_bytes_max,
            log=telemetry.log,
            metrics=telemetry.metrics,
        )

    @property
    def links_signed_on(self) -> frozenset[str]:
        """Names of the links whose connection stands, whether their issuer reads or not."""
        return frozenset(
            name for name, one in self._connections.items() if one.link.state is LinkState.UP
        )

    def start(self) -> None:
        """Begin to connect."""
        self._tick()

    async def stop(self) -> None:
        """Close every connection."""
        if self._tick_handle is not None:
            self._tick_handle.cancel()
        await asyncio.gather(*(one.stop() for one in self._connections.values()))

    async def wait_up(self, within_s: float) -> bool:
        """Wait until every link is up; False if that takes longer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._why_not_ready():  # noqa: ASYNC110 - at start only
                    await asyncio.sleep(TICK_S)
        return not self._why_not_ready()

    def send(self, request: UpstreamRequest, on_dropped: Callable[[], None] | None = None) -> bool:
        """
        Write one message to its link; False if it was certainly not sent.

        `on_dropped` is called later if that turns out only then.
        """
        connection = self._connections.get(request.link)
        if connection is None:
            return False
        try:
            return connection.send(request, on_dropped)
        except (CodecError, SealBroken, KeyStoreFault) as error:
            self._log.error("request cannot be sent", link=request.link, reason=str(error))
            return False

    def status(self) -> list[dict[str, object]]:
        """Describe each link for `/v1/status`."""
        return [
            {
                "link": name,
                "state": one.link.state.value,
                "in_flight": one.link.in_flight_count,
                "reason": one.down_reason,
            }
            for name, one in self._connections.items()
        ]

    def describe(self) -> str:
        """Say in words whether the links are up, for whoever watches the start."""
        if not self._connections:
            return "no issuer link is set (issuer_link.links)"
        down = self._why_not_ready()
        return f"not every issuer link is up: {down}" if down else "issuer links up"

    # -- LinkListener

    def answers_received(self, answers: list[UpstreamAnswer]) -> None:
        """Hand on what came in one read."""
        self.on_answers(answers)

    def links_changed(self) -> None:
        """Tell who wants to know that `links_up` changed."""
        self.links_up = tuple(sorted(name for name, one in self._connections.items() if one.is_up))
        self.on_changed()

    def _tick(self) -> None:
        # the next one first: a fault in this one must not be the end of all links
        self._tick_handle = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        now = read_clock()
        for connection in self._connections.values():
            connection.tick(now)

    def _why_not_ready(self) -> str:
        down = [
            f"{name}: {one.down_reason or 'connecting'}"
            for name, one in self._connections.items()
            if not one.is_up
        ]
        return "; ".join(down)


def _drop_answers(answers: list[UpstreamAnswer]) -> None:
    """Before the handler is there, nothing was asked that could be answered."""
    del answers


def _do_nothing() -> None:
    """Nobody wants to know yet."""
