"""Where the switch's own process spends its time: a run under the deterministic profiler.

The profiler makes every call dearer, so the figures are shares to compare, not costs to add up.
"""

import pstats
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from loadtest.frames import DIALECT
from loadtest.instance import start_instance
from loadtest.levels import LevelRunner
from loadtest.search import Level
from loadtest.world_setup import prepare_world

_SHOWN_COUNT: Final = 60
_ROOT: Final = str(Path(__file__).parents[1]) + "/"


class FunctionUse(msgspec.Struct, frozen=True, kw_only=True):
    """One function: microseconds a payment in itself and with all that it calls, and calls."""

    name: str
    own_us: float
    total_us: float
    calls: float


class ProfileBench(msgspec.Struct, frozen=True, kw_only=True):
    """The functions that took most, the dearest first."""

    level: Level
    functions: tuple[FunctionUse, ...]


async def bench_profile(*, rate: float, seconds: float, terminals: int) -> ProfileBench:
    """
    Run an instance under the profiler at one rate.

    Raises:
        InstanceError: the switch cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="lt-") as folder:
        root = Path(folder)
        profile = root / "profile"
        output = root / "output" / "switch-up.log"
        with start_instance(root / "data", output, profile=profile) as instance:
            specs = prepare_world(instance, terminals)
            address = instance.address_of(DIALECT)
            runner = LevelRunner(specs, address, switch_pid=instance.pid, seconds=seconds)
            level = await runner.run(rate)
            instance.stop()
        functions = read_profile(profile, max(len(runner.told), 1))
    return ProfileBench(level=level, functions=functions)


def read_profile(path: Path, payment_count: int) -> tuple[FunctionUse, ...]:
    """Read the functions that took most of a profile, as times a payment."""
    stats = pstats.Stats(str(path)).stats  # type: ignore[attr-defined]
    ordered = sorted(stats.items(), key=lambda item: item[1][2], reverse=True)
    return tuple(
        FunctionUse(
            name=f"{file.removeprefix(_ROOT)}:{line} {function}",
            own_us=round(own_s / payment_count * 1e6, 2),
            total_us=round(total_s / payment_count * 1e6, 2),
            calls=round(calls / payment_count, 2),
        )
        for (file, line, function), (_, calls, own_s, total_s, _) in ordered[:_SHOWN_COUNT]
    )
