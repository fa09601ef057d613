"""A partition is taken, lost and taken again, over a real log and issuer."""

import asyncio
import time

import pytest

from switch.adapters.clock import read_boot_ms
from switch.apps.partition_keeper import PAUSE_MS, explain_loss
from switch.eventlog.claims import JOURNAL_FORMAT
from switch.eventlog.journal import PartitionReleased, decode_record
from switch.eventlog.port import AppendUnknown, PositionOutOfRange

DEADLINE_S = 60.0


async def test_a_partition_whose_append_is_unknown_is_claimed_anew_and_goes_on(running):
    _, first = await running.pay("one")
    lost = running.partition_of_the_shop()
    lost.stop(AppendUnknown("no ack"))
    await running.until(lambda: running.is_taken_anew(lost))
    _, second = await running.pay("two")
    _, again = await running.pay("one")
    assert (again["rrn"], again["status"]) == (first["rrn"], first["status"])
    # a machine that stood still may miss the send window; then it was declined and never debited
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
    await _confirm_until_ready(handler, follower)


async def _confirm_until_ready(handler, follower):
    """Let the registry be read again and again: the claim may be acknowledged only now."""
    ready = asyncio.create_task(handler.wait_ready())
    async with asyncio.timeout(DEADLINE_S):
        while not ready.done():
            follower.confirmed_boot_ms = read_boot_ms()
            await asyncio.sleep(0.01)
    await ready


async def test_a_process_that_was_paused_declines_nothing_for_the_age_of_its_view(running):
    follower = running.instance.follower
    await follower.stop()  # no read of its own confirms the view
    follower._partition = await running.instance.event_log.open_partition("registry", 0)
    follower.confirmed_boot_ms = read_boot_ms() - 1_500
    _, body = await running.pay("one")
    assert (body["status"], body.get("reason_code")) == ("approved", None)


async def test_a_quiet_owner_that_was_paused_looks_whether_it_was_followed(running):
    owned = running.instance.handler._serving()[0]
    journal = await running.instance.event_log.open_partition("journal", owned.index)
    heard = asyncio.Event()
    claim = JOURNAL_FORMAT.make_claim("another", "f00", 0)
    journal.append(JOURNAL_FORMAT.encode(claim), lambda _outcome: heard.set())
    await heard.wait()
    assert not owned.lost.done()  # it has nothing to write, so nothing tells it
    time.sleep(PAUSE_MS / 1_000 + 0.1)  # noqa: ASYNC251 - the pause: nothing runs
    await running.until(lambda: running.is_taken_anew(owned))


async def test_a_journal_that_lost_what_it_acknowledged_is_not_served_while_that_is_so(running):
    await running.pay("one")
    lost, handler = running.partition_of_the_shop(), running.instance.handler
    journal = await running.instance.event_log.open_partition("journal", lost.index)
    end = await journal.end()
    assert lost.journal.next_offset == end
    lost.journal._writer.next_offset += 1  # one more was acknowledged than is there now
    lost.stop(AppendUnknown("got offset 0"))
    await running.until(lambda: _states(running)[lost.index] == "claiming")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(handler.wait_ready(), 0.5)
    assert await journal.end() == end
    handler._keepers[lost.index]._journal_end = end  # it was a broker that had not caught up
    await running.until(lambda: running.is_taken_anew(lost))


async def test_who_cannot_read_the_registry_claims_nothing(running):
    await running.pay("one")
    handler, follower = running.instance.handler, running.instance.follower
    lost = running.partition_of_the_shop()
    journal = await running.instance.event_log.open_partition("journal", lost.index)
    await follower.stop()
    follower.fault = "a newer program wrote it"
    end = await journal.end()
    lost.stop(AppendUnknown("no ack"))
    await running.until(lambda: _states(running)[lost.index] == "following")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(handler.wait_ready(), 0.3)
    assert await journal.end() == end
    follower.fault = ""
    while await journal.end() == end:  # noqa: ASYNC110 - the log knows no events
        await asyncio.sleep(0.01)
    await _confirm_until_ready(handler, follower)


