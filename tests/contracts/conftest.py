"""The three logs behind one stage, so that one suite can play on all of them."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from switch.adapters.kafka_log import KafkaLog
from switch.adapters.kafka_topic_check import TopicWishes
from switch.adapters.sqlite_log import SqliteLog
from switch.eventlog.memory_log import MemoryLog
from switch.eventlog.port import EventLog
from tests.contracts.log_stage import PARTITION_COUNT, LogStage


@pytest.fixture(
    params=[
        "memory",
        "sqlite",
        pytest.param("kafka", marks=pytest.mark.kafka),
    ]
)
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LogStage]:
    kind: str = request.param
    if kind == "memory":
        loop = asyncio.get_running_loop()
        store = MemoryLog(PARTITION_COUNT, call_soon=loop.call_soon, sleep=asyncio.sleep)

        async def open_log() -> EventLog:
            return store

    elif kind == "sqlite":

        async def open_log() -> EventLog:
            return SqliteLog(tmp_path / "log.db", partition_count=PARTITION_COUNT)

    else:
        bootstrap: str = request.getfixturevalue("kafka_bootstrap")
        prefix = f"contract-{secrets.token_hex(4)}-"

        async def open_log() -> EventLog:
            return await KafkaLog.connect(
                bootstrap,
                partition_count=PARTITION_COUNT,
                prefix=prefix,
                topics=TopicWishes(single_broker=True),
                append_deadline_ms=20_000,
            )

    stage = LogStage(kind, open_log)
    async with asyncio.timeout(120):
        yield stage
        await stage.close()
