"""The projector: PostgreSQL, embedded or not, and the projections that fill it.

`python -m switch.apps.projector` is the child of `switch up`; `switch projector` runs it alone.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from projections.runner import RunnerSettings, run_projector
from projections.status import RUNNING, ProjectorStatus
from switch.adapters.child_process import report, take_order
from switch.adapters.embedded_postgres import EmbeddedPostgres, PostgresFailed
from switch.adapters.kafka_security import NO_SECURITY, KafkaSecurity
from switch.adapters.kafka_topic_check import TopicWishes
from switch.adapters.loop import run_loop
from switch.adapters.open_log import open_log
from switch.adapters.telemetry import Logger, Metrics, configure_logging, make_telemetry
from switch.eventlog.port import EventLog, LogSettingWrong, LogUnavailable

REPORT_INTERVAL_S: Final = 0.25
RETRY_S: Final = 1.0
NICENESS_MAX: Final = 19


class ProjectorOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent wants; an empty `dsn` means: run a PostgreSQL in `postgres_path`."""

    log_url: str
    security: KafkaSecurity = NO_SECURITY
    topics: TopicWishes | None = None  # how they must be; None: they are not looked at
    dsn: str
    postgres_path: str
    batch_count_max: int
    in_background: bool
    log_format: str
    log_level: str
    uvloop: bool


class Projector:
    """PostgreSQL (embedded or not), the projections, and what is to be said about both."""

    def __init__(self, order: ProjectorOrder, log: Logger) -> None:
        self._order = order
        self._log = log
        self._postgres = None if order.dsn else EmbeddedPostgres(Path(order.postgres_path))
        self._stopped = asyncio.Event()
        self.status = ProjectorStatus()
        self.event_log: EventLog | None = None  # while it runs and the log is there
        self.fault = "starting"  # why the projections have not begun; empty once they have
        self.dsn = order.dsn if self._postgres is None else self._postgres.dsn

    @property
    def is_running(self) -> bool:
        """Whether every projection runs."""
        projections = self.status.projections.values()
        return bool(projections) and all(one.state == RUNNING for one in projections)

    @property
    def faults(self) -> tuple[str, ...]:
        """Why it is not well, empty if it is."""
        return (*self.status.faults, *((self.fault,) if self.fault else ()))

    def stop(self) -> None:
        """Let `run` end within a moment."""
        self._stopped.set()

    async def run(self) -> None:
        """
        Follow the journal until `stop`; a log or database that is away is waited for.

        Raises:
            LogSettingWrong: with these settings the log can never be opened.
        """
        postgres = self._postgres
        keeping = asyncio.create_task(self._keep_postgres(postgres))
        event_log: EventLog | None = None
        try:
            event_log = self.event_log = await self._open_log()
            if event_log is not None:
                self.fault = ""
                await run_projector(
                    log=event_log,
                    dsn=self.dsn,
                    stop=self._stopped,
                    status=self.status,
                    settings=RunnerSettings(batch_records_max=self._order.batch_count_max),
                )
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            if event_log is not None:
                await event_log.close()
            if postgres is not None:
                await asyncio.to_thread(postgres.stop)

    async def _open_log(self) -> EventLog | None:
        while not self._stopped.is_set():
            try:
                return await open_log(
                    self._order.log_url,
                    read_only=True,
                    topics=self._order.topics,
                    security=self._order.security,
                )
            except LogSettingWrong:
                raise  # waiting changes no setting
            except LogUnavailable as error:
                if str(error) != self.fault:
                    self._log.warning("the projections wait for the log", reason=str(error))
                self.fault = str(error)
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

    async def _pause(self, duration_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), duration_s)


async def _run(order: ProjectorOrder, log: Logger) -> None:
    projector = Projector(order, log)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, projector.stop)
    reporting = asyncio.create_task(_report(projector))
    try:
        await projector.run()
    finally:
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)


async def _report(projector: Projector) -> None:
    """Tell the parent, again and again."""
    while True:
        content = {
            "ready": projector.is_running,
            "dsn": projector.dsn,
            "lag_count": projector.status.lag_count,
            "faults": projector.faults,
            "projections": describe_projections(projector.status),
        }
        report(msgspec.json.encode(content))
        await asyncio.sleep(REPORT_INTERVAL_S)


def describe_projections(status: ProjectorStatus) -> list[dict[str, object]]:
    """Describe each projection for `/v1/status`: its position, how far behind, its last error."""
    return [
        {
            "projection": one.name,
            "state": one.state,
            "position": {str(at): part.next_offset for at, part in one.partitions.items()},
            "lag_count": one.lag_count,
            "applied_count": one.applied_count,
            "retry_count": one.retry_count,
            "error": one.error,
        }
        for one in status.projections.values()
    ]


def tell_projections(metrics: Metrics, described: Sequence[Mapping[str, object]]) -> None:
    """Set the metrics of projections as `describe_projections` described them."""
    running = metrics.gauge("switch_projection_running")
    lag = metrics.gauge("switch_projection_lag")
    positions = metrics.gauge("switch_projection_position")
    for one in described:
        name, position = str(one["projection"]), one["position"]
        running.labels(name).set(1 if one["state"] == RUNNING else 0)
        lag.labels(name).set(float(str(one["lag_count"])))
        for partition, offset in position.items() if isinstance(position, dict) else ():
            positions.labels(name, partition).set(offset)


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
