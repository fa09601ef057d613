"""The roles of one process, put together, started and stopped in order."""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import switch
from switch.adapters.clock import read_clock
from switch.adapters.data_folder import name_owner
from switch.adapters.http_api import HttpApi
from switch.adapters.key_file import FileKeyStore
from switch.adapters.loop import settle_garbage
from switch.adapters.open_log import open_log
from switch.adapters.telemetry import Telemetry
from switch.apps.addresses import bound_address
from switch.apps.gateway import GatewayRole
from switch.apps.gateway_number import GatewayNumber
from switch.apps.handler import HandlerRole
from switch.apps.http_listener import HttpListener
from switch.apps.issuer_links import IssuerLinks
from switch.apps.log_settings import make_kafka_security, make_topic_wishes
from switch.apps.ownership import make_proposer
from switch.apps.payment_status import AuditStatus
from switch.apps.registrar import RegistrarRole
from switch.apps.registry_follower import RegistryFollower
from switch.apps.roles import INSTANCE_ROLES, Role
from switch.apps.settings import Settings
from switch.apps.snapshots import make_snapshot_keeper
from switch.apps.status import ProcessStatus, Row
from switch.apps.status_board import StatusBoard, is_shared
from switch.domain.cases.rules import CaseRules
from switch.domain.payment.rules import DecisionRules
from switch.domain.registry.entities import Terminal
from switch.domain.terminal.rules import TerminalRules
from switch.eventlog.port import EventLog
from switch.gateway.normalise import hide_reference
from switch.handlers.lanes import LaneSettings
from switch.handlers.settings import PartitionSettings
from switch.security.keys import Keys
from switch.security.keystore import KeyStoreFault
from switch.security.sealing import SealBroken

LINKS_DEADLINE_S: Final = 3.0
KEY_SAMPLE_COUNT: Final = 5
MINUTE_KEY_CHECK_S: Final = 10.0  # well inside the minute that a key serves


def make_partition_settings(settings: Settings, partition_count: int) -> PartitionSettings:
    """Take what a partition needs from the settings."""
    times, handler, memory = settings.times, settings.handler, settings.memory
    return PartitionSettings(
        partition_count=partition_count,
        institution_id=handler.institution_id,
        issuer_timeout_ms=times.issuer_timeout_ms,
        send_window_ms=times.send_window_ms,
        send_margin_ms=times.clock_skew_max_ms,
        registry_age_max_ms=settings.registry.staleness_max_ms,
        position_note_ms=handler.position_note_ms,
        rules=DecisionRules(
            timezone_offset_minutes=handler.timezone_offset_minutes,
            cut_over_minutes=handler.cut_over_minutes,
            tombstone_ms=handler.tombstone_ms,
            reversal_answers_bad_count_max=handler.reversal_answers_bad_count_max,
            reversal_answer_ms=memory.reversal_answer_ms,
            payment_memory_ms=memory.payment_memory_ms,
            batch_count_max=memory.batch_count_max,
            batch_age_max_days=memory.batch_age_max_days,
            pre_authorization_days=memory.pre_authorization_days,
            refund_days=memory.refund_days,
            cases=CaseRules(
                open_after_ms=settings.cases.open_after_ms,
                second_person_over_minor=settings.cases.second_person_over_minor,
            ),
            terminals=TerminalRules(
                sign_on_window_ms=settings.terminals.sign_on_window_ms,
                lost_key_ms=settings.terminals.lost_key_ms,
                upload_late_ms=settings.terminals.upload_late_ms,
            ),
        ),
        lanes=LaneSettings(
            first_repeat_ms=handler.reversal_first_repeat_ms,
            repeat_max_ms=handler.reversal_repeat_max_ms,
            in_flight_count_max=handler.reversal_in_flight_count_max,
            issuer_delay_max_ms=times.issuer_delay_max_ms,
        ),
    )


