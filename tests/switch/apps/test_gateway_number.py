import asyncio
import secrets

import pytest
import structlog

from switch.adapters.clock import read_clock
from switch.adapters.kafka_topic_check import TopicWishes
from switch.adapters.open_log import open_log
from switch.adapters.telemetry import make_telemetry
from switch.apps.gateway_number import GatewayNumber
from switch.apps.status import ProcessStatus
from switch.apps.status_board import StatusBoard

DEADLINE_S = 30.0
INTERVAL_MS = 1_000


class Speaker:
    """A process with a gateway in it, which answers for others come by."""

    def __init__(self, name, event_log, ordinal):
        self.name = name
        self.ordinal = ordinal
        self.foreign_reply_count = 0
        log = make_telemetry("test").log
        self.board = StatusBoard(event_log, self.describe, interval_ms=INTERVAL_MS, log=log)
        self.number = GatewayNumber(name, self, self.board, log)

    def describe(self):
        return ProcessStatus(
            name=self.name,
            roles=("gateway",),
            version="1",
            pid=1,
            http="",
            at=read_clock().wall_ms,
            interval_ms=INTERVAL_MS,
            not_ready={},
            gateways=[{"ordinal": self.ordinal, "state": "taking"}],
        )

    async def look(self):
        with structlog.testing.capture_logs() as lines:
            await self.number.look()
        return [(line["ordinal"], line["reason"]) for line in lines]


@pytest.fixture
async def event_log(kafka_bootstrap):
    log = await open_log(
        f"kafka://{kafka_bootstrap}?prefix=t{secrets.token_hex(4)}-",
        partition_count=1,
        topics=TopicWishes(single_broker=True),
    )
    yield log
    await log.close()


@pytest.mark.kafka
@pytest.mark.parametrize("other_ordinal", [3, 4])
async def test_a_gateway_tells_in_its_log_who_has_its_number_and_nobody_else(
    event_log, other_ordinal
):
    first, other = Speaker("a", event_log, 3), Speaker("b", event_log, other_ordinal)
    other.board.start()
    async with asyncio.timeout(DEADLINE_S):
        while len((await first.board.read()).said) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert await first.look() == [], "nothing came by"
    first.foreign_reply_count = 1
    told = await first.look()
    assert [ordinal for ordinal, _ in told] == ([3] if other_ordinal == 3 else [])
    assert all("gateways a, b have one number (gateway.ordinal 3)" in words for _, words in told)
    assert await first.look() == [], "nothing came by since"
    await other.board.stop()
