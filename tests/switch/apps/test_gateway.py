import asyncio
import socket
import sys

import msgspec
import pytest

from switch.adapters.clock import read_clock
from switch.adapters.telemetry import make_telemetry
from switch.apps.gateway import (
    UNIONPAY_POS,
    GatewayRole,
    keep_files_free,
    list_listeners,
    make_limits,
)
from switch.apps.settings import GatewaySettings, Settings
from switch.domain.registry.entities import Terminal, TerminalStatus
from switch.domain.registry.events import TerminalRegistered
from switch.domain.registry.view import Registry
from switch.eventlog.inbound import Reply, decode_request, encode_reply
from switch.eventlog.memory_log import MemoryLog
from switch.eventlog.port import AppendRefused, LogUnavailable
from switch.gateway.json_payment import JsonPayment
from switch.security.keys import Keys
from switch.security.keystore import MemoryKeyStore

DEADLINE_S = 60.0
# the composed sale of tests/vectors/messages.toml, and an answer as a handler would seal it
SALE = bytes.fromhex(
    "005A 6000060000 603100311003 0200 7024048000C08011 16 6200000000000005 000000"
    " 000000000100 000123 3012 0120 00 3030303030303031 383938313130313534313130303031"
    " 313536 0013 22000001000500 3438453146434145"
)
JSON = JsonPayment(
    acquirer="00000001",
    client_id="partner",
    merchant_id="898110154110001",
    idempotency_key="k",
    amount_minor=1,
    currency="156",
    pan="6200000000000005",
    expiration_date="3012",
)


