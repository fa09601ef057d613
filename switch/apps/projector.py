"""The projector as a child of `switch up` (`python -m switch.apps.projector`): rows for readers."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Final

import msgspec

from projections.runner import RunnerSettings, run_projector
from projections.status import RUNNING, ProjectorStatus
from switch.adapters.child_process import report, take_order
from switch.adapters.embedded_postgres import EmbeddedPostgres, PostgresFailed
from switch.adapters.loop import run_loop
from switch.adapters.open_log import open_log
from switch.adapters.telemetry import Logger, configure_logging, make_telemetry
from switch.eventlog.port import EventLog, LogUnavailable

REPORT_INTERVAL_S: Final = 0.25
RETRY_S: Final = 1.0
NICENESS_MAX: Final = 19


class ProjectorOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent wants; an empty `dsn` means: run a PostgreSQL in `postgres_path`."""

    log_url: str
    dsn: str
    postgres_path: str
    batch_count_max: int
    in_background: bool
    log_format: str
    log_level: str
    uvloop: bool


class _Projector:
    """PostgreSQL (embedded or not), the projections, and reports about both."""

    def __init__(self, order: ProjectorOrder, log: Logger) -> None:
        self._order = order
        self._log = log
        self._status = ProjectorStatus()
        self._fault = "starting"
        self._dsn = order.dsn
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stopped.set)
        postgres = None if self._dsn else EmbeddedPostgres(Path(self._order.postgres_path))
        if postgres is not None:
            self._dsn = postgres.dsn
        reporting = asyncio.create_task(self._report())
        keeping = asyncio.create_task(self._keep_postgres(postgres))
        event_log = await self._open_log()
        try:
            if event_log is not None:
                self._fault = ""
                await run_projector(
                    log=event_log,
                    dsn=self._dsn,
                    stop=self._stopped,
                    status=self._status,
                    settings=RunnerSettings(batch_records_max=self._order.batch_count_max),
                )
        finally:
            reporting.cancel()
            keeping.cancel()
            await asyncio.gather(reporting, keeping, return_exceptions=True)
            if event_log is not None:
                await event_log.close()
            if postgres is not None:
                await asyncio.to_thread(postgres.stop)

    async def _open_log(self) -> EventLog | None:
        while not self._stopped.is_set():
            try:
                return await open_log(self._order.log_url, read_only=True)
            except LogUnavailable as error:
                self._fault = str(error)
            await self._pause(RETRY_S)
        return None

    async def _keep_postgres(self, postgres: EmbeddedPostgres | None) -> None:
        """Bring the server up, and up again should it die; whoever needs it tries again anyway."""
        last_fault = ""
        while postgres is not None:
            try:
                await asyncio.to_thread(postgres.start)
            except PostgresFailed as error:
                if str(error) != last_fault:
                    self._log.error("embedded PostgreSQL does not run", reason=str(error))
                last_fault = str(error)
            await asyncio.sleep(RETRY_S)

    async def _report(self) -> None:
        while True:
            projections = self._status.projections.values()
            is_running = bool(projections) and all(one.state == RUNNING for one in projections)
            content = {
                "ready": is_running,
                "dsn": self._dsn,
                "lag_count": self._status.lag_count,
                "faults": [*self._status.faults, *([self._fault] if self._fault else [])],
                "projections": {
                    one.name: {"state": one.state, "lag_count": one.lag_count}
                    for one in projections
                },
            }
            report(msgspec.json.encode(content))
            await asyncio.sleep(REPORT_INTERVAL_S)

    async def _pause(self, duration_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), duration_s)


async def _run(order: ProjectorOrder, log: Logger) -> None:
    await _Projector(order, log).run()


def step_back() -> None:
    """Let everything else on the machine go first; children of this process inherit it."""
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError):  # not Linux, or not allowed
        os.nice(NICENESS_MAX)


def main() -> None:
    """Run until the parent stops it or dies."""
    order = msgspec.json.decode(take_order(), type=ProjectorOrder)
    if order.in_background:
        step_back()
    configure_logging(log_format=order.log_format, log_level=order.log_level)
    run_loop(_run(order, make_telemetry("projector").log), uvloop=order.uvloop)


if __name__ == "__main__":
    main()
