"""`python -m loadtest bench kafka`: the switch as many processes over a broker of its own."""

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from loadtest.audit import AuditReport
from loadtest.bare_pipe import RecordSizes
from loadtest.bench_pipe import running, running_issuer
from loadtest.kafka_pipe import PipeSettings
from loadtest.kafka_stand import Broker, KafkaStand, StandPlan, own_broker
from loadtest.kafka_witness import audit_stand, measure_sizes
from loadtest.levels import LevelRunner
from loadtest.scenario import Mix
from loadtest.search import Level, SearchResult, search_rate
from loadtest.world import make_terminals
from switch.adapters.kafka_topic_check import TopicWishes
from switch.adapters.open_log import open_log

Tell = Callable[[str], None]

LOW_PER_S: Final = 500.0
HIGH_PER_S: Final = 8_000.0
MIX: Final = Mix(repeats=0.005, conflicts=0.002, reversals=0.005, declines=0.02)
_SETTLE_S: Final = 30.0


class KafkaBenchOptions(NamedTuple):
    """What the parts are told; each takes what concerns it."""

    terminals: int = 2_000
    seconds: float = 8.0
    p99_ms_max: float = 100.0
    rate: float | None = None
    delay_ms: int = 0
    events: int | None = None
    rounds: int = 5
    partitions: int = 4
    handlers: int = 1
    has_projector: bool = True


