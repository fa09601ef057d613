import asyncio

import pytest
import structlog

from switch.adapters.clock import read_boot_ms
from switch.adapters.telemetry import make_telemetry
from switch.apps.inbound_writer import InboundWriter
from switch.eventlog.memory_log import MemoryLog
from switch.eventlog.port import AppendRefused, AppendUnknown, LogUnavailable

DEADLINE_S = 60.0
APPEND_DEADLINE_MS = 60_000


class Stage:
    def __init__(self):
        self.log = MemoryLog(2, sleep=asyncio.sleep)
        self.failed = []
        self.writer = InboundWriter(
            self.log,
            1,
            append_deadline_ms=APPEND_DEADLINE_MS,
            append_slow_ms=100,
            on_failed=lambda inbound_id, error: self.failed.append((inbound_id, type(error))),
            log=make_telemetry("test").log,
        )

    @property
    def records(self):
        return [record.value for record in self.log.partitions["inbound", 1].records]

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


async def test_what_is_appended_lands_in_its_partition_and_nobody_is_told(stage):
    stage.writer.append("a", b"k", b"1")
    stage.writer.append("b", b"k", b"2")
    stage.log.pump()
    assert stage.records == [b"1", b"2"]
    assert stage.failed == []


async def test_after_a_refusal_everything_under_way_has_failed_and_a_new_writer_is_opened(stage):
    stage.log.writers[0].failure = AppendRefused("disk full")
    stage.writer.append("a", b"k", b"1")
    stage.writer.append("b", b"k", b"2")
    stage.log.pump()
    assert stage.failed == [("a", AppendRefused), ("b", AppendRefused)]
    assert stage.writer.fault == "disk full"
    stage.writer.append("c", b"k", b"3")
    assert len(stage.failed) == 2, "never told from inside append"
    await stage.until(lambda: len(stage.failed) == 3)
    await stage.until(lambda: not stage.writer.fault)
    stage.writer.append("d", b"k", b"4")
    stage.log.pump()
    assert stage.records == [b"4"]


async def test_an_ack_that_never_comes_is_unknown_after_the_deadline(stage):
    stage.log.writers[0].lost_ack_count = 1
    stage.writer.append("a", b"k", b"1")
    stage.log.pump()
    stage.writer.check_deadline(read_boot_ms())
    assert stage.failed == []
    stage.writer.check_deadline(read_boot_ms() + APPEND_DEADLINE_MS + 1)
    assert stage.failed == [("a", AppendUnknown)]
    assert stage.records == [b"1"], "it landed all the same"


async def test_late_acks_of_a_dropped_writer_are_not_heard(stage):
    stage.writer.append("a", b"k", b"1")
    stage.writer.check_deadline(read_boot_ms() + APPEND_DEADLINE_MS + 1)
    stage.log.pump()
    assert stage.failed == [("a", AppendUnknown)]


async def test_while_the_log_is_slow_new_requests_are_refused_and_then_taken_again(stage):
    stage.writer.append("a", b"k", b"1")
    await stage.until(lambda: "acknowledged nothing" in stage.writer.fault)
    stage.writer.append("b", b"k", b"2")
    await stage.until(lambda: stage.failed == [("b", AppendRefused)])
    stage.log.pump()
    assert stage.records == [b"1"], "what was handed over before went its way"
    assert stage.writer.fault == ""
    stage.writer.append("c", b"k", b"3")
    stage.log.pump()
    assert stage.records == [b"1", b"3"]
    assert stage.failed == [("b", AppendRefused)]


async def test_after_a_failure_one_request_goes_first_and_the_others_when_it_landed(stage):
    stage.log.writers[0].failure = AppendUnknown("no ack")
    stage.writer.append("a", b"k", b"1")
    stage.log.pump()
    await stage.until(lambda: not stage.writer.fault)
    stage.writer.append("b", b"k", b"2")
    stage.writer.append("c", b"k", b"3")
    await stage.until(lambda: stage.failed[1:] == [("c", AppendRefused)])
    stage.log.pump()
    stage.writer.append("d", b"k", b"4")
    stage.writer.append("e", b"k", b"5")
    stage.log.pump()
    assert stage.records[-3:] == [b"2", b"4", b"5"]
    assert len(stage.failed) == 2


async def test_a_log_that_does_not_answer_is_not_opened_again_before_it_does(stage):
    real = stage.log.open_partition
    asked = []

    async def open_partition(log, partition):
        opened = await real(log, partition)

        async def end():
            asked.append(1)
            if len(asked) < 3:
                raise LogUnavailable("no broker answers")
            return 0

        opened.end = end
        return opened

    stage.log.open_partition = open_partition
    stage.log.writers[0].failure = AppendUnknown("no ack")
    stage.writer.append("a", b"k", b"1")
    stage.log.pump()
    await stage.until(lambda: stage.writer.fault == "no broker answers")
    await stage.until(lambda: not stage.writer.fault)
    assert len(asked) == 3


async def test_a_disk_that_fails_every_other_append_is_told_of_once_a_second(stage, monkeypatch):
    async def fail(reason):
        stage.log.writers[-1].failure = AppendRefused(reason)
        stage.writer.append("a", b"k", b"1")
        stage.log.pump()
        await stage.until(lambda: not stage.writer.fault)
        stage.writer.append("b", b"k", b"2")  # there is room for this one
        stage.log.pump()

    monkeypatch.setattr("switch.apps.inbound_writer.TELL_INTERVAL_MS", 3_600_000)
    with structlog.testing.capture_logs() as lines:
        for reason in ("disk full", "disk full", "disk full", "no such table"):
            await fail(reason)
        monkeypatch.setattr("switch.apps.inbound_writer.TELL_INTERVAL_MS", 0)
        await fail("no such table")
    told = [line.get("reason", line["event"]) for line in lines]
    again = "inbound log opened again"
    assert told == ["disk full", again, "no such table", again, "no such table", again]
