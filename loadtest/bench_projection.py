"""
How fast projections follow and are rebuilt: a generated journal in the embedded log.

Everything runs on this machine: SQLite, PostgreSQL and the projector, which is one process. Live is
a catch-up of both projections at once through the runner, rebuild one projection after the other.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Final

from loadtest.generated_journal import JournalMaker
from projections.catalogue import PROJECTIONS, Projection
from projections.rebuild import rebuild
from projections.runner import connect, disconnect, run_projector
from projections.status import ProjectorStatus
from switch.adapters.embedded_postgres import EmbeddedPostgres
from switch.adapters.sqlite_log import SqliteLog
from switch.eventlog.journal import decode_record

RECORD_COUNT: Final = 120_000
PARTITION_COUNT: Final = 4
TROUBLE: Final = 0.1
_FILL_COUNT: Final = 5_000
POLL_S: Final = 0.01


async def fill_journal(log: SqliteLog, record_count: int, seed: int) -> int:
    """Write a generated journal, spread over the partitions; return the number of its events."""
    event_count = 0
    for partition in range(log.partition_count):
        opened = await log.open_partition("journal", partition)
        maker = JournalMaker(partition, seed, trouble=TROUBLE, merchant_count=200)
        left = record_count // log.partition_count
        while left:
            values = maker.make(min(left, _FILL_COUNT))
            left -= len(values)
            written = asyncio.get_running_loop().create_future()
            for value in values:
                event_count += len(decode_record(value).events)
                opened.append(value, _ignore)
            opened.append(maker.make(1)[0], written.set_result)
            await written
        await opened.close()
    return event_count


def _ignore(outcome: object) -> None:
    """An ack that nobody waits for: a later one implies it."""


async def measure(directory: Path, dsn: str, record_count: int, seed: int) -> dict[str, object]:
    """Fill, follow, rebuild; return events per second of each."""
    log = SqliteLog(directory / "log.db", partition_count=PARTITION_COUNT)
    try:
        event_count = await fill_journal(log, record_count, seed)
        result: dict[str, object] = {"events": event_count, "records": record_count}
        result["live"] = await _measure_live(log, dsn, event_count)
        for projection in PROJECTIONS.values():
            result[f"rebuild_{projection.name}"] = await _measure_rebuild(
                projection, log, dsn, event_count
            )
        return result
    finally:
        await log.close()


async def _measure_live(log: SqliteLog, dsn: str, event_count: int) -> dict[str, float]:
    status, stop = ProjectorStatus(), asyncio.Event()
    cpu_before, begun = time.process_time(), time.perf_counter()
    running = asyncio.create_task(run_projector(log=log, dsn=dsn, stop=stop, status=status))
    seconds: dict[str, float] = {}
    while len(seconds) < len(PROJECTIONS):
        await asyncio.sleep(POLL_S)
        assert not status.faults, status.faults
        for name, shown in status.projections.items():
            ends = [partition.end_offset for partition in shown.partitions.values()]
            if name not in seconds and min(ends) >= 0 and not shown.lag_count:
                seconds[name] = time.perf_counter() - begun
    cpu = time.process_time() - cpu_before
    stop.set()
    await running
    measured = {f"{name}_events_per_s": round(event_count / s) for name, s in seconds.items()}
    transactions = sum(one.transaction_count for one in status.projections.values())
    return {
        **measured,
        "projector_cpu_us_per_event": round(cpu / event_count * 1e6, 1),
        "transactions": transactions,
    }


async def _measure_rebuild(
    projection: Projection, log: SqliteLog, dsn: str, event_count: int
) -> dict[str, object]:
    logs = {p: await log.open_partition("journal", p) for p in range(log.partition_count)}
    connection = await connect(dsn, projection.name)
    try:
        cpu_before, begun = time.process_time(), time.perf_counter()
        report = await rebuild(projection, connection, logs)
        seconds = time.perf_counter() - begun
        return {
            "events_per_s": round(event_count / seconds),
            "seconds": round(seconds, 2),
            "cpu_s": round(time.process_time() - cpu_before, 2),
            "compared": report.compared,
            "equal": report.is_switched and not report.differing,
        }
    finally:
        await disconnect(connection)
        for opened in logs.values():
            await opened.close()


def run(record_count: int = RECORD_COUNT, seed: int = 1) -> dict[str, object]:
    """Measure in a throw-away folder; return the figures as JSON-ready values."""
    with tempfile.TemporaryDirectory(prefix="bench-projection-") as name:
        directory = Path(name)
        with EmbeddedPostgres(directory / "pg") as server:
            return asyncio.run(measure(directory, server.dsn, record_count, seed))
