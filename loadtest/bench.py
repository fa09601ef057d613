"""`python -m loadtest bench NAME`: one JSON document with figures and the machine they are of."""

import asyncio
import importlib
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from loadtest.bare_pipe import RecordSizes
from loadtest.bench_kafka import PARTS, bench_kafka
from loadtest.bench_memory import PAYMENTS, bench_memory
from loadtest.bench_names import NAMES
from loadtest.bench_pipe import PipeBench, bench_pipe
from loadtest.bench_profile import bench_profile
from loadtest.bench_restart import bench_restart
from loadtest.bench_switch import EmbeddedBench, bench_embedded, bench_idle, bench_latency
from loadtest.kafka_part import KafkaBenchOptions

TERMINALS: Final = 2_000
_BESIDE_ALL: Final = ("all", "memory", "kafka", "profile")
_P99_MS_MAX: Final = 50.0
_EVENTS: Final = 1_000_000


class BenchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line may change."""

    seconds: float = 8.0
    rate: float | None = None
    p99_ms_max: float | None = None
    events: int | None = None
    idle: int = 10_000
    delay_ms: int = 0
    terminals: int = TERMINALS
    payments: int = PAYMENTS
    part: str | None = None  # of `kafka`; None: every one
    rounds: int = KafkaBenchOptions().rounds
    partitions: int = KafkaBenchOptions().partitions
    handlers: int = KafkaBenchOptions().handlers


def describe_machine() -> dict[str, Any]:
    """Say what the figures are of."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "cores": os.cpu_count(),
        "model": model,
        "python": platform.python_version(),
        "system": platform.platform(),
        "load_before": os.getloadavg()[0],
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def run_bench(name: str, options: BenchOptions, tell: Callable[[str], None]) -> dict[str, Any]:
    """
    Run one benchmark, or all of them in one run; `tell` hears which one is running.

    Raises:
        InstanceError: the switch cannot be started.
        AuditImpossible: journal or ledger cannot be read.
    """
    machine = describe_machine()
    names = [each for each in NAMES if each not in _BESIDE_ALL] if name == "all" else [name]
    results: dict[str, Any] = {}
    for each in names:
        tell(f"bench {each} ...")
        results[each] = _run_one(each, options, results, tell)
    embedded, pipe = results.get("embedded"), results.get("pipe")
    if embedded and pipe:
        results["embedded_to_pipe"] = compare(embedded, pipe)
    return {"machine": machine, **{each: msgspec.to_builtins(r) for each, r in results.items()}}


def compare(embedded: EmbeddedBench, pipe: PipeBench) -> float | None:
    """Return the switch's best rate as a share of the bare pipe's; None if one has none."""
    best, bare = embedded.search.best, pipe.search.best
    return round(best.answered_per_s / bare.answered_per_s, 3) if best and bare else None


def _run_one(
    name: str, options: BenchOptions, earlier: dict[str, Any], tell: Callable[[str], None]
) -> Any:  # noqa: ANN401 - each its own
    match name:
        case "memory":
            return bench_memory(options.payments, tell)
        case "kafka":
            return _bench_kafka(options, tell)
        case "codec" | "rebuild":
            module = {"codec": "loadtest.bench_codec", "rebuild": "loadtest.bench_projection"}
            return importlib.import_module(module[name]).run()
        case "embedded":
            return _await(
                bench_embedded(
                    terminals=options.terminals,
                    seconds=options.seconds,
                    p99_ms_max=options.p99_ms_max or _P99_MS_MAX,
                    rate=options.rate,
                )
            )
        case "pipe":
            embedded = earlier.get("embedded")
            return _await(
                bench_pipe(
                    terminals=options.terminals,
                    seconds=options.seconds,
                    p99_ms_max=options.p99_ms_max or _P99_MS_MAX,
                    sizes=embedded.record_sizes if embedded else RecordSizes(),
                )
            )
        case "latency":
            return _await(
                bench_latency(
                    rate=options.rate or 500, seconds=options.seconds, delay_ms=options.delay_ms
                )
            )
        case "profile":
            return _await(
                bench_profile(
                    rate=options.rate or 1_000,
                    seconds=options.seconds,
                    terminals=options.terminals,
                )
            )
        case "restart":
            return _await(bench_restart(options.events or _EVENTS))
        case _:
            return _await(
                bench_idle(idle=options.idle, rate=options.rate or 500, seconds=options.seconds)
            )


def _bench_kafka(options: BenchOptions, tell: Callable[[str], None]) -> dict[str, Any]:
    default = KafkaBenchOptions()
    chosen = KafkaBenchOptions(
        terminals=options.terminals,
        seconds=options.seconds,
        p99_ms_max=options.p99_ms_max or default.p99_ms_max,
        rate=options.rate,
        delay_ms=options.delay_ms,
        events=options.events,
        rounds=options.rounds,
        partitions=options.partitions,
        handlers=options.handlers,
    )
    return bench_kafka((options.part,) if options.part else tuple(PARTS), chosen, tell)


def _await(bench: Any) -> Any:  # noqa: ANN401 - each benchmark has a result of its own
    import uvloop  # noqa: PLC0415 - not needed for the codec's benchmark

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(bench)
