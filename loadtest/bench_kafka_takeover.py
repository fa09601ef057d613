"""Handlers killed and stopped under load: how long their partitions are without an approval."""

import statistics
from collections.abc import Iterable
from typing import Final

import msgspec

from loadtest.kafka_part import KafkaBenchOptions, Tell, own_stand
from loadtest.kafka_stand import Broker, StandPlan
from loadtest.kafka_takeaway import KILL, STOP, Round, TakeAway

TERMINALS: Final = 400
RATE_PER_S: Final = 200.0
HANDLERS: Final = 2
ISSUER_DELAY_MS: Final = 20


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Median and worst of several."""

    median_ms: float
    max_ms: float
    all_ms: tuple[float, ...]


def spread(values: Iterable[float]) -> Spread:
    """Sum up."""
    ordered = tuple(sorted(values))
    return Spread(median_ms=statistics.median(ordered), max_ms=ordered[-1], all_ms=ordered)


class KafkaTakeover(msgspec.Struct, frozen=True, kw_only=True):
    """
    What became of the partitions of a handler that was killed, and of one that was stopped.

    `killed` runs from SIGKILL to the first approval, `handed_over` is the longest time between two
    approvals while a handler stops, the issuer's own delay taken off; both over all partitions of
    all rounds.
    """

    partition_count: int
    issuer_delay_ms: int
    rate_per_s: float
    killed: Spread
    handed_over: Spread
    kill_rounds: tuple[Round, ...]
    stop_rounds: tuple[Round, ...]


async def bench_takeover(broker: Broker, options: KafkaBenchOptions, tell: Tell) -> KafkaTakeover:
    """
    Kill and stop handlers under load, some rounds of each.

    Raises:
        InstanceError: something does not start, or a partition stays without approvals.
    """
    rate_per_s = options.rate or RATE_PER_S
    delay_ms = options.delay_ms or ISSUER_DELAY_MS
    plan = StandPlan(
        terminals=min(options.terminals, TERMINALS),
        partition_count=options.partitions,
        handlers=HANDLERS,
        issuer_delay_ms=delay_ms,
    )
    rounds: dict[str, list[Round]] = {KILL.name: [], STOP.name: []}
    with own_stand(broker, plan) as stand:
        stand.start()
        taking = TakeAway(stand, rate_per_s)
        for number in range(options.rounds):
            for blow in (KILL, STOP):
                played = await taking.play(blow)
                rounds[blow.name].append(played)
                tell(f"  {blow.name} {number + 1}: {played}")
    kills, stops = rounds[KILL.name], rounds[STOP.name]
    return KafkaTakeover(
        partition_count=options.partitions,
        issuer_delay_ms=delay_ms,
        rate_per_s=rate_per_s,
        killed=spread(ms for played in kills for ms in played.until_approval_ms),
        handed_over=spread(ms for played in stops for ms in played.longest_gap_ms),
        kill_rounds=tuple(kills),
        stop_rounds=tuple(stops),
    )
