import asyncio

import pytest

from switch.adapters.telemetry import make_telemetry
from switch.apps.reply_writer import ReplyWriter
from switch.eventlog.inbound import Reply, decode_reply
from switch.eventlog.memory_log import MemoryLog
from switch.eventlog.port import AppendUnknown, LogUnavailable

DEADLINE_S = 10.0


def _reply(number):
    return Reply(gateway="gw", inbound_id=f"gw-{number}")


class Stage:
    def __init__(self):
        self.log = MemoryLog(1, call_soon=asyncio.get_running_loop().call_soon, sleep=asyncio.sleep)
        self.writer = ReplyWriter(self.log, 0, make_telemetry("test").log)

    @property
    def written(self):
        records = self.log.partitions["replies", 0].records
        return [decode_reply(record.value).inbound_id for record in records]

    async def until(self, condition):
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - any condition, with a deadline
                await asyncio.sleep(0.005)


@pytest.fixture
async def stage():
    made = Stage()
    await made.writer.open()
    yield made
    await made.writer.close()


async def test_answers_are_written_in_order(stage):
    stage.writer.send(_reply(1))
    stage.writer.send(_reply(2))
    await stage.until(lambda: stage.written == ["gw-1", "gw-2"])


async def test_after_a_failure_a_new_writer_goes_on(stage):
    stage.log.writers[0].failure = AppendUnknown("the broker was frozen")
    stage.writer.send(_reply(1))
    stage.writer.send(_reply(2))
    await stage.until(lambda: len(stage.log.writers) == 2)
    await stage.until(lambda: stage.writer._writer is stage.log.writers[1])
    stage.writer.send(_reply(3))
    await stage.until(lambda: stage.written == ["gw-3"])


async def test_while_there_is_no_writer_answers_are_dropped_and_counted(stage):
    real, calls = stage.log.open_partition, []

    async def refuse(log, partition):
        calls.append(log)
        if len(calls) < 3:
            raise LogUnavailable("no broker")
        return await real(log, partition)

    stage.log.open_partition = refuse
    stage.log.writers[0].failure = AppendUnknown("the broker was frozen")
    stage.writer.send(_reply(1))
    await stage.until(lambda: len(calls) == 1)
    stage.writer.send(_reply(2))
    assert stage.writer.dropped_count == 1
    await stage.until(lambda: stage.writer._writer is not None)
    stage.writer.send(_reply(3))
    await stage.until(lambda: stage.written == ["gw-3"])


async def test_a_closed_writer_does_not_come_back(stage):
    stage.log.writers[0].failure = AppendUnknown("the broker was frozen")
    stage.writer.send(_reply(1))
    await stage.until(lambda: stage.writer._writer is None)
    await stage.writer.close()
    stage.writer.send(_reply(2))
    assert stage.written == []
