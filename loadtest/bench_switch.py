"""Benchmarks of a whole `switch up`: highest durable rate, latency at a low one, idle terminals."""

import asyncio
import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from loadtest.audit import AuditReport
from loadtest.audit_run import audit_directory
from loadtest.bare_pipe import RecordSizes
from loadtest.frames import DIALECT
from loadtest.instance import Instance, raise_open_files_limit, start_instance
from loadtest.journal_file import LOG_FILE
from loadtest.levels import LevelRunner
from loadtest.line import Line
from loadtest.process_tree import read_tree
from loadtest.scenario import Mix
from loadtest.search import Level, SearchResult, search_rate
from loadtest.terminal_list import TerminalSpec
from loadtest.world_setup import prepare_world

_MEGABYTE: Final = 1_000_000
_CONNECTING_COUNT_MAX: Final = 100
_SETTLE_S: Final = 30.0
_FILES_BESIDE: Final = 500
_MIX: Final = Mix(repeats=0.005, conflicts=0.002, reversals=0.005, declines=0.02)


class EmbeddedBench(msgspec.Struct, frozen=True, kw_only=True):
    """What the embedded switch holds, and that nothing was wrong with it."""

    p99_ms_max: float
    search: SearchResult
    record_sizes: RecordSizes
    audit: AuditReport


class LatencyBench(msgspec.Struct, frozen=True, kw_only=True):
    """Latency at one rate; the issuer's own delay is taken off."""

    level: Level
    issuer_delay_ms: int
    p50_ms_without_issuer: float


class IdleBench(msgspec.Struct, frozen=True, kw_only=True):
    """What connected but silent terminals cost."""

    terminals: int
    resident_megabytes_before: float
    resident_megabytes: float
    level_before: Level
    level_with_idle: Level
    lost: int


@contextlib.contextmanager
def own_instance(
    terminals: int, settings: dict[str, str] | None = None
) -> Iterator[tuple[Instance, tuple[TerminalSpec, ...]]]:
    """
    Run an instance with the load world while the block runs.

    Raises:
        InstanceError: it cannot be started or prepared.
    """
    with tempfile.TemporaryDirectory(prefix="lt-") as folder:
        root = Path(folder)
        with start_instance(root / "data", root / "output.log", settings) as instance:
            yield instance, prepare_world(instance, terminals)


def _runner(instance: Instance, specs: tuple[TerminalSpec, ...], seconds: float) -> LevelRunner:
    address = instance.address_of(DIALECT)
    return LevelRunner(specs, address, switch_pid=instance.pid, seconds=seconds, mix=_MIX)


async def bench_embedded(
    *, terminals: int, seconds: float, p99_ms_max: float, rate: float | None = None
) -> EmbeddedBench:
    """
    Search for the highest durable rate with full rules (or try just one), then audit it all.

    Raises:
        InstanceError: the switch cannot be started.
        AuditImpossible: journal or ledger cannot be read.
    """
    with own_instance(terminals) as (instance, specs):
        runner = _runner(instance, specs, seconds)
        if rate is None:
            search = await search_rate(
                runner.run, low_per_s=1_000, high_per_s=12_000, p99_ms_max=p99_ms_max
            )
        else:
            level = await runner.run(rate)
            best = level if level.holds(p99_ms_max=p99_ms_max) else None
            search = SearchResult(best=best, levels=(level,))
        audit = await audit_directory(instance.directory, runner.told, settle_timeout_s=_SETTLE_S)
        sizes = read_record_sizes(instance.directory)
    return EmbeddedBench(p99_ms_max=p99_ms_max, search=search, record_sizes=sizes, audit=audit)


async def bench_latency(*, rate: float = 500, seconds: float, delay_ms: int = 0) -> LatencyBench:
    """
    Measure the latency at a low rate.

    Raises:
        InstanceError: the switch cannot be started.
    """
    settings = {"SWITCH__ISSUER_SIMULATOR__DELAY_MS": str(delay_ms)}
    with own_instance(200, settings) as (instance, specs):
        level = await _runner(instance, specs, seconds).run(rate)
    return LatencyBench(
        level=level,
        issuer_delay_ms=delay_ms,
        p50_ms_without_issuer=round(level.p50_ms - delay_ms, 3),
    )


async def bench_idle(*, idle: int = 10_000, rate: float = 500, seconds: float) -> IdleBench:
    """
    Measure memory and latency before and while `idle` terminals are connected.

    Raises:
        InstanceError: the switch cannot be started.
        OSError: not so many connections can be opened.
    """
    raise_open_files_limit(idle + _FILES_BESIDE)
    with own_instance(200) as (instance, specs):
        runner = _runner(instance, specs, seconds)
        before = await runner.run(rate)
        before_bytes = _largest_resident_bytes(instance)
        lines = [Line(instance.address_of(DIALECT)) for _ in range(idle)]
        lost: list[Line] = []
        for line in lines:
            line.on_lost = lambda line=line: lost.append(line)  # type: ignore[misc]
        for start in range(0, idle, _CONNECTING_COUNT_MAX):
            batch = lines[start : start + _CONNECTING_COUNT_MAX]
            await asyncio.gather(*(line.connect() for line in batch))
        with_idle = await runner.run(rate)
        with_bytes, lost_count = _largest_resident_bytes(instance), len(lost)
        for line in lines:
            line.close()
    return IdleBench(
        terminals=idle,
        resident_megabytes_before=round(before_bytes / _MEGABYTE, 1),
        resident_megabytes=round(with_bytes / _MEGABYTE, 1),
        level_before=before,
        level_with_idle=with_idle,
        lost=lost_count,
    )


def _largest_resident_bytes(instance: Instance) -> int:
    """Return the resident size of the switch's own process, the one that holds the sockets."""
    assert instance.pid is not None
    return max(use.resident_bytes for use in read_tree(instance.pid))


def read_record_sizes(directory: Path) -> RecordSizes:
    """Measure the three records of a payment in a real log: the bare pipe writes the same."""
    with contextlib.closing(
        sqlite3.connect(f"file:{directory / LOG_FILE}?mode=rw", uri=True)
    ) as log:

        def average(tag: bytes) -> int:
            query = "SELECT avg(length(value)) FROM record WHERE instr(value, ?)"
            [found] = log.execute(query, (tag,)).fetchone()
            return round(found or 0)

        return RecordSizes(
            inbound=average(b"request-received.v1"),
            routed=average(b"payment-routed.v1"),
            outcome=average(b"payment-approved.v1"),
        )