class Instance:
    """
    The roles of one process over one log; `start` brings them up, `stop` down.

    `data_directory` takes what is kept beside the process: snapshots. `find_dsn` names the database
    of the projections, empty while there is none. `failed` is done, with the reason, if what is
    found later shows that this process must not serve.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        data_directory: Path,
        keys_directory: Path,
        log_url: str,
        is_demo: bool,
        telemetry: Telemetry,
        find_dsn: Callable[[], str],
        roles: frozenset[Role] = INSTANCE_ROLES,
    ) -> None:
        self.roles = roles
        self._settings = settings
        self._log_url = log_url
        self._is_demo = is_demo
        self._telemetry = telemetry
        self._data_directory = data_directory
        self._keys_directory = keys_directory
        self._owner = name_owner(data_directory)
        self.audit = AuditStatus(find_dsn, self._name_reference)
        self.event_log: EventLog | None = None
        self.gateway: GatewayRole | None = None
        self.handler: HandlerRole | None = None
        self.registrar: RegistrarRole | None = None
        self.links: IssuerLinks | None = None
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # of the projector that runs as a child beside these roles, if one does
        self.list_projections: Callable[[], Sequence[Row]] | None = None
        self.board: StatusBoard | None = None
        self._http: HttpListener | None = None
        self._http_address = ""
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def terminal_deadline_ms(self) -> int:
        """How long a terminal may have to wait."""
        return self._settings.times.terminal_deadline_ms

    def _name_reference(self, reference: str) -> str:
        """Name a partner's key as the log has it; asked by the HTTP listener, so there are keys."""
        return hide_reference(reference, self.keys.fingerprinter)

    @property
    def log_url(self) -> str:
        """The log that this process stands on."""
        return self._log_url

    async def open(self) -> None:
        """
        Open keys and log, read the registry, and build the roles.

        Raises:
            KeyStoreFault: the keys cannot be used, or are not those of this log.
            LogUnavailable: the log cannot be opened.
            SettingsError: an issuer's address is none.
            UnknownEvent: a newer program wrote the log.
        """
        settings = self._settings
        self.keys = Keys(
            FileKeyStore(self._keys_directory),
            minute_key_lifetime_ms=settings.minute_key_lifetime_ms,
        )
        self.event_log = await open_log(
            self._log_url,
            partition_count=settings.log.partition_count,
            # in earnest an operator makes them: `switch topics create`
            topics=make_topic_wishes(
                settings.log, makes=self._is_demo or self.roles == INSTANCE_ROLES
            ),
            security=make_kafka_security(settings.log),
            append_deadline_ms=settings.times.append_deadline_ms,
        )
        self.follower = RegistryFollower(
            self.event_log,
            poll_wait_ms=settings.registry.poll_wait_ms,
            staleness_max_ms=settings.registry.staleness_max_ms,
            telemetry=self._telemetry,
        )
        await self.follower.start()
        self._check_keys()
        if Role.REGISTRAR in self.roles:
            self.registrar = self._make_registrar(self.event_log)
        else:
            self._telemetry.readiness.add("registry content", self._why_no_registry)
        if Role.GATEWAY in self.roles:
            self.gateway = GatewayRole(
                settings, self.event_log, self.follower.view, self.keys, self._telemetry
            )
        if Role.HANDLER in self.roles:
            self.links = IssuerLinks(settings, self.keys.vault, self._telemetry)
            self.handler = self._make_handler(self.event_log, self.links)
        self.board = self._make_board(self.event_log)
        self.board.start()

    def _make_registrar(self, event_log: EventLog) -> RegistrarRole:
        return RegistrarRole(
            owner=self._owner,
            event_log=event_log,
            follower=self.follower,
            keys=self.keys,
            telemetry=self._telemetry,
            append_deadline_ms=self._settings.times.append_deadline_ms,
            clear_keys_allowed=self._is_demo,
        )

    def _make_handler(self, event_log: EventLog, links: IssuerLinks) -> HandlerRole:
        settings = self._settings
        partitions = make_partition_settings(settings, event_log.partition_count)
        handler = HandlerRole(
            owner=self._owner,
            settings=partitions,
            event_log=event_log,
            registry=self.follower,
            keys=self.keys,
            links=links,
            telemetry=self._telemetry,
            append_deadline_ms=settings.times.append_deadline_ms,
            drain_ms=settings.times.drain_ms,
            proposer=make_proposer(settings.ownership, event_log, self._telemetry.log),
            snapshots=make_snapshot_keeper(
                settings.snapshots,
                data_directory=self._data_directory,
                event_log=event_log,
                rules=partitions.rules,
                telemetry=self._telemetry,
            ),
        )
        links.on_answers = handler.on_issuer_messages
        links.on_changed = handler.on_links_changed
        return handler

    def _make_board(self, event_log: EventLog) -> StatusBoard:
        return StatusBoard(
            event_log if is_shared(self._log_url) else None,
            self.describe,
            interval_ms=self._settings.telemetry.status_interval_ms,
            log=self._telemetry.log,
        )

    async def start(self) -> None:
        """
        Bring up links, gateway and handlers; terminals are taken by `listen` only.

        Raises:
            LogUnavailable: the log cannot be opened.
        """
        self._tasks.append(asyncio.create_task(self._check_keys_later()))
        if self.gateway is not None:
            await self.gateway.start()
            if self.board is not None and is_shared(self._log_url):
                number = GatewayNumber(self._owner, self.board, self._telemetry.log)
                self._tasks.append(asyncio.create_task(number.watch()))
        if self.links is not None and self.handler is not None:
            self.links.start()
            with settle_garbage():
                await self.handler.start()
                await self.handler.wait_ready()
            await self.links.wait_up(LINKS_DEADLINE_S)
        self._tasks.append(asyncio.create_task(self._destroy_minute_keys()))

    async def wait_registry(self) -> None:
        """Wait until there is a registry at all: without one every request would be refused."""
        await self.follower.wait_for(1)
        while self._why_no_registry():
            await self.follower.wait_for(self.follower.position + 1)

    async def serve_http(self, http: socket.socket, api: HttpApi) -> None:
        """Serve HTTP until `stop`."""
        self._http_address = bound_address(http)
        self._http = HttpListener(api, self._settings.http)
        self._http.start(http)

    async def listen(self, terminals: Mapping[str, socket.socket]) -> None:
        """Take terminals."""
        assert self.gateway is not None
        await self.gateway.listen(terminals)

    async def stop(self) -> None:
        """Answer what was taken, within the drain bound; then close everything."""
        if self.gateway is not None:
            left = await self.gateway.drain(self._settings.times.drain_ms / 1000)
            if left:
                self._telemetry.log.warning(
                    "stopping with requests unanswered; their terminals repeat or reverse them",
                    request_count=left,
                )
        if self._http is not None:
            self._http.ask_to_stop()
        if self.handler is not None:
            await self.handler.stop()
        if self._http is not None:
            await self._http.stop()
        if self.links is not None:
            await self.links.stop()
        if self.gateway is not None:
            await self.gateway.stop()
        await self.close()

    async def close(self) -> None:
        """Close what `open` opened."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.audit.close()
        if self.board is not None:
            await self.board.stop()
        if self.event_log is not None:
            if self.registrar is not None:
                await self.registrar.stop()
            await self.follower.stop()
            await self.event_log.close()

    def status(self) -> dict[str, object]:
        """Describe what runs in this process, for operators."""
        found: dict[str, object] = {
            "owner": self._owner,
            "roles": self._list_roles(),
            "log": self._log_url,
            "registry": {
                "position": self.follower.position,
                "age_ms": self.follower.age_ms(),
            },
        }
        if self.handler is not None and self.links is not None:
            found |= {"partitions": self.handler.status(), "links": self.links.status()}
        if self.gateway is not None:
            found["gateway"] = self.gateway.status()
        return found

    def describe(self) -> ProcessStatus:
        """Say how this process is, for all processes of the switch."""
        handler, links, gateway, registrar = (
            self.handler,
            self.links,
            self.gateway,
            self.registrar,
        )
        return ProcessStatus(
            name=self._owner,
            roles=self._list_roles(),
            version=switch.__version__,
            pid=os.getpid(),
            http=self._http_address,
            at=read_clock().wall_ms,
            interval_ms=self._settings.telemetry.status_interval_ms,
            not_ready=self._telemetry.readiness.reasons(),
            partition_count=self.event_log.partition_count if self.event_log else 0,
            partitions=handler.status() if handler else (),
            projections=self.list_projections() if self.list_projections else (),
            gateways=[gateway.status()] if gateway else (),
            registrars=[registrar.status()] if registrar else (),
            links=links.status() if links else (),
        )

    def _list_roles(self) -> tuple[Role, ...]:
        beside = {Role.PROJECTOR} if self.list_projections is not None else set()
        return tuple(sorted(self.roles | beside))

    def _why_no_registry(self) -> str:
        if self.follower.view.list_entities("merchants"):
            return ""
        return "the registry is empty: load one at the registrar (`switch registry load`)"

    def _check_keys(self) -> bool:
        """
        Refuse to serve a log with the keys of another: no terminal's MAC could be checked.

        It happens when the data folder was removed and the log, being elsewhere, was not; or when
        processes that stand on one log do not share their keys. False: there is nothing yet that
        could be checked.
        """
        terminals = self.follower.view.list_entities("terminals")
        keyed = [
            one for one in terminals if isinstance(one, Terminal) and one.mak and one.needs_mac
        ]
        for terminal in keyed[:KEY_SAMPLE_COUNT]:
            try:
                self.keys.mac_key_of(terminal)
            except SealBroken:
                continue
            except ValueError:
                return True  # it opened; that the algorithm does not take it is its own trouble
            return True
        if keyed:
            raise KeyStoreFault(
                f"the log {self._log_url} was written with other keys than those in"
                f" {self._keys_directory}: restore the keys that belong to it (every process over"
                " one log has the same: security.keys_directory), or take another log"
                " (kafka://...?prefix=NAME begins a new one beside it)"
            )
        return False

    async def _check_keys_later(self) -> None:
        """Check the keys once the registry has some: at a first start it may still be empty."""
        try:
            while not self._check_keys():
                await self.follower.wait_for(self.follower.position + 1)
        except KeyStoreFault as fault:
            if not self.failed.done():
                self.failed.set_exception(fault)

    async def _destroy_minute_keys(self) -> None:
        """Destroy keys of the minute when their time is over (docs/design.md 5)."""
        while True:
            await asyncio.sleep(MINUTE_KEY_CHECK_S)
            try:
                self.keys.minute_keys.destroy_expired(read_clock().wall_ms)
            except KeyStoreFault as error:
                self._telemetry.log.warning(
                    "expired minute keys were not destroyed", reason=str(error)
                )
