"""The projector in a process of its own, over Kafka: `switch projector`."""

import asyncio
import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import switch
from switch.adapters.clock import read_clock
from switch.adapters.http_api import ApiPorts, HttpApi
from switch.adapters.http_page import PageContent, PageFact
from switch.adapters.telemetry import Telemetry, make_telemetry
from switch.apps.addresses import bound_address, write_addresses
from switch.apps.http_listener import HttpListener
from switch.apps.launch import Bound, Failed, Listener, run_process
from switch.apps.log_settings import make_kafka_security, make_topic_wishes
from switch.apps.loop_delay import measure_loop_delay
from switch.apps.operator_token import ensure_operator_token
from switch.apps.projector import (
    Projector,
    ProjectorOrder,
    describe_projections,
    step_back,
    tell_projections,
)
from switch.apps.role_process import describe_ready, need_kafka
from switch.apps.roles import Role
from switch.apps.settings import Settings
from switch.apps.status import ProcessStatus, merge_statuses
from switch.apps.status_board import Heard, StatusBoard
from switch.domain.registry.entities import Operator
from switch.eventlog.port import EventLog

POSTGRES_FOLDER: Final = "pg"
READY_POLL_S: Final = 0.05


class ProjectorProcess:
    """Starts, watches and stops the projector; `run` returns after a stop was asked for."""

    def __init__(
        self,
        settings: Settings,
        data_dir: Path,
        *,
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._data_dir = data_dir.absolute()
        self._say = say
        self._telemetry: Telemetry = make_telemetry(Role.PROJECTOR.value)
        self._projector: Projector | None = None
        self._owner = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        self._http: HttpListener | None = None
        self._http_address = ""
        self._board: StatusBoard | None = None
        self._running: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """
        Serve until SIGINT or SIGTERM.

        Raises:
            StartRefused: it cannot start.
        """
        need_kafka(self._settings, Role.PROJECTOR)
        await run_process(
            self._data_dir,
            [Listener("http", "http.address", self._settings.http.address)],
            start=self._start,
            stop=self._stop,
            say_stopping=lambda: self._say("stopping: the next start reads on from here"),
        )

    async def _start(self, bound: Bound) -> Failed:
        if self._settings.projector.in_background:
            step_back()
        token = ensure_operator_token(self._data_dir / "keys")
        projector = self._projector = Projector(self._make_order(), self._telemetry.log)
        self._telemetry.readiness.add("projections", lambda: self._why_not_ready(projector))
        self._http = HttpListener(self._make_api(projector, token), self._settings.http)
        self._http_address = bound_address(bound["http"])
        self._http.start(bound["http"])
        self._running = asyncio.create_task(projector.run(), name="projector")
        self._watching = asyncio.create_task(self._watch(projector))
        addresses: dict[str, object] = {
            "http": self._http_address,
            "postgres": projector.dsn,
            "log": self._settings.log.url,
            "role": Role.PROJECTOR.value,
            "pid": os.getpid(),
        }
        write_addresses(self._data_dir, addresses)  # who looks is told what it waits for
        while not projector.is_running and not self._running.done():  # noqa: ASYNC110 - at start only
            await asyncio.sleep(READY_POLL_S)
        if self._running.done():
            self._running.result()
        self._say(describe_ready(Role.PROJECTOR, addresses))
        return self._running

    def _make_order(self) -> ProjectorOrder:
        settings = self._settings
        return ProjectorOrder(
            log_url=settings.log.url,
            security=make_kafka_security(settings.log),
            topics=make_topic_wishes(settings.log, makes=False),
            dsn=settings.projector.dsn,
            postgres_path=str(self._data_dir / POSTGRES_FOLDER),
            batch_count_max=settings.projector.batch_count_max,
            in_background=settings.projector.in_background,
            log_format=settings.telemetry.log_format,
            log_level=settings.telemetry.log_level,
            uvloop=settings.runtime.uvloop,
        )

    def _make_api(self, projector: Projector, token: str) -> HttpApi:
        http, telemetry = self._settings.http, self._telemetry

        async def tell_status() -> dict[str, object]:
            own = self._describe(projector)
            heard = await self._hear(projector)
            return {
                "version": own.version,
                "ready": not own.not_ready,
                "not_ready": own.not_ready,
                "owner": own.name,
                "roles": own.roles,
                "log": self._settings.log.url,
                "projections": own.projections,
                "switch": merge_statuses(heard.said, unheard=heard.unheard),
            }

        async def make_page(_may_see_payments: bool) -> PageContent:  # noqa: FBT001 - as the port
            parts = telemetry.readiness.parts()
            return PageContent(
                version=switch.__version__,
                is_ready=not any(parts.values()),
                facts=tuple(
                    PageFact(part, reason or "in service", not reason)
                    for part, reason in parts.items()
                ),
                payments=(),
                payments_note="Shown by a gateway.",
            )

        return HttpApi(
            ApiPorts(
                operators=_NoOperators(),
                telemetry=telemetry,
                status=tell_status,
                page=make_page,
                version=switch.__version__,
                operator_token=token,
                request_bytes_max=http.request_bytes_max,
                registry_bytes_max=http.registry_bytes_max,
            )
        )

    def _describe(self, projector: Projector) -> ProcessStatus:
        event_log = projector.event_log
        return ProcessStatus(
            name=self._owner,
            roles=(Role.PROJECTOR.value,),
            version=switch.__version__,
            pid=os.getpid(),
            http=self._http_address,
            at=read_clock().wall_ms,
            interval_ms=self._settings.telemetry.status_interval_ms,
            not_ready=self._telemetry.readiness.reasons(),
            partition_count=event_log.partition_count if event_log else 0,
            projections=describe_projections(projector.status),
        )

    async def _hear(self, projector: Projector) -> Heard:
        if self._board is not None:
            return await self._board.read()
        return Heard([self._describe(projector)], projector.fault or "it was opened a moment ago")

    def _why_not_ready(self, projector: Projector) -> str:
        if projector.is_running:
            return ""
        return "; ".join(projector.faults) or "starting"

    async def _watch(self, projector: Projector) -> None:
        async for _ in measure_loop_delay(self._telemetry):
            tell_projections(self._telemetry.metrics, describe_projections(projector.status))
            if self._board is None and projector.event_log is not None:
                self._board = self._make_board(projector, projector.event_log)
                self._board.start()

    def _make_board(self, projector: Projector, event_log: EventLog) -> StatusBoard:
        return StatusBoard(
            event_log,
            lambda: self._describe(projector),
            interval_ms=self._settings.telemetry.status_interval_ms,
            log=self._telemetry.log,
        )

    async def _stop(self) -> None:
        if self._board is not None:
            await self._board.stop()
        if self._projector is not None:
            self._projector.stop()
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._http is not None:
            await self._http.stop()


class _NoOperators:
    """A projector follows no registry: only the token of its machine is known here."""

    def find_operator(self, _key_hash: str) -> Operator | None:
        return None