class KafkaRate(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the switch holds over Kafka, and the bare pipe beside it; nothing was wrong with it.

    `answered_per_s` are the rates of the best levels, `to_pipe` the switch's as a share of the
    pipe's.
    """

    p99_ms_max: float
    partition_count: int
    handler_count: int
    answered_per_s: float | None
    pipe_answered_per_s: float | None
    to_pipe: float | None
    search: SearchResult
    pipe_search: SearchResult
    record_sizes: RecordSizes
    audit: AuditReport


class KafkaLatency(msgspec.Struct, frozen=True, kw_only=True):
    """Latency at one rate; the issuer's own delay is taken off the last two."""

    level: Level
    issuer_delay_ms: int
    p50_ms_without_issuer: float
    p99_ms_without_issuer: float


@contextlib.contextmanager
def own_stand(broker: Broker, plan: StandPlan) -> Iterator[KafkaStand]:
    """
    Run a stand in a folder of its own while the block runs; it is prepared, not started.

    Raises:
        InstanceError: something does not start.
    """
    with (
        tempfile.TemporaryDirectory(prefix="lt-", ignore_cleanup_errors=True) as folder,
        KafkaStand(Path(folder), broker, plan) as stand,
    ):
        yield stand.prepare()


def make_runner(stand: KafkaStand, seconds: float, *, first_stan: int = 1) -> LevelRunner:
    """Let the stand's terminals be played."""
    return LevelRunner(
        stand.specs,
        stand.address,
        switch_pid=None,
        named_pids=stand.list_pids(),
        seconds=seconds,
        mix=MIX,
        first_stan=first_stan,
    )


async def find_best(
    run_level: Callable[[float], Awaitable[Level]], options: KafkaBenchOptions, tell: Tell
) -> SearchResult:
    """Search for the highest rate, or try just the one that is asked for."""

    async def run(rate_per_s: float) -> Level:
        level = await run_level(rate_per_s)
        tell(
            f"  {rate_per_s:.0f}/s: {level.answered_per_s:.0f} answered/s, p50 {level.p50_ms} ms,"
            f" p99 {level.p99_ms} ms, faults {level.faults}, cores {level.switch_processes}"
        )
        return level

    if options.rate is None:
        return await search_rate(
            run, low_per_s=LOW_PER_S, high_per_s=HIGH_PER_S, p99_ms_max=options.p99_ms_max
        )
    level = await run(options.rate)
    is_good = level.holds(p99_ms_max=options.p99_ms_max)
    return SearchResult(best=level if is_good else None, levels=(level,))


async def bench_rate(broker: Broker, options: KafkaBenchOptions, tell: Tell) -> KafkaRate:
    """
    Search for the highest rate with full rules and audit all of it; then the bare pipe's.

    Raises:
        InstanceError: something does not start.
    """
    plan = StandPlan(
        terminals=options.terminals,
        partition_count=options.partitions,
        handlers=options.handlers,
        has_projector=options.has_projector,
    )
    with own_stand(broker, plan) as stand:
        stand.start()
        runner = make_runner(stand, options.seconds)
        search = await find_best(runner.run, options, tell)
        tell("  audit ...")
        audit = await audit_stand(stand, runner.told, settle_timeout_s=_SETTLE_S)
        sizes = await measure_sizes(stand)
    tell("  bare pipe ...")
    pipe_search = await search_pipe(broker, options, sizes, tell)
    reached = search.best.answered_per_s if search.best else None
    bare = pipe_search.best.answered_per_s if pipe_search.best else None
    return KafkaRate(
        p99_ms_max=options.p99_ms_max,
        partition_count=options.partitions,
        handler_count=options.handlers,
        answered_per_s=reached,
        pipe_answered_per_s=bare,
        to_pipe=round(reached / bare, 3) if reached and bare else None,
        search=search,
        pipe_search=pipe_search,
        record_sizes=sizes,
        audit=audit,
    )


async def search_pipe(
    broker: Broker, options: KafkaBenchOptions, sizes: RecordSizes, tell: Tell
) -> SearchResult:
    """
    Search for the bare pipe's highest rate over topics of its own, made as the switch's are.

    Raises:
        InstanceError: pipe or issuer do not start.
    """
    log_url = f"kafka://{broker.bootstrap}?prefix=pipe-"
    wishes = TopicWishes(single_broker=True)
    log = await open_log(log_url, partition_count=options.partitions, topics=wishes)
    await log.close()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lt-"))
        port, issuer_pid = stack.enter_context(running_issuer(Path(folder), options.delay_ms))
        settings = PipeSettings(log_url=log_url, issuer_port=port, sizes=sizes)
        encoded = msgspec.json.encode(settings).decode()
        _, handler_pid = stack.enter_context(running(["loadtest.kafka_pipe", "handler", encoded]))
        line, gateway_pid = stack.enter_context(
            running(["loadtest.kafka_pipe", "gateway", encoded])
        )
        name, gateway_port = line.split()
        pids = {"issuer": issuer_pid, "handler": handler_pid, "gateway": gateway_pid}
        if broker.pid:
            pids["broker"] = broker.pid
        runner = LevelRunner(
            make_terminals(options.terminals),
            (name, int(gateway_port)),
            switch_pid=None,
            named_pids=pids,
            seconds=options.seconds,
            mac_check_share=0.0,
        )
        return await find_best(runner.run, options, tell)


async def bench_latency(broker: Broker, options: KafkaBenchOptions, tell: Tell) -> KafkaLatency:
    """
    Measure the latency at a low rate.

    Raises:
        InstanceError: something does not start.
    """
    plan = StandPlan(
        partition_count=options.partitions,
        handlers=options.handlers,
        has_projector=options.has_projector,
        issuer_delay_ms=options.delay_ms,
    )
    with own_stand(broker, plan) as stand:
        stand.start()
        only = options._replace(rate=options.rate or 200.0)
        search = await find_best(make_runner(stand, options.seconds).run, only, tell)
    [level] = search.levels
    return KafkaLatency(
        level=level,
        issuer_delay_ms=options.delay_ms,
        p50_ms_without_issuer=round(level.p50_ms - options.delay_ms, 3),
        p99_ms_without_issuer=round(level.p99_ms - options.delay_ms, 3),
    )


PARTS: Final[dict[str, Callable[[Broker, KafkaBenchOptions, Tell], Awaitable[Any]]]] = {
    "rate": bench_rate,
    "latency": bench_latency,
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