class Stage:
    """A gateway's role on a real socket over the log's memory twin; the test is the handler."""

    def __init__(self):
        self.settings = Settings()
        self.log = MemoryLog(2, call_soon=asyncio.get_running_loop().call_soon, sleep=asyncio.sleep)
        self.registry = Registry()
        self.registry.apply(
            0,
            TerminalRegistered(
                terminal=Terminal(
                    acquirer="00000001",
                    terminal_id="00000001",
                    profile=UNIONPAY_POS,
                    status=TerminalStatus.ACTIVATED,
                )
            ),
        )
        self.keys = Keys(MemoryKeyStore(), minute_key_lifetime_ms=60_000)
        self.telemetry = make_telemetry("test")
        self.role = GatewayRole(self.settings, self.log, self.registry, self.keys, self.telemetry)

    async def start(self):
        await self.role.start()
        bound = socket.create_server(("127.0.0.1", 0))
        self.port = bound.getsockname()[1]
        await self.role.listen({UNIONPAY_POS: bound})

    async def next_request(self):
        """Wait for one record in the inbound log and take it."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for (log, _), partition in self.log.partitions.items():
                    if log == "inbound" and partition.records:
                        return decode_request(partition.records.pop(0).value)
                await asyncio.sleep(0.005)

    def reply(self, request, answer):
        key_id, sealed = self.keys.minute_keys.seal(
            read_clock().wall_ms, answer, request.inbound_id + "/reply"
        )
        reply = Reply(
            gateway=request.gateway,
            inbound_id=request.inbound_id,
            minute_key_id=key_id,
            sealed_answer=sealed,
        )
        self.put(reply)

    def put(self, reply):
        self.log.partitions["replies", 0].put(encode_reply(reply))


@pytest.fixture
async def stage():
    made = Stage()
    await made.start()
    yield made
    await made.role.stop()


@pytest.fixture
async def terminal(stage):
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    yield reader, writer
    writer.close()
    await writer.wait_closed()


async def test_a_terminals_message_goes_to_the_log_and_its_answer_comes_back(stage, terminal):
    reader, writer = terminal
    writer.write(SALE)
    request = await stage.next_request()
    assert (request.channel, request.acquirer, request.mti) == (UNIONPAY_POS, "00000001", "0200")
    assert request.partition_key == "00000001|898110154110001"
    assert request.start_before - request.received_at == 45_000 - 40_000 - 250
    # any message that the dialect reads will do as an answer here
    answer = SALE[13:]
    stage.reply(request, answer)
    framed = await asyncio.wait_for(reader.readexactly(len(SALE)), DEADLINE_S)
    assert framed[:7] == bytes.fromhex("005A 6000000006"), "TPDU addresses swapped"
    assert framed[13:] == answer


async def test_a_json_payment_waits_for_its_reply(stage):
    paying = asyncio.create_task(stage.role.pay(JSON))
    request = await stage.next_request()
    assert request.channel == "json"
    assert stage.role.in_flight_count == 1
    stage.put(Reply(gateway=request.gateway, inbound_id=request.inbound_id, status=201, body=b"{}"))
    assert await asyncio.wait_for(paying, DEADLINE_S) == (201, b"{}")
    assert stage.role.in_flight_count == 0


async def test_a_log_that_refuses_is_answered_not_sent(stage):
    for writer in stage.log.writers:
        writer.failure = AppendRefused("disk full")
    status, body = await asyncio.wait_for(stage.role.pay(JSON), DEADLINE_S)
    problem = msgspec.json.decode(body)
    assert (status, problem["reason_code"]) == (503, "log-unavailable")
    assert problem["money_state"] == "not-debited"
    assert "disk full" in stage.telemetry.readiness.reasons()["gateway"]


async def test_a_connection_that_sends_garbage_is_closed_and_counted(stage, terminal):
    reader, writer = terminal
    writer.write(b"\xff\xff")
    assert await asyncio.wait_for(reader.read(), DEADLINE_S) == b""
    text = (await stage.telemetry.metrics.render()).decode()
    closed = 'switch_connections_closed_total{channel="unionpay-pos",reason="bad-frame"} 1.0'
    assert closed in text


async def test_a_reply_that_cannot_be_read_does_not_stop_the_others(stage, terminal):
    _, writer = terminal
    stage.log.partitions["replies", 0].put(b"no reply")
    paying = asyncio.create_task(stage.role.pay(JSON))
    request = await stage.next_request()
    stage.put(Reply(gateway=request.gateway, inbound_id=request.inbound_id, status=201, body=b"{}"))
    assert (await asyncio.wait_for(paying, DEADLINE_S))[0] == 201
    writer.write(b"")


async def test_a_reply_that_cannot_be_delivered_does_not_stop_the_others(stage, terminal):
    _, writer = terminal
    writer.write(SALE)
    stage.reply(await stage.next_request(), b"no message")
    paying = asyncio.create_task(stage.role.pay(JSON))
    request = await stage.next_request()
    stage.put(Reply(gateway=request.gateway, inbound_id=request.inbound_id, status=201, body=b"{}"))
    assert (await asyncio.wait_for(paying, DEADLINE_S))[0] == 201


async def test_replies_that_were_dropped_unread_are_passed_by_even_if_the_log_is_away(stage):
    replies = stage.log.partitions["replies", 0]
    replies.first_offset = replies.next_offset = 50
    [reader] = [w for w in stage.log.writers if w.partition is replies]
    real, calls = reader.end, []

    async def end():
        calls.append(1)
        if len(calls) == 1:
            raise LogUnavailable("no broker")
        return await real()

    reader.end = end
    async with asyncio.timeout(DEADLINE_S):
        while len(calls) < 2:  # noqa: ASYNC110 - the reader knows no events
            await asyncio.sleep(0.01)
    paying = asyncio.create_task(stage.role.pay(JSON))
    request = await stage.next_request()
    stage.put(Reply(gateway=request.gateway, inbound_id=request.inbound_id, status=201, body=b"{}"))
    assert (await asyncio.wait_for(paying, DEADLINE_S))[0] == 201


@pytest.mark.parametrize(
    ("fault", "words"),
    [(LogUnavailable("allow it Read"), "allow it Read"), (KeyError(), "KeyError")],
)
async def test_while_no_answer_can_be_read_nothing_is_handed_over(stage, fault, words):
    replies = stage.log.partitions["replies", 0]
    [reader] = [w for w in stage.log.writers if w.partition is replies]
    real = reader.read

    async def read(_offset, *, count_max, wait_ms):
        del count_max, wait_ms
        raise fault

    reader.read = read
    async with asyncio.timeout(DEADLINE_S):
        while not stage.telemetry.readiness.reasons():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    [reason] = stage.telemetry.readiness.reasons().values()
    assert reason == f"answers cannot be read: {words}"
    status, _ = await asyncio.wait_for(stage.role.pay(JSON), DEADLINE_S)
    assert status == 503
    assert not any(log == "inbound" and p.records for (log, _), p in stage.log.partitions.items())
    reader.read = real
    async with asyncio.timeout(DEADLINE_S):
        while stage.telemetry.readiness.reasons():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    paying = asyncio.create_task(stage.role.pay(JSON))
    request = await stage.next_request()
    stage.put(Reply(gateway=request.gateway, inbound_id=request.inbound_id, status=201, body=b"{}"))
    assert (await asyncio.wait_for(paying, DEADLINE_S))[0] == 201


async def test_draining_closes_quiet_connections_and_answers_what_is_under_way(stage, terminal):
    reader, writer = terminal
    quiet_reader, quiet_writer = await asyncio.open_connection("127.0.0.1", stage.port)
    writer.write(SALE)
    request = await stage.next_request()
    draining = asyncio.create_task(stage.role.drain(2 * DEADLINE_S))
    await asyncio.sleep(0)
    assert stage.telemetry.readiness.reasons() == {"gateway": "stopping"}
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", stage.port)
    assert await asyncio.wait_for(quiet_reader.read(), DEADLINE_S) == b""
    quiet_writer.close()
    writer.write(SALE)  # it could not know
    late = await stage.next_request()
    stage.reply(request, SALE[13:])
    stage.reply(late, SALE[13:])
    answers = await asyncio.wait_for(reader.read(), DEADLINE_S)
    assert len(answers) == 2 * len(SALE), "both answers, then the end"
    assert await asyncio.wait_for(draining, DEADLINE_S) == 0


async def test_a_drain_that_takes_too_long_says_how_many_still_wait(stage):
    paying = asyncio.create_task(stage.role.pay(JSON))
    await stage.next_request()
    assert await stage.role.drain(0.1) == 1
    paying.cancel()
    await asyncio.gather(paying, return_exceptions=True)


def test_an_empty_address_closes_a_listener():
    settings = Settings(gateway=GatewaySettings(iso1987_ascii_address=""))
    assert list(list_listeners(settings)) == [UNIONPAY_POS]


@pytest.mark.parametrize(
    ("open_files_max", "connection_count_max"),
    [(sys.maxsize, 20_000), (24_000, 20_000), (10_000, 7_872), (1_024, 640), (64, 1)],
)
def test_connections_leave_files_for_everything_else(open_files_max, connection_count_max):
    settings = Settings()
    limits = keep_files_free(make_limits(settings), settings, open_files_max)
    assert limits.connection_count_max == connection_count_max


def test_every_limit_of_the_gateway_is_a_setting():
    limits = make_limits(Settings())
    settings = Settings()
    for name in limits.__struct_fields__:
        section = settings.times if hasattr(settings.times, name) else settings.gateway
        assert getattr(limits, name) == getattr(section, name)
