"""One partition that is served: its I/O over a real log and issuer."""

import pytest
import structlog

from switch.adapters import issuer_connection
from switch.domain.upstream import MatchKey, UpstreamAnswer
from switch.eventlog.port import AppendUnknown


async def test_bytes_that_are_no_request_are_parked_and_the_next_request_is_served(running):
    await running.pay("one")
    owned = running.partition_of_the_shop()
    inbound = await running.instance.event_log.open_partition("inbound", owned.index)
    with structlog.testing.capture_logs() as lines:
        inbound.append(b'{"type":"request-received.v9"}', lambda _outcome: None)
        assert (await running.pay("two"))[0] == 201
    assert [line["log_level"] for line in lines if "parked" in line["event"]] == ["error"]
    partitions = running.instance.handler.status()
    assert all(row["state"] == "serving" for row in partitions)


async def test_a_debit_that_its_link_does_not_take_is_declined_as_not_sent(running):
    running.instance.links.send = lambda _request, _on_dropped: False
    status, body = await running.pay("one")
    assert (status, body["status"]) == (201, "declined")
    assert body["reason_code"] == "send-window-missed"
    assert '"op":"debit"' not in (running.folder / "ledger.jsonl").read_text()


async def test_a_debit_that_its_link_drops_unwritten_is_declined_as_not_sent(running):
    [connection] = running.instance.links._connections.values()
    flush = connection._flush

    def flush_late():
        # as if the process had stood still between the clock check and the write
        connection._unsent_boot_ms -= issuer_connection.WRITE_DELAY_MAX_MS + 1
        flush()

    connection._flush = flush_late
    status, body = await running.pay("one")
    assert (status, body["status"]) == (201, "declined")
    assert body["reason_code"] == "send-window-missed"
    assert '"op":"debit"' not in (running.folder / "ledger.jsonl").read_text()


async def test_a_fault_in_the_machine_stops_its_partition_alone_and_it_is_claimed_anew(running):
    await running.pay("one")
    handler = running.instance.handler
    broken = running.partition_of_the_shop()
    others = [owned for owned in handler._serving() if owned is not broken]

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
    await running.until(lambda: running.is_taken_anew(broken))
    assert (await running.pay("two"))[0] == 201


async def test_what_a_partition_answered_and_holds_is_seen_until_it_is_let_go(running):
    status, paid = await running.pay("one")
    assert status == 201
    owned, metrics = running.partition_of_the_shop(), running.telemetry.metrics
    here = str(owned.index)

    def read(metric, **labels):
        samples = [sample for found in metric.collect() for sample in found.samples]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    forwards = metrics.gauge("switch_forwards_waiting")
    unknown = metrics.gauge("switch_payments_unknown")
    assert read(metrics.counter("switch_answers_total"), response_code="00") >= 1
    end = read(metrics.gauge("switch_journal_end_offset"), partition=here)
    assert end == owned.journal.next_offset
    assert (read(unknown), read(forwards)) == (0, 0)
    running.instance.links.on_answers = [].extend  # the issuer is not heard any more
    await running.change("reverse", paid["rrn"], "back")
    await running.until(lambda: read(forwards, link="issuer", partition=here) == 1)
    assert read(unknown, partition=here) == 1
    owned.stop(AppendUnknown("no ack"))
    await running.until(lambda: (read(unknown), read(forwards)) == (0, 0))
    await running.until(lambda: (read(unknown), read(forwards, link="issuer")) == (1, 1))


async def test_a_partition_that_was_let_go_acts_no_more(running):
    await running.pay("one")
    old = running.partition_of_the_shop()
    old.stop(AppendUnknown("no ack"))
    await running.until(lambda: running.is_taken_anew(old))
    old.feed(lambda: pytest.fail("it was asked"))
