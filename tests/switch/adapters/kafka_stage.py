"""What tests of the log over Kafka share: sinks that remember, and a broker of one's own."""

import asyncio
import os
import signal
from pathlib import Path

from switch.adapters.kafka_topic_check import TopicWishes

ONE_BROKER = TopicWishes(single_broker=True)
DEADLINE_S = 30


class Acks:
    def __init__(self):
        self.outcomes = []
        self._changed = asyncio.Event()

    def __call__(self, outcome):
        self.outcomes.append(outcome)
        self._changed.set()

    async def wait_for(self, count):
        async with asyncio.timeout(DEADLINE_S):
            while len(self.outcomes) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.outcomes


async def append_all(partition, *values, **names):
    acks = Acks()
    for value in values:
        partition.append(value, acks, **names)
    return await acks.wait_for(len(values))


async def wait_until(is_true):
    """Wait for a condition that nothing tells of."""
    async with asyncio.timeout(DEADLINE_S):
        while not is_true():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def freeze(pid):
    """Stop a process, and wait until its last thread stands still: a signal takes its time."""
    os.kill(pid, signal.SIGSTOP)
    threads = Path(f"/proc/{pid}/task")
    await wait_until(lambda: all(_state_of(thread) == "T" for thread in threads.iterdir()))


def _state_of(thread):
    return (thread / "stat").read_text().rpartition(") ")[2][0]
