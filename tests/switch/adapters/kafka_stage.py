"""What tests of the log over Kafka share: sinks that remember, and a broker of one's own."""

import asyncio
import os
import signal
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from switch.adapters.kafka_topic_check import TopicWishes

ONE_BROKER = TopicWishes(single_broker=True)
DEADLINE_S = 60
PATIENT_MS = 20_000  # an append that the machine holds up is none that failed


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


async def change_topic(bootstrap, topic, **settings):
    """Change settings of a topic (dots as underscores); return once its broker goes by them."""
    wanted = {name.replace("_", "."): value for name, value in settings.items()}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=wanted)])
        async with asyncio.timeout(DEADLINE_S):
            found = {}
            while not wanted.items() <= found.items():
                found = await _read_settings(admin, topic)
    finally:
        await admin.close()


async def _read_settings(admin, topic):
    [response] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return {entry[0]: entry[1] for entry in response.resources[0][4]}


async def freeze(pid):
    """Stop a process, and wait until its last thread stands still: a signal takes its time."""
    os.kill(pid, signal.SIGSTOP)
    threads = Path(f"/proc/{pid}/task")
    await wait_until(lambda: all(_state_of(thread) == "T" for thread in threads.iterdir()))


def _state_of(thread):
    return (thread / "stat").read_text().rpartition(") ")[2][0]
