import asyncio
import secrets

import msgspec
import pytest

from switch.adapters.clock import read_clock
from switch.adapters.kafka_topic_check import TopicWishes
from switch.adapters.open_log import open_log
from switch.adapters.telemetry import make_telemetry
from switch.apps import status_board
from switch.apps.status import ProcessStatus
from switch.apps.status_board import StatusBoard, is_shared, read_statuses
from switch.eventlog.port import LogUnavailable

DEADLINE_S = 30.0
INTERVAL_MS = 5_000  # what was said counts for ten of them


class Speaker:
    """A process that says how it is."""

    def __init__(self, name, event_log):
        self.name = name
        self.pid = 1
        self.board = StatusBoard(
            event_log, self.describe, interval_ms=INTERVAL_MS, log=make_telemetry("test").log
        )

    def describe(self):
        return ProcessStatus(
            name=self.name,
            roles=("gateway",),
            version="1",
            pid=self.pid,
            http="",
            at=read_clock().wall_ms,
            interval_ms=INTERVAL_MS,
            not_ready={},
        )


async def until(condition):
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


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
async def test_each_process_reads_what_all_said_and_forgets_who_said_good_bye(event_log):
    first, second = Speaker("a", event_log), Speaker("b", event_log)
    first.board.start()
    second.board.start()

    async def names():
        return [one.name for one in (await first.board.read()).said]

    async def are_both_known():
        return await names() == ["a", "b"]

    async def is_alone():
        return await names() == ["a"]

    await until(are_both_known)
    first.pid = 2
    assert [one.pid for one in (await first.board.read()).said] == [2, 1], "itself as it is now"
    await second.board.stop()
    await until(is_alone)
    await first.board.stop()


@pytest.mark.kafka
async def test_what_another_version_said_is_passed_over(event_log):
    partition = await event_log.open_partition("status", 0)
    acked = asyncio.get_running_loop().create_future()
    partition.append(msgspec.json.encode({"said": "otherwise"}), acked.set_result)
    assert isinstance(await asyncio.wait_for(acked, DEADLINE_S), int)
    assert await read_statuses(event_log) == []


async def test_over_the_embedded_log_there_is_only_itself():
    speaker = Speaker("a", None)
    speaker.board.start()
    heard = await speaker.board.read()
    assert ([one.name for one in heard.said], heard.unheard) == (["a"], "")
    await speaker.board.stop()


async def test_a_log_that_is_away_leaves_only_itself_says_so_and_stops_nothing():
    class AwayLog:
        partition_count = 1

        async def open_partition(self, _log, _partition):
            raise LogUnavailable("no broker answers")

    speaker = Speaker("a", AwayLog())
    speaker.board.start()
    heard = await speaker.board.read()
    assert ([one.name for one in heard.said], heard.unheard) == (["a"], "no broker answers")
    await asyncio.wait_for(speaker.board.stop(), DEADLINE_S)


async def test_many_who_ask_while_the_log_hangs_wait_no_longer_than_one(monkeypatch):
    class HangingLog:
        partition_count = 1

        async def open_partition(self, _log, _partition):
            await asyncio.Event().wait()

    monkeypatch.setattr(status_board, "READ_DEADLINE_S", 0.2)
    speaker = Speaker("a", HangingLog())
    count = round(2 * DEADLINE_S / 0.2)  # one after the other would take twice the deadline
    async with asyncio.timeout(DEADLINE_S):
        heard = await asyncio.gather(*(speaker.board.read() for _ in range(count)))
    assert [[one.name for one in each.said] for each in heard] == [["a"]] * count
    assert {each.unheard for each in heard} == {"it does not answer within 0.2 s"}


def test_only_a_log_over_kafka_is_shared():
    assert is_shared("kafka://127.0.0.1:9092?prefix=a-")
    assert not is_shared("sqlite:///data/log.db")
