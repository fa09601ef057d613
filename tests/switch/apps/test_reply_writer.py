import asyncio

import pytest

from switch.adapters.telemetry import make_telemetry
from switch.apps.reply_writer import WAITING_COUNT_MAX, ReplyWriter
from switch.eventlog.inbound import Reply, decode_reply
from switch.eventlog.memory_log import MemoryLog
from switch.eventlog.port import REPLIES_PARTITION_COUNT, AppendUnknown, LogUnavailable

DEADLINE_S = 60.0


def _reply(number, gateway="00.gw"):
    return Reply(gateway=gateway, inbound_id=f"{gateway}-{number}")


class Stage:
    def __init__(self):
        self.log = MemoryLog(1, call_soon=asyncio.get_running_loop().call_soon, sleep=asyncio.sleep)
        self.writer = ReplyWriter(self.log, make_telemetry("test").log)

    def written(self, partition=0):
        if ("replies", partition) not in self.log.partitions:
            return []
        records = self.log.partitions["replies", partition].records
        return [decode_reply(record.value).inbound_id for record in records]

    async def until(self, condition):
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - any condition, with a deadline
                await asyncio.sleep(0.005)

    async def fail(self):
        """Let the writer of the first gateway fail with its next answer."""
        self.writer.send(_reply(0))
        await self.until(lambda: self.written() == ["00.gw-0"])
        self.log.writers[0].failure = AppendUnknown("the broker was frozen")


@pytest.fixture
async def stage():
    made = Stage()
    yield made
    await made.writer.close()


async def test_answers_are_written_in_order(stage):
    stage.writer.send(_reply(1))
    stage.writer.send(_reply(2))
    await stage.until(lambda: stage.written() == ["00.gw-1", "00.gw-2"])


async def test_each_gateway_gets_its_answers_in_its_own_partition(stage):
    for gateway in ("00.a", "03.b", f"{REPLIES_PARTITION_COUNT + 3}.c"):
        stage.writer.send(_reply(1, gateway))
    await stage.until(lambda: len(stage.written(3)) == 2)
    assert stage.written() == ["00.a-1"]
    assert stage.written(3) == ["03.b-1", "19.c-1"]
    assert len(stage.log.writers) == 2


async def test_after_a_failure_a_new_writer_goes_on(stage):
    await stage.fail()
    stage.writer.send(_reply(1))
    stage.writer.send(_reply(2))
    await stage.until(lambda: len(stage.log.writers) == 2)
    stage.writer.send(_reply(3))
    await stage.until(lambda: stage.written() == ["00.gw-0", "00.gw-3"])


async def test_while_there_is_no_writer_answers_are_dropped_and_counted(stage):
    await stage.fail()
    real, calls = stage.log.open_partition, []

    async def refuse(log, partition):
        calls.append(log)
        if len(calls) < 3:
            raise LogUnavailable("no broker")
        return await real(log, partition)

    stage.log.open_partition = refuse
    stage.writer.send(_reply(1))
    await stage.until(lambda: len(calls) == 1)
    stage.writer.send(_reply(2))
    assert stage.writer.dropped_count == 1
    await stage.until(lambda: len(stage.log.writers) == 2)
    stage.writer.send(_reply(3))
    await stage.until(lambda: stage.written() == ["00.gw-0", "00.gw-3"])


async def test_before_the_first_opening_answers_wait_and_not_without_bound(stage):
    real, may_open = stage.log.open_partition, asyncio.Event()

    async def wait(log, partition):
        await may_open.wait()
        return await real(log, partition)

    stage.log.open_partition = wait
    for number in range(WAITING_COUNT_MAX + 2):
        stage.writer.send(_reply(number))
    assert stage.writer.dropped_count == 2
    may_open.set()
    await stage.until(lambda: len(stage.written()) == WAITING_COUNT_MAX)


async def test_what_is_under_way_at_the_end_is_still_written(stage):
    stage.writer.send(_reply(1))
    await stage.writer.close()
    assert stage.written() == ["00.gw-1"]


async def test_a_closed_writer_does_not_come_back(stage):
    await stage.fail()
    stage.writer.send(_reply(1))
    await stage.writer.close()
    stage.writer.send(_reply(2))
    assert stage.written() == ["00.gw-0"]
    assert len(stage.log.writers) == 1


async def test_a_handler_whose_answers_get_lost_says_so_until_one_is_written_again(stage):
    assert stage.writer.fault == ""
    await stage.fail()
    stage.writer.send(_reply(1))
    await stage.until(lambda: "the broker was frozen" in stage.writer.fault)
    await stage.until(lambda: len(stage.log.writers) == 2)
    stage.writer.send(_reply(2))
    await stage.until(lambda: stage.writer.fault == "")
