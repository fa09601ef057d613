"""The projector over Kafka: how fast it catches up, how far behind it is under load."""

import asyncio
import contextlib
import time
from typing import Final

import msgspec

from loadtest.bench_kafka_growth import FIRST_STAN, make_journal
from loadtest.instance import Instance, InstanceError
from loadtest.kafka_log import KafkaLog
from loadtest.kafka_part import KafkaBenchOptions, Tell, make_runner, own_stand
from loadtest.kafka_stand import Broker, StandPlan
from loadtest.metrics import read_status
from loadtest.search import Level

EVENTS: Final = 400_000
RATE_PER_S: Final = 2_000.0
RECORDS_PER_PAYMENT: Final = 2
_CATCH_UP_TIMEOUT_S: Final = 120.0
_POLL_S: Final = 0.05
_SAMPLE_S: Final = 0.25


class KafkaProjector(msgspec.Struct, frozen=True, kw_only=True):
    """
    Journal events a second that every projection has taken, from a stop and while it catches up.

    `lag_s` are samples under load: records that the slower projection has not written yet, as
    seconds of that load.
    """

    journal_events: int
    caught_up_s: float
    events_per_s: float
    rate_per_s: float
    lag_s_median: float
    lag_s_max: float
    level: Level


async def bench_projector(broker: Broker, options: KafkaBenchOptions, tell: Tell) -> KafkaProjector:
    """
    Let a projector catch up with a journal, then follow one at load.

    Raises:
        InstanceError: something does not start, or it does not catch up.
        RuntimeError: the log refused a record.
    """
    events = options.events or EVENTS
    rate = options.rate or RATE_PER_S
    plan = StandPlan(terminals=options.terminals, partition_count=options.partitions)
    with own_stand(broker, plan) as stand:
        record_count, _ = await make_journal(stand, events, tell)
        projector = stand.begin("projector").wait_ready()
        stand.members["projector"] = projector
        caught_up_s = await _catch_up(projector, record_count)
        tell(f"  {events} events in {caught_up_s:.1f} s")
        stand.start()
        runner = make_runner(stand, options.seconds, first_stan=FIRST_STAN)
        log = await stand.open_log()
        sampling = asyncio.create_task(_sample_lag(projector, log))
        level = await runner.run(rate)
        sampling.cancel()
        samples = sorted(await sampling)
        await log.close()
        tell(f"  at {rate:.0f}/s: lag of {samples[-1]} records at most, {level}")
    per_s = RECORDS_PER_PAYMENT * rate
    return KafkaProjector(
        journal_events=events,
        caught_up_s=round(caught_up_s, 2),
        events_per_s=round(events / caught_up_s),
        rate_per_s=rate,
        lag_s_median=round(samples[len(samples) // 2] / per_s, 3),
        lag_s_max=round(samples[-1] / per_s, 3),
        level=level,
    )


def _count_taken(projector: Instance) -> int:
    """Return how many records the slower projection has taken."""
    rows = read_status(projector)["projections"]
    counts: list[int] = [sum(row["position"].values()) for row in rows]
    return min(counts, default=0)


async def _catch_up(projector: Instance, record_count: int) -> float:
    """Return how long it took until everything was taken, from the last look at nothing on."""
    began_s = started_s = time.monotonic()
    while True:
        looked_s = time.monotonic()
        taken = await asyncio.to_thread(_count_taken, projector)
        if not taken:
            started_s = looked_s
        waited_s = time.monotonic() - began_s
        if taken >= record_count:
            return time.monotonic() - started_s
        if waited_s > _CATCH_UP_TIMEOUT_S:
            raise InstanceError(f"the projector took {taken} of {record_count} records only")
        await asyncio.sleep(_POLL_S)


async def _sample_lag(projector: Instance, log: KafkaLog) -> list[int]:
    """Look how far it is behind, again and again, until cancelled."""
    samples: list[int] = []
    with contextlib.suppress(asyncio.CancelledError):
        journal = [await log.open_partition("journal", at) for at in range(log.partition_count)]
        while True:
            taken = await asyncio.to_thread(_count_taken, projector)
            samples.append(sum([await each.end() for each in journal]) - taken)
            await asyncio.sleep(_SAMPLE_S)
    return samples
