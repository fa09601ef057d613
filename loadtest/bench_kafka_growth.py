"""One partition with a long journal: what a take-over of it takes, what a payment on it costs."""

import asyncio
import statistics
import time
from typing import Final

import msgspec

from loadtest.bench_restart import fill_log
from loadtest.instance import InstanceError
from loadtest.kafka_part import KafkaBenchOptions, Tell, make_runner, own_stand
from loadtest.kafka_stand import Broker, KafkaStand, StandPlan
from loadtest.kafka_takeaway import KILL, TakeAway
from loadtest.metrics import read_metric
from loadtest.process_tree import read_tree, total_cpu_s
from loadtest.search import Level

SNAPSHOT_EVENTS: Final = 1_000_000
GROWTH_EVENTS: Final = 5_000_000
SHORT_EVENTS: Final = 10_000
TERMINALS: Final = 200
TAKE_OVER_PER_S: Final = 50.0
GROWTH_PER_S: Final = 500.0
WARM_UP_S: Final = 4.0
LEVEL_COUNT: Final = 3
# what the made journal holds of these terminals lies below
FIRST_STAN: Final = 500_000
SECOND_STAN: Final = 750_000
_SNAPSHOT_TIMEOUT_S: Final = 120.0
_FOLDED_PER_S_MIN: Final = 60_000  # events; a round must outlast the fold
_ROUND_MIN_S: Final = 8.0
_POLL_S: Final = 0.05
_MEGABYTE: Final = 1_000_000


class KafkaSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """
    What it took to take over one partition that has a long journal.

    `ready_*` run from the start of a process to its readiness, `take_over_*` from SIGKILL of the
    owner to the first approval by a handler that stood by.
    """

    journal_events: int
    journal_records: int
    made_s: float
    ready_s: float
    take_over_s: float
    snapshot_s: float
    snapshot_ready_s: float
    snapshot_take_over_s: float