def test_the_log_line_of_a_fault_names_its_place_and_not_its_words():
    try:
        raise KeyError("6200000000000005")  # noqa: TRY301 - for its traceback
    except KeyError as error:
        said = explain_loss(error)
    assert said.startswith("KeyError in test_the_log_line")
    assert "6200000000000005" not in said
    assert explain_loss(AppendUnknown("no ack")) == "AppendUnknown: no ack"


def _states(running):
    return {row["partition"]: row["state"] for row in running.instance.handler.status()}


async def _count_releases(running, index):
    log = await running.instance.event_log.open_partition("journal", index)
    records = await log.read(0, count_max=1_000, wait_ms=0)
    await log.close()
    found = [decode_record(record.value).events[0] for record in records]
    return sum(isinstance(event, PartitionReleased) for event in found)


async def test_what_is_no_longer_proposed_is_released_and_what_is_proposed_again_is_served(running):
    await running.pay("one")
    index = running.partition_of_the_shop().index
    others = frozenset(range(4)) - {index}
    running.instance.handler._on_proposed(others)
    await running.until(lambda: index not in _states(running))
    assert await _count_releases(running, index) == 1
    paying = asyncio.create_task(running.pay("two", 1_300))  # it waits in the inbound log
    running.instance.handler._on_proposed(others | {index})
    status, body = await paying
    assert (status, body["status"]) == (201, "approved")
    assert _states(running)[index] == "serving"


async def test_a_drain_waits_for_the_issuer_and_is_taken_back_by_a_new_proposal(running):
    await running.pay("one")
    owned, handler = running.partition_of_the_shop(), running.instance.handler
    may_answer = _hold_answers(running)
    paying = asyncio.create_task(running.pay("two", 1_300))
    await running.until(lambda: owned.partition.routed_count)
    handler._on_proposed(frozenset(range(4)) - {owned.index})
    await running.until(lambda: _states(running)[owned.index] == "draining")
    handler._on_proposed(frozenset(range(4)))
    await running.until(lambda: _states(running)[owned.index] == "serving")
    may_answer()
    assert (await paying)[1]["status"] == "approved"
    assert running.partition_of_the_shop() is owned
    assert await _count_releases(running, owned.index) == 0


def _hold_answers(running):
    """Keep what the issuer answers from the handlers, until the returned function is called."""
    links, held = running.instance.links, []
    real, links.on_answers = links.on_answers, held.extend

    def give():
        links.on_answers = real
        real(held)

    return give


async def test_a_partition_says_who_has_it_and_where_it_stands(running):
    await running.pay("one")
    owned = running.partition_of_the_shop()
    await running.until(lambda: not owned.partition.open_count)
    [row] = [r for r in running.instance.handler.status() if r["partition"] == owned.index]
    assert row["owner"] == running.instance._owner
    assert (row["epoch"], row["void_records"], row["unknown_payments"]) == (0, 0, 0)
    assert row["inbound_position"] == row["inbound_end"] == 1
    assert row["journal_end"] >= 3
    assert row["claimed_at"] > 0
    page = (await running.telemetry.metrics.render()).decode()
    assert f'switch_partition_owned{{partition="{owned.index}"}} 1.0' in page
    assert f'switch_partition_lag{{partition="{owned.index}"}} 0.0' in page
    assert f'switch_takeovers_total{{partition="{owned.index}"}} 1.0' in page


async def test_an_inbound_log_that_lost_its_place_stops_the_partition_with_an_alarm(running):
    await running.pay("one")
    lost, handler = running.partition_of_the_shop(), running.instance.handler
    opened = running.instance.event_log.open_partition

    async def open_without(log, partition):
        found = await opened(log, partition)
        if log == "inbound":
            found.read = _fail_reading
        return found

    running.instance.event_log.open_partition = open_without
    lost.stop(AppendUnknown("no ack"))
    await running.until(lambda: _states(running)[lost.index].startswith("stopped: "))
    assert "partition" in running.telemetry.readiness.reasons()["partitions"]
    running.instance.event_log.open_partition = opened
    handler._on_proposed(frozenset(range(4)) - {lost.index})
    await running.until(lambda: lost.index not in _states(running))


async def _fail_reading(_offset, **_options):
    raise PositionOutOfRange("retention has removed it")
