"""`python -m loadtest bench kafka`: the switch as many processes over a broker of its own."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from loadtest.bench_kafka_growth import bench_growth, bench_snapshot
from loadtest.bench_kafka_projector import bench_projector
from loadtest.bench_kafka_rate import bench_latency, bench_rate
from loadtest.bench_kafka_takeover import bench_takeover
from loadtest.kafka_part import KafkaBenchOptions, Tell
from loadtest.kafka_stand import Broker, own_broker

Part = Callable[[Broker, KafkaBenchOptions, Tell], Awaitable[Any]]

PARTS: Final[dict[str, Part]] = {
    "rate": bench_rate,
    "latency": bench_latency,
    "takeover": bench_takeover,
    "snapshot": bench_snapshot,
    "projector": bench_projector,
    "growth": bench_growth,
}


def bench_kafka(parts: tuple[str, ...], options: KafkaBenchOptions, tell: Tell) -> dict[str, Any]:
    """
    Run some parts, each with a broker of its own; returns what each found by name.

    Raises:
        InstanceError: something does not start.
    """
    found: dict[str, Any] = {}
    for name in parts:
        tell(f"bench kafka {name} ...")
        found[name] = _run_part(name, options, tell)
    return found


def _run_part(name: str, options: KafkaBenchOptions, tell: Tell) -> Any:  # noqa: ANN401 - each part has a result of its own
    import uvloop  # noqa: PLC0415 - not needed for --help

    with (
        tempfile.TemporaryDirectory(prefix="lt-", ignore_cleanup_errors=True) as folder,
        own_broker(Path(folder) / "broker") as broker,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        part: Any = PARTS[name](broker, options, tell)
        return runner.run(part)