class GrowthEnd(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a payment costs the handler at one length of the journal: the median of some levels.

    How many payments share a request to the broker depends on what else the machine does, and so
    does what each costs: a neighbour's moment is no verdict.
    """

    journal_events: int
    handler_us_per_payment: float
    all_us: tuple[float, ...]
    handler_megabytes: float
    made_s: float
    ready_s: float
    levels: tuple[Level, ...]


class KafkaGrowth(msgspec.Struct, frozen=True, kw_only=True):
    """Both ends; `growth` is what a payment costs more at the long end, as a share."""

    short: GrowthEnd
    long: GrowthEnd
    growth: float


async def bench_snapshot(broker: Broker, options: KafkaBenchOptions, tell: Tell) -> KafkaSnapshot:
    """
    Take a long partition over from the start of its journal, then from a snapshot and the tail.

    Raises:
        InstanceError: something does not start, no snapshot is made, or nobody takes over.
        RuntimeError: the log refused a record.
    """
    events = options.events or SNAPSHOT_EVENTS
    plan = StandPlan(terminals=TERMINALS, partition_count=1, handlers=0, has_snapshots=False)
    with own_stand(broker, plan) as stand:
        record_count, made_s = await make_journal(stand, events, tell)
        stand.start()
        ready_s = stand.members[stand.add_handler()].ready_s
        tell(f"  ready after {ready_s:.1f} s from the start of the journal")
        stand.add_handler()
        taking = TakeAway(stand, options.rate or TAKE_OVER_PER_S, first_stan=FIRST_STAN)
        round_s = _ROUND_MIN_S + events / _FOLDED_PER_S_MIN
        without = await taking.play(KILL, round_s=2 * round_s)
        tell(f"  taken over: {without}")
        for handler in stand.handlers.values():
            handler.stop()
        snapshots = _turn_on_snapshots(events)
        owner = stand.add_handler(snapshots)
        snapshot_s = await _wait_for_snapshot(stand, owner)
        tell(f"  snapshot after {snapshot_s:.1f} s")
        stand.members[owner].stop()
        owner = stand.add_handler(snapshots)
        snapshot_ready_s = stand.members[owner].ready_s
        stand.add_handler(snapshots)
        with_it = await taking.play(KILL, round_s=round_s)
        tell(f"  taken over: {with_it}")
    return KafkaSnapshot(
        journal_events=events,
        journal_records=record_count,
        made_s=made_s,
        ready_s=round(ready_s, 2),
        take_over_s=without.until_approval_ms[0] / 1000,
        snapshot_s=round(snapshot_s, 2),
        snapshot_ready_s=round(snapshot_ready_s, 2),
        snapshot_take_over_s=with_it.until_approval_ms[0] / 1000,
    )


def _turn_on_snapshots(events: int) -> dict[str, str]:
    return {
        "SNAPSHOTS__INTERVAL_RECORD_COUNT": str(max(50, events // 4)),
        "SNAPSHOTS__INTERVAL_MS": "600000",
        "SNAPSHOTS__TO_TOPIC": "true",
    }


async def _wait_for_snapshot(stand: KafkaStand, owner: str) -> float:
    """Return how long it took until the first snapshot lay in the topic."""
    started_s = time.monotonic()
    handler = stand.members[owner]
    while not read_metric(handler, "switch_snapshots_total", '{outcome="sent"}'):
        if time.monotonic() - started_s > _SNAPSHOT_TIMEOUT_S:
            raise InstanceError("no snapshot was sent; the handler's log says why")
        await asyncio.sleep(_POLL_S)
    return time.monotonic() - started_s


async def make_journal(stand: KafkaStand, events: int, tell: Tell) -> tuple[int, float]:
    """
    Write a long journal that nobody owns; returns its records and the seconds that took.

    Raises:
        RuntimeError: the log refused a record.
    """
    started_s = time.monotonic()
    log = await stand.open_log()
    try:
        record_count = await fill_log(log, events, len(stand.specs))
    finally:
        await log.close()
    made_s = round(time.monotonic() - started_s, 1)
    tell(f"  {events} events made in {made_s} s")
    return record_count, made_s


async def bench_growth(broker: Broker, options: KafkaBenchOptions, tell: Tell) -> KafkaGrowth:
    """
    Measure a payment's cost with a short journal and with a long one.

    Raises:
        InstanceError: something does not start.
        RuntimeError: the log refused a record.
    """
    events = options.events or GROWTH_EVENTS
    short = await _measure_end(broker, min(SHORT_EVENTS, events), options, tell)
    long = await _measure_end(broker, events, options, tell)
    growth = long.handler_us_per_payment / short.handler_us_per_payment - 1
    return KafkaGrowth(short=short, long=long, growth=round(growth, 3))


async def _measure_end(
    broker: Broker, events: int, options: KafkaBenchOptions, tell: Tell
) -> GrowthEnd:
    plan = StandPlan(terminals=TERMINALS, partition_count=1, handlers=0, has_snapshots=False)
    with own_stand(broker, plan) as stand:
        _, made_s = await make_journal(stand, events, tell)
        stand.start()
        handler = stand.members[stand.add_handler()]
        assert handler.pid is not None
        rate = options.rate or GROWTH_PER_S
        await make_runner(stand, WARM_UP_S, first_stan=FIRST_STAN).run(rate)
        runner = make_runner(stand, options.seconds, first_stan=SECOND_STAN)
        costs, levels = [], []
        for _ in range(LEVEL_COUNT):
            before_s, told_count = total_cpu_s(read_tree(handler.pid)), len(runner.told)
            levels.append(await runner.run(rate))
            spent_s = total_cpu_s(read_tree(handler.pid)) - before_s
            costs.append(round(spent_s / (len(runner.told) - told_count) * 1e6, 1))
        end = GrowthEnd(
            journal_events=events,
            handler_us_per_payment=statistics.median(costs),
            all_us=tuple(costs),
            handler_megabytes=round(read_tree(handler.pid)[0].resident_bytes / _MEGABYTE, 1),
            made_s=made_s,
            ready_s=round(handler.ready_s, 2),
            levels=tuple(levels),
        )
        tell(f"  {events} events: {end.all_us} us, {end.handler_megabytes} MB")
    return end
