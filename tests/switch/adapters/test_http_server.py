import asyncio
import contextlib
import socket
import time

import pytest

from switch.adapters.http_server import (
    HEAD_BYTES_MAX,
    PIPELINED_COUNT_MAX,
    REFUSED_CONNECTION_COUNT_MAX,
)
from tests.switch.adapters.conftest import HttpStage

DEADLINE_S = 30.0
RECEIVE_DEADLINE_MS = 300
KEEP_ALIVE_MS = 5_000
ON_BOTH_LOOPS = True
ORDER = b'{"amount_minor":100,"currency":"156","card":{"pan":"6200000000000005","expiry":"3012"}}'
PAYMENT_HEAD = b"POST /v1/payments HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk_partner\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n" % (len(ORDER), ORDER)
CLOSE = b"connection: close\r\n"
KEY = b"idempotency-key: k\r\n"
PAYMENT = PAYMENT_HEAD + KEY + b"content-length: %d\r\n\r\n%b" % (len(ORDER), ORDER)
HEALTH = b"GET /healthz HTTP/1.1\r\n\r\n"


async def exchange(port, *parts):
    """Send parts on one connection; return all that comes back until it is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), DEADLINE_S)
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_request_is_answered_and_the_connection_stays(http_stage):
    reader, writer = await asyncio.open_connection("127.0.0.1", http_stage.port)
    for _ in range(2):
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_S)
        assert head.startswith(b"HTTP/1.1 200")
        await reader.readexactly(len(b'{"alive":true}'))
    writer.close()
    await writer.wait_closed()


@pytest.fixture
async def hasty_stage():
    stage = HttpStage(RECEIVE_DEADLINE_MS, KEEP_ALIVE_MS)
    yield stage
    await stage.stop()


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /heal",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n",
        b"POST /v1/payments HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
    ],
)
async def test_a_request_that_does_not_arrive_is_cut_off(hasty_stage, begun):
    before = time.monotonic()
    answer = await exchange(hasty_stage.port, begun)
    assert 0.2 < time.monotonic() - before < DEADLINE_S
    assert answer == b"" or answer.startswith((b"HTTP/1.1 408", b"HTTP/1.1 401"))


async def test_a_head_without_end_is_cut_off(http_stage):
    line = b"x-filler: " + b"f" * 1000 + b"\r\n"
    count = HEAD_BYTES_MAX // len(line) + 2
    answer = await exchange(
        http_stage.port, b"GET / HTTP/1.1\r\nhost: x\r\n", *(line for _ in range(count))
    )
    assert answer.startswith(b"HTTP/1.1 431")


async def test_a_long_head_in_a_burst_of_requests_is_not_the_sum_of_all(hasty_stage):
    filler = b"x-filler: " + b"f" * (HEAD_BYTES_MAX // 3) + b"\r\n\r\n"
    request = HEALTH.removesuffix(b"\r\n") + filler
    answer = await exchange(hasty_stage.port, request * 5 + b"GET /")
    assert answer.count(b"HTTP/1.1 200") == 5
    assert b"HTTP/1.1 431" not in answer


async def test_what_comes_after_a_chunked_body_is_no_header(hasty_stage):
    answer = await exchange(hasty_stage.port, PAYMENT_HEAD + CLOSE + CHUNKED + KEY + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert not hasty_stage.desk.asked


@pytest.mark.parametrize("line", [b"x-%d: " + b"f" * 1000 + b"\r\n", b"%d" + b"f" * 1000])
async def test_trailers_without_end_are_cut_off(hasty_stage, line):
    trailers = (line % number for number in range(HEAD_BYTES_MAX // 1000 + 10))
    answer = await exchange(hasty_stage.port, PAYMENT_HEAD + KEY + CHUNKED + b"x-1: f", *trailers)
    assert answer.startswith(b"HTTP/1.1 431")
    assert not hasty_stage.desk.asked


async def test_blank_lines_keep_no_connection_open(hasty_stage):
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty_stage.port)
    writer.write(HEALTH)
    await asyncio.wait_for(reader.readuntil(b'{"alive":true}'), DEADLINE_S)
    writer.write(b"\r\n")
    before = time.monotonic()
    assert (await asyncio.wait_for(reader.read(), DEADLINE_S)).startswith(b"HTTP/1.1 408")
    assert time.monotonic() - before < DEADLINE_S
    writer.close()
    await writer.wait_closed()


async def test_the_time_of_a_request_runs_from_its_own_beginning(http_stage):
    connections = http_stage.server.server_state.connections
    reader, writer = await asyncio.open_connection("127.0.0.1", http_stage.port)
    async with asyncio.timeout(DEADLINE_S):
        while not connections:  # noqa: ASYNC110 - of uvicorn
            await asyncio.sleep(0.01)
        [of_connecting] = [connection._deadline for connection in connections]
        writer.write(HEALTH[:-2])
        while not of_connecting.cancelled():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
        assert [connection._deadline.cancelled() for connection in connections] == [False]
        writer.write(CLOSE + HEALTH[-2:])
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "what_follows",
    [b"\x00garbage\r\n\r\n", b"GET /", b"GET / HTTP/1.1\r\nx: " + b"f" * 2 * HEAD_BYTES_MAX]
    + [PAYMENT_HEAD + KEY + b"transfer-encoding: chunked\r\n\r\n" + rest for rest in (b"", b"z")],
)
async def test_what_follows_a_payment_is_no_answer_to_it(hasty_stage, what_follows):
    desk = hasty_stage.desk
    desk.may_answer.clear()
    asking = asyncio.create_task(exchange(hasty_stage.port, PAYMENT, what_follows))
    await asyncio.wait_for(desk.was_asked.wait(), DEADLINE_S)
    done, _ = await asyncio.wait([asking], timeout=1)  # over the deadline of what follows
    desk.may_answer.set()
    answer = await asking
    assert not done
    assert answer.startswith(b"HTTP/1.1 201")
    assert answer.count(b"HTTP/1.1") == 1
    assert len(desk.asked) == 1


async def test_of_requests_without_end_some_are_answered_and_the_connection_ends(hasty_stage):
    answer = await exchange(hasty_stage.port, HEALTH * 10_000)
    assert answer.count(b"HTTP/1.1 200") == answer.count(b"HTTP/1.1") == PIPELINED_COUNT_MAX + 1
    assert answer.count(b"connection: close") == 1


async def test_a_client_that_takes_no_answers_is_left(hasty_stage):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
    hasty_stage.bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2_048)
    client.settimeout(0)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", hasty_stage.port))
    connections = hasty_stage.server.server_state.connections
    await loop.sock_sendall(client, b"GET /v1/openapi.json HTTP/1.1\r\n\r\n" * 8)
    async with asyncio.timeout(DEADLINE_S):
        while not connections:  # noqa: ASYNC110 - of uvicorn
            await asyncio.sleep(0.01)
        while connections:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.1)
    client.close()


async def test_of_too_many_connections_some_are_told_and_the_others_closed(http_stage):
    count = 50 + REFUSED_CONNECTION_COUNT_MAX + 10
    idle = [await asyncio.open_connection("127.0.0.1", http_stage.port) for _ in range(count)]
    async with asyncio.timeout(DEADLINE_S):
        for reader, _ in idle[-10:]:
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        reader, writer = idle[-11]
        writer.write(HEALTH)
        assert (await reader.read()).startswith(b"HTTP/1.1 503")
    assert len(http_stage.server.server_state.connections) <= 50 + REFUSED_CONNECTION_COUNT_MAX
    for _, writer in idle:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_what_is_no_http_gets_400(http_stage):
    assert (await exchange(http_stage.port, b"\x00\x5a\x60\x00\r\n\r\n")).startswith(
        b"HTTP/1.1 400"
    )


async def test_a_slow_client_does_not_hold_up_others(http_stage):
    _, slow = await asyncio.open_connection("127.0.0.1", http_stage.port)
    slow.write(b"GET /")
    assert (await http_stage.ask("GET", "/healthz")).status == 200
    slow.close()
    await slow.wait_closed()
