"""`switch up`: one instance with its children, from the data folder to the last answer."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

import msgspec

from switch.adapters.embedded_postgres import EmbeddedPostgres
from switch.adapters.http_page import PageFact
from switch.adapters.telemetry import Telemetry, make_telemetry
from switch.apps.addresses import bound_address, write_addresses
from switch.apps.children import KeptChild
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
from switch.apps.log_settings import make_kafka_security
from switch.apps.loop_delay import measure_loop_delay
from switch.apps.operator_token import ensure_operator_token
from switch.apps.projector import ProjectorOrder, tell_projections
from switch.apps.settings import Settings
from switch.apps.simulator import SimulatorOrder
from switch.apps.status import Row
from switch.demo.issuer_simulator import IssuerPace

SIMULATOR_DEADLINE_S: Final = 15.0
PROJECTOR_DEADLINE_S: Final = 30.0  # the first start makes a database: two seconds, ten when busy
PROJECTOR_RESTART_DEADLINE_S: Final = 1.5  # after a crash PostgreSQL recovers while payments go on
LATE_MARGIN_MS: Final = 1_000  # the simulator's late answer comes so long after the time-out
LOG_FILE: Final = "log.db"
LEDGER_FILE: Final = "issuer-ledger.jsonl"
POSTGRES_FOLDER: Final = "pg"


class Ready(NamedTuple):
    """What a person wants to know once the instance serves."""

    addresses: Mapping[str, object]
    data_dir: Path
    demo: DemoWorld | None
    seconds: float


class Up:
    """Starts, watches and stops everything; `run` returns after a stop was asked for."""

    def __init__(
        self,
        settings: Settings,
        data_dir: Path,
        *,
        demo: DemoWorld | None,
        say: Callable[[str], None],
        on_ready: Callable[[Ready], None],
    ) -> None:
        self._settings = settings
        self._data_dir = data_dir.absolute()
        self._demo = demo
        self._say = say
        self._on_ready = on_ready
        self._started_at = time.monotonic()
        self._telemetry: Telemetry = make_telemetry("switch")
        self._children: list[KeptChild] = []
        self._instance: Instance | None = None
        self._is_serving = False
        self._terminal_addresses = ""
        self._log_url = settings.log.url or f"sqlite://{quote(str(self._data_dir / LOG_FILE))}"
        self._projector: KeptChild | None = None
        self._issuer_address = settings.issuer_simulator.address
        self._had_postgres = (self._data_dir / POSTGRES_FOLDER).exists()
        self._watching: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """
        Serve until SIGINT or SIGTERM.

        Raises:
            StartRefused: it cannot start, or could not go on.
        """
        await run_process(
            self._data_dir,
            self._list_listeners(),
            start=self._start,
            stop=self._stop,
            say_stopping=lambda: self._say("stopping: what is being paid gets its answer first"),
        )

    def _list_listeners(self) -> list[Listener]:
        return [
            *list_terminal_listeners(self._settings),
            Listener("http", "http.address", self._settings.http.address),
        ]

    # -- start

    async def _start(self, bound: Bound) -> Failed:
        issuer = await self._start_simulator() if self._demo else ""
        settings = add_demo_link(self._settings, self._demo, issuer)
        token = ensure_operator_token(self._data_dir / "keys")
        instance = Instance(
            settings,
            data_directory=self._data_dir,
            keys_directory=find_keys_directory(settings, self._data_dir),
            log_url=self._log_url,
            is_demo=self._demo is not None,
            telemetry=self._telemetry,
            find_dsn=self._find_dsn,
        )
        self._instance = instance
        instance.list_projections = self._list_projections
        await instance.open()
        self._say(f"event log open: {self._log_url}")
        await self._start_projector()
        if self._demo:
            await load_demo(instance, self._demo, self._say)
        await instance.start()
        self._is_serving = True
        assert instance.links is not None, "`switch up` has every role"
        self._say(f"partitions claimed, {instance.links.describe()}")
        api = make_api(
            instance,
            settings.http,
            self._telemetry,
            operator_token=token,
            facts=self._list_facts,
        )
        terminals = {name: one for name, one in bound.items() if name != "http"}
        self._terminal_addresses = ", ".join(
            f"{bound_address(one)} ({name})" for name, one in terminals.items()
        )
        await instance.serve_http(bound["http"], api)
        await instance.listen(terminals)
        await self._wait_projector()
        self._announce(bound, issuer)
        self._watching = asyncio.create_task(self._watch())
        return instance.failed

    async def _start_simulator(self) -> str:
        simulator = self._add_child(
            "issuer simulator", "switch.apps.simulator", self._make_simulator_order
        )
        await simulator.start()
        if await simulator.wait_report("address", SIMULATOR_DEADLINE_S):
            self._say(f"issuer simulator listens on {simulator.report['address']}")
            # where it is found again if it has to be started again: port 0 is another each time
            self._issuer_address = str(simulator.report["address"])
            return self._issuer_address
        fault = simulator.fault or f"it does not come up within {SIMULATOR_DEADLINE_S:g} s"
        raise StartRefused(
            "in-use",
            f"issuer simulator: {fault}; choose another address with"
            " SWITCH__ISSUER_SIMULATOR__ADDRESS=127.0.0.1:PORT (port 0 picks a free one)",
        )

    async def _start_projector(self) -> None:
        self._projector = self._add_child(
            "projector", "switch.apps.projector", self._make_projector_order
        )
        await self._projector.start()

    async def _wait_projector(self) -> None:
        """Wait for the projections; payments do not need them, so a late one is only told."""
        assert self._projector is not None
        deadline = PROJECTOR_RESTART_DEADLINE_S if self._had_postgres else PROJECTOR_DEADLINE_S
        if await self._projector.wait_report("ready", deadline):
            self._say("PostgreSQL and projections are up")
        else:
            self._say(f"projections are not up yet, payments go on: {self._explain_projector()}")

    def _add_child(self, name: str, module: str, make_order: Callable[[], bytes]) -> KeptChild:
        child = KeptChild(name, module, make_order, self._telemetry.log)
        self._children.append(child)
        return child

    def _make_simulator_order(self) -> bytes:
        settings = self._settings
        simulator = settings.issuer_simulator
        return msgspec.json.encode(
            SimulatorOrder(
                address=self._issuer_address,
                ledger_path=str(self._data_dir / LEDGER_FILE),
                pace=IssuerPace(
                    delay_ms=simulator.delay_ms,
                    late_ms=settings.times.issuer_timeout_ms + LATE_MARGIN_MS,
                ),
                uvloop=settings.runtime.uvloop,
            )
        )

    def _make_projector_order(self) -> bytes:
        projector, telemetry = self._settings.projector, self._settings.telemetry
        return msgspec.json.encode(
            ProjectorOrder(
                log_url=self._log_url,
                security=make_kafka_security(self._settings.log),
                dsn=projector.dsn,
                postgres_path=str(self._data_dir / POSTGRES_FOLDER),
                batch_count_max=projector.batch_count_max,
                in_background=projector.in_background,
                log_format=telemetry.log_format,
                log_level=telemetry.log_level,
                uvloop=self._settings.runtime.uvloop,
            )
        )

    def _announce(self, bound: Bound, issuer: str) -> None:
        addresses: dict[str, object] = {name: bound_address(one) for name, one in bound.items()}
        addresses |= {"postgres": self._find_dsn(), "log": self._log_url, "pid": os.getpid()}
        if issuer:
            addresses["issuer"] = issuer
        write_addresses(self._data_dir, addresses)
        seconds = time.monotonic() - self._started_at
        self._on_ready(Ready(addresses, self._data_dir, self._demo, seconds))

    # -- while it runs

    def _find_dsn(self) -> str:
        """Return where the projections are, or will be once PostgreSQL is up."""
        embedded = EmbeddedPostgres(self._data_dir / POSTGRES_FOLDER)
        return self._settings.projector.dsn or embedded.dsn

    def _explain_projector(self) -> str:
        assert self._projector is not None
        faults = self._projector.report.get("faults")
        if not self._projector.report:
            return "starting"
        return "; ".join(str(fault) for fault in faults) if isinstance(faults, list) else ""

    def _list_projections(self) -> Sequence[Row]:
        found = self._projector.report.get("projections") if self._projector else None
        return found if isinstance(found, list) else ()

    def _list_facts(self) -> Sequence[PageFact]:
        facts = [
            PageFact("terminals", self._terminal_addresses),
            PageFact("data folder", str(self._data_dir)),
            PageFact("event log", self._log_url),
        ]
        for child in self._children:
            if child is self._projector:
                fault = self._explain_projector()
                count = child.report.get("lag_count", 0)
                lag = f"{count} records behind" if count else "up to date"
                facts.append(PageFact("projections", fault or lag, not fault))
            else:
                address = child.report.get("address")
                facts.append(PageFact(child.name, str(address or "starting"), bool(address)))
        return facts

    async def _watch(self) -> None:
        """Measure, once a second, how late the loop is and how far behind the projections are."""
        async for _ in measure_loop_delay(self._telemetry):
            tell_projections(self._telemetry.metrics, self._list_projections())

    # -- stop

    async def _stop(self) -> None:
        for child in self._children:
            child.expect_end()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._instance is not None:
            if self._is_serving:
                await self._instance.stop()
            else:
                await self._instance.close()
        await asyncio.gather(*(child.stop() for child in self._children))
