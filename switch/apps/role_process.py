"""One role in a process of its own, over Kafka: `switch gateway`, `handler`, `registrar`."""

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from switch.adapters.http_page import PageFact
from switch.adapters.open_log import EMBEDDED_SCHEME, parse_kafka_url
from switch.adapters.telemetry import Telemetry, make_telemetry
from switch.apps.addresses import bound_address, write_addresses
from switch.apps.demo import DemoWorld
from switch.apps.demo_start import add_demo_link, load_demo
from switch.apps.gateway import list_terminal_listeners
from switch.apps.http import make_api
from switch.apps.instance import Instance
from switch.apps.launch import (
    Bound,
    Failed,
    Listener,
    StartRefused,
    find_keys_directory,
    run_process,
)
from switch.apps.loop_delay import measure_loop_delay
from switch.apps.operator_token import ensure_operator_token
from switch.apps.roles import Role
from switch.apps.settings import Settings
from switch.eventlog.port import LogSettingWrong

SILENCE_S: Final = 0.5  # what takes longer is told to whoever looks on


class RoleProcess:
    """Starts, watches and stops one role; `run` returns after a stop was asked for."""

    def __init__(
        self,
        settings: Settings,
        data_dir: Path,
        role: Role,
        *,
        demo: DemoWorld | None,
        say: Callable[[str], None],
    ) -> None:
        self._settings = add_demo_link(settings, demo, settings.issuer_simulator.address)
        self._data_dir = data_dir.absolute()
        self._role = role
        self._demo = demo
        self._say = say
        self._telemetry: Telemetry = make_telemetry(role.value)
        self._instance: Instance | None = None
        self._watching: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """
        Serve until SIGINT or SIGTERM.

        Raises:
            StartRefused: it cannot start, or could not go on.
        """
        need_kafka(self._settings, self._role)
        await run_process(
            self._data_dir,
            self._list_listeners(),
            start=self._start,
            stop=self._stop,
            say_stopping=lambda: self._say("stopping: what was begun is brought to its end first"),
        )

    def _list_listeners(self) -> list[Listener]:
        terminals = list_terminal_listeners(self._settings) if self._role is Role.GATEWAY else []
        return [*terminals, Listener("http", "http.address", self._settings.http.address)]

    async def _start(self, bound: Bound) -> Failed:
        settings = self._settings
        token = ensure_operator_token(self._data_dir / "keys")
        instance = self._instance = Instance(
            settings,
            roles=frozenset({self._role}),
            data_directory=self._data_dir,
            keys_directory=find_keys_directory(settings, self._data_dir),
            log_url=settings.log.url,
            is_demo=self._demo is not None,
            telemetry=self._telemetry,
            find_dsn=lambda: settings.projector.dsn,
        )
        await instance.open()
        api = make_api(
            instance,
            settings.http,
            self._telemetry,
            operator_token=token,
            facts=lambda: [PageFact("event log", settings.log.url)],
        )
        # from here on whoever looks is told what the process waits for
        await instance.serve_http(bound["http"], api)
        self._watching = asyncio.create_task(self._watch())
        if self._demo is not None:
            await load_demo(instance, self._demo, self._say)
        await instance.start()
        if self._role is not Role.REGISTRAR:
            await self._wait_registry(instance)
        if self._role is Role.GATEWAY:
            await instance.listen({name: one for name, one in bound.items() if name != "http"})
        self._announce(bound)
        return instance.failed

    async def _wait_registry(self, instance: Instance) -> None:
        waiting = asyncio.create_task(instance.wait_registry())
        try:
            if not (await asyncio.wait({waiting}, timeout=SILENCE_S))[0]:
                self._say("waiting for the registry: no registrar has loaded one yet")
            await waiting
        finally:
            waiting.cancel()

    def _announce(self, bound: Bound) -> None:
        addresses: dict[str, object] = {name: bound_address(one) for name, one in bound.items()}
        addresses |= {"log": self._settings.log.url, "role": self._role.value, "pid": os.getpid()}
        if dsn := self._settings.projector.dsn:
            addresses["postgres"] = dsn
        write_addresses(self._data_dir, addresses)
        self._say(describe_ready(self._role, addresses))

    async def _watch(self) -> None:
        async for _ in measure_loop_delay(self._telemetry):
            pass

    async def _stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._instance is not None:
            await self._instance.stop()


def describe_ready(role: Role, addresses: Mapping[str, object]) -> str:
    """Say in a line that a role serves, and where."""
    names = ("unionpay-pos", "iso1987-ascii", "http")
    places = ", ".join(f"{name} {addresses[name]}" for name in names if name in addresses)
    return f"{role.value} ready: {places}; log {addresses['log']}"


def need_kafka(settings: Settings, role: Role) -> None:
    """
    Refuse the embedded log: it belongs to one process.

    Raises:
        StartRefused: it is wanted, or what is named is no log.
    """
    url = settings.log.url
    if not url or url.startswith(EMBEDDED_SCHEME):
        raise StartRefused(
            "setting",
            f"a {role.value} of its own needs a log on Kafka, because the embedded log belongs to"
            " the one process over its data folder: name the log with --log kafka://HOST:PORT (or"
            " log.url), or run every role together with `switch up --data DIR`",
        )
    try:
        parse_kafka_url(url)
    except LogSettingWrong as error:
        raise StartRefused("setting", str(error)) from error
