"""What the parts of `bench kafka` share: options, a stand to run on, levels played on it."""

import contextlib
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from loadtest.kafka_stand import Broker, KafkaStand, StandPlan
from loadtest.levels import LevelRunner
from loadtest.scenario import Mix
from loadtest.search import Level, SearchResult, search_rate

Tell = Callable[[str], None]

LOW_PER_S: Final = 500.0
HIGH_PER_S: Final = 20_000.0
WARM_UP_PER_S: Final = 1_000.0  # before a search: a new broker's Java is still being compiled
WARM_UP_COUNT: Final = 3
MIX: Final = Mix(repeats=0.005, conflicts=0.002, reversals=0.005, declines=0.02)


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
        tell("  warm-up ...")
        for _ in range(WARM_UP_COUNT):
            await run_level(WARM_UP_PER_S)
        return await search_rate(
            run, low_per_s=LOW_PER_S, high_per_s=HIGH_PER_S, p99_ms_max=options.p99_ms_max
        )
    level = await run(options.rate)
    is_good = level.holds(p99_ms_max=options.p99_ms_max)
    return SearchResult(best=level if is_good else None, levels=(level,))
