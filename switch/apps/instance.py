"""Every role of one instance in one process, put together, started and stopped in order."""

import asyncio
import secrets
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from switch.adapters.clock import read_clock
from switch.adapters.http_api import HttpApi
from switch.adapters.http_server import make_server
from switch.adapters.http_server import serve as serve_http
from switch.adapters.http_server import stop as stop_http
from switch.adapters.key_file import FileKeyStore
from switch.adapters.loop import settle_garbage
from switch.adapters.open_log import open_log
from switch.adapters.telemetry import Telemetry
from switch.apps.gateway import GatewayRole
from switch.apps.handler import HandlerRole
from switch.apps.issuer_links import IssuerLinks
from switch.apps.payment_status import AuditStatus
from switch.apps.registrar import RegistrarRole
from switch.apps.registry_follower import RegistryFollower
from switch.apps.settings import Settings
from switch.domain.cases.rules import CaseRules
from switch.domain.payment.rules import DecisionRules
from switch.domain.registry.entities import Terminal
from switch.domain.terminal.rules import TerminalRules
from switch.eventlog.port import EventLog
from switch.handlers.lanes import LaneSettings
from switch.handlers.settings import PartitionSettings
from switch.security.keys import Keys
from switch.security.keystore import KeyStoreFault
from switch.security.sealing import SealBroken

HTTP_DRAIN_MS: Final = 1_000
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
    Gateway, handlers, registrar and HTTP over one log; `start` brings them up, `stop` down.

    `find_dsn` names the database of the projections, empty while there is none.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        keys_directory: Path,
        log_url: str,
        is_demo: bool,
        telemetry: Telemetry,
        find_dsn: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._log_url = log_url
        self._is_demo = is_demo
        self._telemetry = telemetry
        self._keys_directory = keys_directory
        self._owner = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        self.audit = AuditStatus(find_dsn)
        self.event_log: EventLog | None = None

    @property
    def terminal_deadline_ms(self) -> int:
        """How long a terminal may have to wait."""
        return self._settings.times.terminal_deadline_ms

    async def open(self) -> None:
        """
        Open keys and log, and read the registry.

        Raises:
            KeyStoreFault: the keys cannot be used, or are not those of this log.
            LogUnavailable: the log cannot be opened.
            UnknownEvent: a newer program wrote the log.
        """
        settings = self._settings
        self.keys = Keys(
            FileKeyStore(self._keys_directory),
            minute_key_lifetime_ms=settings.minute_key_lifetime_ms,
        )
        self.event_log = await open_log(self._log_url, partition_count=settings.log.partition_count)
        self.follower = RegistryFollower(
            self.event_log,
            poll_wait_ms=settings.registry.poll_wait_ms,
            staleness_max_ms=settings.registry.staleness_max_ms,
            telemetry=self._telemetry,
        )
        self.registrar = RegistrarRole(
            owner=self._owner,
            event_log=self.event_log,
            follower=self.follower,
            keys=self.keys,
            telemetry=self._telemetry,
            append_deadline_ms=settings.times.append_deadline_ms,
            clear_keys_allowed=self._is_demo,
        )
        await self.follower.start()
        self._check_keys()

    async def start(self) -> None:
        """
        Bring up links, gateway and handlers; clients are taken by `listen` only.

        Raises:
            SettingsError: an issuer's address is none.
            LogUnavailable: the log cannot be opened.
        """
        assert self.event_log is not None
        settings = self._settings
        self.links = IssuerLinks(settings, self.keys.vault, self._telemetry)
        self.gateway = GatewayRole(
            settings, self.event_log, self.follower.view, self.keys, self._telemetry
        )
        await self.gateway.start()
        self.handler = HandlerRole(
            owner=self._owner,
            settings=make_partition_settings(settings, self.event_log.partition_count),
            event_log=self.event_log,
            registry=self.follower,
            keys=self.keys,
            links=self.links,
            telemetry=self._telemetry,
            append_deadline_ms=settings.times.append_deadline_ms,
            drain_ms=settings.times.drain_ms,
        )
        self.links.on_answers = self.handler.on_issuer_messages
        self.links.on_changed = self.handler.on_links_changed
        self.links.start()
        with settle_garbage():
            await self.handler.start()
            await self.handler.wait_ready()
        await self.links.wait_up(LINKS_DEADLINE_S)
        self._minute_keys_task = asyncio.create_task(self._destroy_minute_keys())

    async def listen(
        self, terminals: Mapping[str, socket.socket], http: socket.socket, api: HttpApi
    ) -> None:
        """Take clients."""
        settings = self._settings.http
        self._server = make_server(
            api,
            receive_deadline_ms=settings.receive_deadline_ms,
            keep_alive_ms=settings.keep_alive_ms,
            connection_count_max=settings.connection_count_max,
            drain_ms=HTTP_DRAIN_MS,
        )
        self._serving = asyncio.create_task(serve_http(self._server, http), name="http")
        await self.gateway.listen(terminals)

    async def stop(self) -> None:
        """Answer what was taken, within the drain bound; then close everything."""
        drain_s = self._settings.times.drain_ms / 1000
        left = await self.gateway.drain(drain_s)
        if left:
            self._telemetry.log.warning(
                "stopping with requests unanswered; their terminals repeat or reverse them",
                request_count=left,
            )
        stop_http(self._server)
        await self.handler.stop()
        await asyncio.gather(self._serving, self.links.stop(), self.gateway.stop())
        self._minute_keys_task.cancel()
        await asyncio.gather(self._minute_keys_task, return_exceptions=True)
        await self.close()

    async def close(self) -> None:
        """Close what `open` opened."""
        await self.audit.close()
        if self.event_log is not None:
            await self.registrar.stop()
            await self.follower.stop()
            await self.event_log.close()

    def status(self) -> dict[str, object]:
        """Describe what runs, for operators."""
        return {
            "owner": self._owner,
            "log": self._log_url,
            "partitions": self.handler.status(),
            "links": self.links.status(),
            "registry": {
                "position": self.follower.position,
                "age_ms": self.follower.age_ms(),
            },
            "gateway": {
                "incarnation": self.gateway.incarnation,
                "waiting": self.gateway.in_flight_count,
            },
        }

    def _check_keys(self) -> None:
        """
        Refuse to serve a log with the keys of another: no terminal's MAC could be checked.

        It happens when the data folder was removed and the log, being elsewhere, was not.
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
                return  # it opened; that the algorithm does not take it is this terminal's trouble
            return
        if keyed:
            raise KeyStoreFault(
                f"the log {self._log_url} was written with other keys than those in"
                f" {self._keys_directory}: restore the keys that belong to it, or take another"
                " log (kafka://...?prefix=NAME begins a new one beside it)"
            )

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
