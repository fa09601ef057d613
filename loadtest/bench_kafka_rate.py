"""The highest rate over Kafka with the bare pipe beside it, and the latency at a low one."""

import contextlib
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from loadtest.audit import AuditReport
from loadtest.bare_pipe import RecordSizes
from loadtest.bench_pipe import running, running_issuer
from loadtest.kafka_log import make_topics
from loadtest.kafka_part import KafkaBenchOptions, Tell, find_best, make_runner, own_stand
from loadtest.kafka_pipe import PipeSettings
from loadtest.kafka_stand import Broker, StandPlan
from loadtest.kafka_witness import audit_stand, measure_sizes
from loadtest.levels import LevelRunner
from loadtest.search import Level, SearchResult
from loadtest.world import make_terminals

_SETTLE_S: Final = 30.0
_LATENCY_PER_S: Final = 200.0


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
    await make_topics(log_url, options.partitions)
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
        only = options._replace(rate=options.rate or _LATENCY_PER_S)
        search = await find_best(make_runner(stand, options.seconds).run, only, tell)
    [level] = search.levels
    return KafkaLatency(
        level=level,
        issuer_delay_ms=options.delay_ms,
        p50_ms_without_issuer=round(level.p50_ms - options.delay_ms, 3),
        p99_ms_without_issuer=round(level.p99_ms - options.delay_ms, 3),
    )
