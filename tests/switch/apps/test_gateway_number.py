import asyncio
import secrets

import pytest
import structlog

from switch.adapters.clock import read_clock
from switch.adapters.kafka_topic_check import TopicWishes
from switch.adapters.open_log import open_log
from switch.adapters.telemetry import make_telemetry
from switch.apps.gateway_number import FIRST_LOOK_S, LOOK_INTERVAL_S, GatewayNumber
from switch.apps.status import ProcessStatus
from switch.apps.status_board import StatusBoard

DEADLINE_S = 30.0
INTERVAL_MS = 5_000


class Speaker:
    """A process with a gateway in it that has no traffic."""

    def __init__(self, name, event_log, ordinal):
        self.name = name
        self.ordinal = ordinal
        log = make_telemetry("test").log
        self.board = StatusBoard(event_log, self.describe, interval_ms=INTERVAL_MS, log=log)
        self.number = GatewayNumber(name, self.board, log)

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


async def hear_each_other(first, other):
    first.board.start()
    other.board.start()
    async with asyncio.timeout(DEADLINE_S):
        for speaker in (first, other):
            while len((await speaker.board.read()).said) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@pytest.mark.kafka
@pytest.mark.parametrize("other_ordinal", [3, 4])
async def test_each_gateway_tells_in_its_log_who_has_its_number_without_any_traffic(
    event_log, other_ordinal
):
    first, other = Speaker("a", event_log, 3), Speaker("b", event_log, other_ordinal)
    await hear_each_other(first, other)
    for speaker in (first, other):
        told = await speaker.look()
        assert [ordinal for ordinal, _ in told] == ([3] if other_ordinal == 3 else [])
        words = "gateways a, b have one number (gateway.ordinal 3)"
        assert all(words in reason for _, reason in told)
    await first.board.stop()
    await other.board.stop()


@pytest.mark.kafka
async def test_a_shared_number_is_told_soon_after_the_start_and_then_once_a_minute(event_log):
    first, other = Speaker("a", event_log, 3), Speaker("b", event_log, 3)
    await hear_each_other(first, other)
    assert (FIRST_LOOK_S, LOOK_INTERVAL_S) == (10.0, 60.0)
    with structlog.testing.capture_logs() as lines:
        watching = asyncio.create_task(first.number.watch(0.0, LOOK_INTERVAL_S))
        async with asyncio.timeout(DEADLINE_S):
            while not lines:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await first.board.read()  # its turn comes after any look that had begun
        assert [line["log_level"] for line in lines] == ["warning"]
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    await first.board.stop()
    await other.board.stop()
