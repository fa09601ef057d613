import asyncio
import time

import pytest

from switch.adapters.http_server import HEAD_BYTES_MAX

DEADLINE_S = 10.0
ON_BOTH_LOOPS = True


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


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /heal",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n",
        b"POST /v1/payments HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
    ],
)
async def test_a_request_that_does_not_arrive_is_cut_off(http_stage, begun):
    before = time.monotonic()
    answer = await exchange(http_stage.port, begun)
    assert 0.2 < time.monotonic() - before < 5
    assert answer == b"" or answer.startswith((b"HTTP/1.1 408", b"HTTP/1.1 401"))


async def test_a_head_without_end_is_cut_off(http_stage):
    line = b"x-filler: " + b"f" * 1000 + b"\r\n"
    count = HEAD_BYTES_MAX // len(line) + 2
    answer = await exchange(
        http_stage.port, b"GET / HTTP/1.1\r\nhost: x\r\n", *(line for _ in range(count))
    )
    assert answer.startswith(b"HTTP/1.1 431")


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
