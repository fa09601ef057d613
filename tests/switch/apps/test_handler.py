"""The handler's shell over a real log and issuer: owning, losing and releasing partitions."""

import asyncio

import pytest
import structlog

from switch.adapters.clock import read_boot_ms
from switch.adapters.sqlite_log import SqliteLog
from switch.apps.handler import explain_loss
from switch.domain.upstream import MatchKey, UpstreamAnswer
from switch.eventlog.journal import PartitionClaimed, PartitionReleased
from switch.eventlog.journal_reader import JournalReader
from switch.eventlog.port import AppendUnknown

DEADLINE_S = 10.0


async def _until(is_true):
    async with asyncio.timeout(DEADLINE_S):
        while not is_true():  # noqa: ASYNC110 - the condition knows no events
            await asyncio.sleep(0.01)


def _partition_of_the_shop(running):
    [served] = [
        owned
        for owned in running.instance.handler._owned.values()
        if len(owned.partition._book) > 0
    ]
    return served


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


async def test_a_partition_whose_append_is_unknown_is_claimed_anew_and_goes_on(running):
    _, first = await running.pay("one")
    lost = _partition_of_the_shop(running)
    lost.stop(AppendUnknown("no ack"))
    owned = running.instance.handler._owned
    await _until(lambda: owned.get(lost.index) not in {None, lost})
    _, second = await running.pay("two")
    _, again = await running.pay("one")
    assert (again["rrn"], again["status"]) == (first["rrn"], first["status"])
    # a busy machine may miss the send window of either; then it was declined and never debited
    approved = [body["status"] for body in (first, second)].count("approved")
    ledger = (running.folder / "ledger.jsonl").read_text()
    assert ledger.count('"op":"debit"') == approved


async def test_while_a_partition_is_not_served_the_process_says_so(running):
    reasons = running.telemetry.readiness.reasons
    assert "partitions" not in reasons()
    handler = running.instance.handler
    handler._states[0] = "claiming"
    assert "partition 0: claiming" in reasons()["partitions"]


async def test_a_stop_releases_every_partition_as_its_last_word(running):
    await running.pay("one")
    await running.instance.stop()
    running.instance.stop = running.instance.close
    events = await _read_journal(running.folder)
    claimed = [event for event in events if isinstance(event, PartitionClaimed)]
    released = [event for event in events if isinstance(event, PartitionReleased)]
    assert len(released) == len(claimed) == 4


async def test_bytes_that_are_no_request_are_parked_and_the_next_request_is_served(running):
    await running.pay("one")
    owned = _partition_of_the_shop(running)
    inbound = await running.instance.event_log.open_partition("inbound", owned.index)
    with structlog.testing.capture_logs() as lines:
        inbound.append(b'{"type":"request-received.v9"}', lambda _outcome: None)
        assert (await running.pay("two"))[0] == 201
    assert [line["log_level"] for line in lines if "parked" in line["event"]] == ["error"]
    partitions = running.instance.handler.status()
    assert all(row["state"] == "serving" for row in partitions)


async def test_a_debit_that_its_link_does_not_take_is_declined_as_not_sent(running):
    running.instance.links.send = lambda _request: False
    status, body = await running.pay("one")
    assert (status, body["status"]) == (201, "declined")
    assert body["reason_code"] == "send-window-missed"
    assert '"op":"debit"' not in (running.folder / "ledger.jsonl").read_text()


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


async def test_a_fault_in_the_machine_stops_its_partition_alone_and_it_is_claimed_anew(running):
    await running.pay("one")
    handler = running.instance.handler
    broken = _partition_of_the_shop(running)
    others = [owned for owned in handler._owned.values() if owned is not broken]

    def fail(*_arguments):
        raise RuntimeError("6200000000000005")

    broken.partition.on_issuer_message = fail
    answer = UpstreamAnswer(
        link="issuer",
        match=MatchKey("payment", "1", f"{broken.index:02d}0000000001", "1"),
        mti="0210",
        fields={},
    )
    handler.on_issuer_messages([answer])
    assert broken.lost.done()
    assert not any(owned.lost.done() for owned in others)
    await _until(lambda: handler._owned.get(broken.index) not in {None, broken})
    assert (await running.pay("two"))[0] == 201


async def test_a_fault_at_a_timer_does_not_end_the_timers(running):
    await running.pay("one")
    handler = running.instance.handler
    broken = _partition_of_the_shop(running)

    def fail(*_arguments):
        raise RuntimeError

    broken.partition.on_time = fail
    broken.partition.next_wake_ms = lambda: 0
    await _until(lambda: handler._owned.get(broken.index) not in {None, broken})
    assert (await running.pay("two"))[0] == 201


async def test_a_partition_that_was_let_go_acts_no_more(running):
    await running.pay("one")
    handler = running.instance.handler
    old = _partition_of_the_shop(running)
    old.stop(AppendUnknown("no ack"))
    await _until(lambda: handler._owned.get(old.index) not in {None, old})
    old.feed(lambda: pytest.fail("it was asked"))


async def test_a_new_owner_decides_only_by_a_registry_read_after_its_claim(running):
    await running.pay("one")
    handler, follower = running.instance.handler, running.instance.follower
    lost = _partition_of_the_shop(running)
    journal = await running.instance.event_log.open_partition("journal", lost.index)
    end = await journal.end()
    await follower.stop()
    lost.stop(AppendUnknown("no ack"))
    while await journal.end() == end:  # noqa: ASYNC110 - the log knows no events
        await asyncio.sleep(0.01)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(handler.wait_ready(), 0.3)
    follower.confirmed_boot_ms = read_boot_ms()
    await asyncio.wait_for(handler.wait_ready(), DEADLINE_S)


def test_the_log_line_of_a_fault_names_its_place_and_not_its_words():
    try:
        raise KeyError("6200000000000005")  # noqa: TRY301 - for its traceback
    except KeyError as error:
        said = explain_loss(error)
    assert said.startswith("KeyError in test_the_log_line")
    assert "6200000000000005" not in said
    assert explain_loss(AppendUnknown("no ack")) == "AppendUnknown: no ack"
