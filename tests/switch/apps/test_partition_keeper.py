"""A partition is taken, lost and taken again, over a real log and issuer."""

import asyncio

import pytest

from switch.adapters.clock import read_boot_ms
from switch.apps.partition_keeper import explain_loss
from switch.eventlog.port import AppendUnknown

DEADLINE_S = 10.0


async def test_a_partition_whose_append_is_unknown_is_claimed_anew_and_goes_on(running):
    _, first = await running.pay("one")
    lost = running.partition_of_the_shop()
    lost.stop(AppendUnknown("no ack"))
    await running.until(lambda: running.is_taken_anew(lost))
    _, second = await running.pay("two")
    _, again = await running.pay("one")
    assert (again["rrn"], again["status"]) == (first["rrn"], first["status"])
    # a busy machine may miss the send window of either; then it was declined and never debited
    approved = [body["status"] for body in (first, second)].count("approved")
    ledger = (running.folder / "ledger.jsonl").read_text()
    assert ledger.count('"op":"debit"') == approved


async def test_a_new_owner_decides_only_by_a_registry_read_after_its_claim(running):
    await running.pay("one")
    handler, follower = running.instance.handler, running.instance.follower
    lost = running.partition_of_the_shop()
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
