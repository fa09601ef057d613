"""Handlers taken away under load: how long their partitions are without an approval."""

import asyncio
import itertools
import signal
import time
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from loadtest.driver import Driver, wall_ms
from loadtest.frames import DIALECT, make_templates
from loadtest.instance import Instance, InstanceError
from loadtest.kafka_stand import KafkaStand
from loadtest.lean_terminal import LeanTerminal
from loadtest.metrics import read_metrics
from loadtest.scenario import Mix, Objectives, Scenario
from loadtest.schedule import Step
from loadtest.told import Told
from switch.codec import load_dialect
from switch.domain.identifiers import make_partition_key, partition_of

OWNED: Final = "switch_partition_owned"
ROUND_S: Final = 7.0
BLOW_AT_S: Final = 1.5
SETTLE_TIMEOUT_S: Final = 60.0
_POLL_S: Final = 0.05
_MIX: Final = Mix()


class Blow(NamedTuple):
    """What happens to a handler."""

    name: str
    number: signal.Signals


KILL: Final = Blow("kill", signal.SIGKILL)
STOP: Final = Blow("stop", signal.SIGTERM)


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """
    One handler taken away; for each partition of it, in ms.

    `until_approval_ms` runs from the blow to the end of the longest time without an approval,
    `longest_gap_ms` is how long that was, the issuer's own delay taken off.
    """

    partitions: tuple[int, ...]
    until_approval_ms: tuple[float, ...]
    longest_gap_ms: tuple[float, ...]


class Gap(NamedTuple):
    """The longest time without an approval, epoch ms."""

    begin_ms: int
    end_ms: int

    @property
    def length_ms(self) -> int:
        """How long it was."""
        return self.end_ms - self.begin_ms


class TakeAway:
    """Plays rounds against a stand with two handlers: load, a blow, and a new handler after it."""

    def __init__(self, stand: KafkaStand, rate_per_s: float, *, first_stan: int = 1) -> None:
        self._stand = stand
        self._rate_per_s = rate_per_s
        self._dialect = load_dialect(DIALECT)
        self._terminals = [
            LeanTerminal(spec, make_templates(self._dialect, spec), first_stan)
            for spec in stand.specs
        ]
        self.told: list[Told] = []

    async def play(self, blow: Blow, *, round_s: float = ROUND_S) -> Round:
        """
        Play one round; every partition is served again when it ends.

        Raises:
            InstanceError: a handler does not come back, or a partition stays without approvals.
        """
        stand = self._stand
        await self.wait_shared()
        scenario = Scenario(
            name="take-away",
            steps=(Step(rate_per_s=self._rate_per_s, duration_s=round_s),),
            terminals=len(self._terminals),
            mix=_MIX,
            objectives=Objectives(),
        )
        driver = Driver(scenario, self._dialect, self._terminals, stand.address)
        await driver.connect()
        striking = asyncio.create_task(self._strike(blow))
        await driver.run()
        driver.close()
        at_ms, partitions = await striking
        self.told += driver.told
        approvals = group_approvals(driver.told, stand.plan.partition_count)
        gaps = [find_gap(approvals.get(index, []), at_ms) for index in partitions]
        if not all(gaps):
            raise InstanceError(f"no approvals on one of {partitions} within {round_s} s")
        await asyncio.to_thread(stand.add_handler)
        return Round(
            partitions=partitions,
            until_approval_ms=tuple(gap.end_ms - at_ms for gap in gaps if gap),
            longest_gap_ms=tuple(gap.length_ms - stand.plan.issuer_delay_ms for gap in gaps if gap),
        )

    async def _strike(self, blow: Blow) -> tuple[int, tuple[int, ...]]:
        """Take the handler away that owns most; return when, and what it owned."""
        await asyncio.sleep(BLOW_AT_S)
        owned = await self._find_owned()
        name = max(owned, key=lambda each: len(owned[each]))
        victim = self._stand.members[name]
        assert victim.process is not None
        at_ms = wall_ms()
        victim.process.send_signal(blow.number)
        await asyncio.to_thread(victim.process.wait)
        return at_ms, owned[name]

    async def _find_owned(self) -> dict[str, tuple[int, ...]]:
        names = list(self._stand.handlers)
        found = await asyncio.gather(
            *(asyncio.to_thread(list_owned, self._stand.members[name]) for name in names)
        )
        return dict(zip(names, found, strict=True))

    async def wait_shared(self) -> None:
        """
        Wait until every partition has one owner and no handler is without (or only one can own).

        Raises:
            InstanceError: that takes too long.
        """
        count = self._stand.plan.partition_count
        give_up_at = time.monotonic() + SETTLE_TIMEOUT_S
        while True:
            owned = await self._find_owned()
            held = sorted(index for each in owned.values() for index in each)
            busy_count = sum(1 for each in owned.values() if each)
            if held == list(range(count)) and busy_count == min(count, len(owned)):
                return
            if time.monotonic() > give_up_at:
                raise InstanceError(f"the partitions are not shared out: {owned}")
            await asyncio.sleep(_POLL_S)


def list_owned(handler: Instance) -> tuple[int, ...]:
    """Return the partitions that a handler says it serves."""
    found = read_metrics(handler, OWNED)
    return tuple(
        sorted(
            int(labels.partition('"')[2].partition('"')[0])
            for labels, value in found.items()
            if value
        )
    )


def group_approvals(told: Iterable[Told], partition_count: int) -> dict[int, list[int]]:
    """Return when sales were told approved, epoch ms, by partition, in order."""
    found: dict[int, list[int]] = {}
    for line in told:
        if line.kind == "sale" and line.response_code == "00":
            key = make_partition_key(line.acquirer, line.merchant_id)
            found.setdefault(partition_of(key, partition_count), []).append(line.at)
    return {index: sorted(times) for index, times in found.items()}


def find_gap(times_ms: list[int], blow_ms: int) -> Gap | None:
    """Return the longest gap that ends after the blow; None if nothing came after it."""
    pairs = itertools.pairwise(times_ms)
    gaps = [Gap(begin, end) for begin, end in pairs if end >= blow_ms]
    return max(gaps, key=lambda gap: gap.length_ms, default=None)
