"""How long a start takes that finds a long journal."""

import asyncio
import contextlib
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec

from loadtest.instance import Instance, start_instance
from loadtest.journal_file import LOG_FILE
from loadtest.journal_maker import (
    MakerSettings,
    PartitionMaker,
    count_payments,
    make_partitions,
    terminal_count_for,
)
from loadtest.metrics import read_metric
from loadtest.process_tree import read_tree
from switch.adapters.sqlite_log import SqliteLog
from switch.eventlog.journal import JournalRecord, encode_record
from switch.eventlog.port import AppendRefused, AppendUnknown, EventLog, PartitionLog

_QUEUED_COUNT_MAX: Final = 8_000  # below the log's own bound
_INBOUND_RECORD: Final = b"{}"  # below the watermark: never read again
_MEGABYTE: Final = 1_000_000
_POLL_S: Final = 0.01
_SNAPSHOT_TIMEOUT_S: Final = 60.0
_ONE_PARTITION: Final = {"SWITCH__LOG__PARTITION_COUNT": "1"}
_SNAPSHOT_AT_ONCE: Final = {"SWITCH__SNAPSHOTS__INTERVAL_RECORD_COUNT": "1000"}


class RestartBench(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a restart took: from the start of the journal, then from a snapshot and the tail.

    All of the journal is one partition's. `ready_cpu_s` is what the switch's own process used of a
    core until it was ready, whatever else ran on the machine. `snapshot_s` is what a child at idle
    priority took to write the snapshot, `snapshot_pause_ms` how long the switch stood still for it.
    """

    journal_events: int
    journal_records: int
    log_megabytes: float
    made_s: float
    empty_ready_s: float
    ready_s: float
    ready_cpu_s: float
    resident_megabytes: dict[str, float]
    stop_s: float
    snapshot_s: float
    snapshot_pause_ms: float
    snapshot_megabytes: float
    snapshot_ready_s: float
    snapshot_ready_cpu_s: float
    snapshot_resident_megabytes: dict[str, float]


async def bench_restart(event_count: int) -> RestartBench:
    """
    Start once on nothing, write the journal, start again; take a snapshot, and start from that.

    Raises:
        InstanceError: the switch does not start.
        RuntimeError: the log refused a record, or no snapshot was written.
    """
    with tempfile.TemporaryDirectory(prefix="lt-") as folder:
        directory, output = Path(folder) / "data", Path(folder) / "output.log"
        with start_instance(directory, output, _ONE_PARTITION) as first:
            empty_ready_s = first.ready_s
        started_s = time.monotonic()
        record_count = await fill_journal(directory / LOG_FILE, event_count)
        made_s = time.monotonic() - started_s
        log_bytes = sum(path.stat().st_size for path in directory.glob(f"{LOG_FILE}*"))
        with start_instance(directory, output, _ONE_PARTITION | _SNAPSHOT_AT_ONCE) as again:
            cpu_s, resident = _measure(again)
            snapshot, snapshot_s = await _wait_for_snapshot(directory)
            pause_s = read_metric(again, "switch_snapshot_pause_seconds")
            stop_s = again.stop()
        with start_instance(directory, output, _ONE_PARTITION) as third:
            snapshot_ready_s = third.ready_s
            snapshot_cpu_s, snapshot_resident = _measure(third)
            if not read_metric(third, "switch_snapshots_total", '{outcome="loaded"}'):
                raise RuntimeError("the snapshot was not used; the program's log says why")
        snapshot_bytes = snapshot.stat().st_size
    return RestartBench(
        journal_events=event_count,
        journal_records=record_count,
        log_megabytes=round(log_bytes / _MEGABYTE, 1),
        made_s=round(made_s, 2),
        empty_ready_s=round(empty_ready_s, 2),
        ready_s=round(again.ready_s, 2),
        ready_cpu_s=round(cpu_s, 2),
        resident_megabytes=resident,
        stop_s=round(stop_s, 2),
        snapshot_s=round(snapshot_s, 2),
        snapshot_pause_ms=round(pause_s * 1_000, 1),
        snapshot_megabytes=round(snapshot_bytes / _MEGABYTE, 1),
        snapshot_ready_s=round(snapshot_ready_s, 2),
        snapshot_ready_cpu_s=round(snapshot_cpu_s, 2),
        snapshot_resident_megabytes=snapshot_resident,
    )


def _measure(instance: Instance) -> tuple[float, dict[str, float]]:
    """Return processor seconds of its main process, and megabytes of each."""
    assert instance.pid is not None
    tree = read_tree(instance.pid)
    resident = {f"{use.name}[{use.pid}]": round(use.resident_bytes / _MEGABYTE, 1) for use in tree}
    return next(use.cpu_s for use in tree if use.pid == instance.pid), resident


async def _wait_for_snapshot(directory: Path) -> tuple[Path, float]:
    """Return the first snapshot once it is whole, and how long that took."""
    started_s = time.monotonic()
    while True:
        found = list((directory / "snapshots").glob("*.snapshot"))
        waited_s = time.monotonic() - started_s
        if found:
            return found[0], waited_s
        if waited_s > _SNAPSHOT_TIMEOUT_S:
            raise RuntimeError("no snapshot was written; the program's log says why")
        await asyncio.sleep(_POLL_S)


async def fill_journal(path: Path, event_count: int, terminal_count: int = 0) -> int:
    """
    Continue every partition of a stopped instance's journal with approved sales; counts records.

    Raises:
        RuntimeError: the log refused a record.
    """
    async with contextlib.AsyncExitStack() as stack:
        log = SqliteLog(path)
        stack.push_async_callback(log.close)
        return await fill_log(log, event_count, terminal_count)


async def fill_log(log: EventLog, event_count: int, terminal_count: int = 0) -> int:
    """
    Continue every partition of a journal that nobody owns with approved sales; counts records.

    Raises:
        RuntimeError: the log refused a record.
    """
    count = log.partition_count
    journal = [await log.open_partition("journal", partition) for partition in range(count)]
    inbound = [await log.open_partition("inbound", partition) for partition in range(count)]
    payments = list(count_payments(event_count, count))
    first_at_ms = int(time.time() * 1000) - 2 * max(payments) - 60_000
    makers = make_partitions(
        MakerSettings(partition_count=count, first_at_ms=first_at_ms),
        [await partition.end() for partition in journal],
        terminal_count or terminal_count_for(count),
    )
    filler = _Filler()
    for partition, maker in enumerate(makers):
        await filler.fill(journal[partition], inbound[partition], maker, payments[partition])
    await filler.wait_until_written()
    return filler.record_count


class _Filler:
    """Appends as fast as the log takes it, never more at once than it may queue."""

    def __init__(self) -> None:
        self.record_count = 0
        self._queued_count = 0
        self._refusal: Exception | None = None
        self._written = asyncio.Event()

    async def fill(
        self, journal: PartitionLog, inbound: PartitionLog, maker: PartitionMaker, payments: int
    ) -> None:
        self._append(journal, maker.make_claim())
        for _ in range(payments):
            self._put(inbound, _INBOUND_RECORD)
            for record in maker.make_payment():
                self._append(journal, record)
            while self._queued_count > _QUEUED_COUNT_MAX:
                await self._wait_for_one()

    async def wait_until_written(self) -> None:
        while self._queued_count:
            await self._wait_for_one()

    def _append(self, journal: PartitionLog, record: JournalRecord) -> None:
        self.record_count += 1
        self._put(journal, encode_record(record))

    def _put(self, log: PartitionLog, value: bytes) -> None:
        self._queued_count += 1
        log.append(value, self._take)

    def _take(self, outcome: int | AppendRefused | AppendUnknown) -> None:
        self._queued_count -= 1
        if not isinstance(outcome, int):
            self._refusal = outcome
        self._written.set()

    async def _wait_for_one(self) -> None:
        self._written.clear()
        await self._written.wait()
        if self._refusal:
            raise RuntimeError(f"the journal could not be written: {self._refusal}")
