"""The handler's role over a real log and issuer: several partitions, and the end of them."""

import pytest

from switch.adapters.sqlite_log import SqliteLog
from switch.domain.upstream import MatchKey, UpstreamAnswer
from switch.eventlog.journal import PartitionClaimed, PartitionReleased
from switch.eventlog.journal_reader import JournalReader


async def _read_journal(folder):
    log = SqliteLog(folder / "log.db", read_only=True)
    events = []
    for index in range(log.partition_count):
        reader = JournalReader()
        partition = await log.open_partition("journal", index)
        end = await partition.end()
        while reader.next_offset < end:
            for offset, value in await partition.read(reader.next_offset, count_max=100, wait_ms=0):
                record = reader.feed(offset, value)
                events.append([] if record is None else list(record.events))
    await log.close()
    return [event for record in events for event in record]


async def test_while_a_partition_is_not_served_the_process_says_so(running):
    reasons = running.telemetry.readiness.reasons
    assert "partitions" not in reasons()
    handler = running.instance.handler
    handler._keepers[0].state = "claiming"
    assert "partition 0: claiming" in reasons()["partitions"]


async def test_a_stop_releases_every_partition_as_its_last_word(running):
    await running.pay("one")
    await running.instance.stop()
    running.instance.stop = running.instance.close
    events = await _read_journal(running.folder)
    claimed = [event for event in events if isinstance(event, PartitionClaimed)]
    released = [event for event in events if isinstance(event, PartitionReleased)]
    assert len(released) == len(claimed) == 4


@pytest.mark.parametrize("rrn", ["", "xx0000000001", "990000000001"])
async def test_an_answer_that_names_no_partition_of_ours_is_nobodys(running, rrn):

    answer = UpstreamAnswer(
        link="issuer", match=MatchKey("payment", "1", rrn, "1"), mti="0210", fields={}
    )
    running.instance.handler.on_issuer_messages([answer])
    assert (await running.pay("one"))[0] == 201


async def test_a_partner_may_name_a_card_by_the_token_of_an_earlier_payment(running):
    _, first = await running.pay("one")
    order = {
        "merchant_id": "898110154110001",
        "amount_minor": 500,
        "currency": "CNY",
        "card_token": first["card_token"],
    }
    status, second = await running.order("two", order)
    assert (status, second["status"]) == (201, "approved")
    assert second["card"] == first["card"]
    status, unknown = await running.order("three", {**order, "card_token": "0" * 64})
    assert (status, unknown["reason_code"]) == (400, "format-error")


async def test_the_same_key_by_card_and_by_its_token_is_the_same_request(running):
    _, first = await running.pay("one")
    order = {
        "merchant_id": "898110154110001",
        "amount_minor": 1234,
        "currency": "CNY",
        "card_token": first["card_token"],
    }
    _, again = await running.order("one", order)
    assert again["rrn"] == first["rrn"]


async def test_a_fault_at_a_timer_does_not_end_the_timers(running):
    await running.pay("one")
    broken = running.partition_of_the_shop()

    def fail(*_arguments):
        raise RuntimeError

    broken.partition.on_time = fail
    broken.partition.next_wake_ms = lambda: 0
    await running.until(lambda: running.is_taken_anew(broken))
    assert (await running.pay("two"))[0] == 201
