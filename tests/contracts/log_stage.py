"""What the contract suite needs to play on any log."""

import asyncio
from collections.abc import Awaitable, Callable

from switch.eventlog.port import AppendRefused, AppendUnknown, EventLog, PartitionLog

PARTITION_COUNT = 2
DEADLINE_S = 60

Outcome = int | AppendRefused | AppendUnknown


class LogStage:
    """One kind of log over one durable store; every `open` is another process's view of it."""

    def __init__(self, kind: str, open_log: Callable[[], Awaitable[EventLog]]) -> None:
        self.kind = kind
        self._open_log = open_log
        self.opened: list[EventLog] = []

    async def open(self) -> EventLog:
        log = await self._open_log()
        self.opened.append(log)
        return log

    async def close(self) -> None:
        for log in self.opened:
            await log.close()
        self.opened.clear()


class Acks:
    """A sink that remembers, and that a test can wait for."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self._changed = asyncio.Event()

    def __call__(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._changed.set()

    async def wait_for(self, count: int) -> list[Outcome]:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.outcomes) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.outcomes


async def append_all(partition: PartitionLog, *values: bytes) -> list[Outcome]:
    """Append at once, then wait for every outcome."""
    acks = Acks()
    for value in values:
        partition.append(value, acks)
    return await acks.wait_for(len(values))


async def read_all(partition: PartitionLog, offset: int = 0) -> list[tuple[int, bytes]]:
    """Read to the end as it is now."""
    found: list[tuple[int, bytes]] = []
    end = await partition.end()
    while offset < end:
        records = await partition.read(offset, count_max=100, wait_ms=1_000)
        found += [(r.offset, r.value) for r in records]
        offset = records[-1].offset + 1 if records else offset
    return found
