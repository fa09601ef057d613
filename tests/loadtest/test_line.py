import asyncio
import contextlib

import pytest

from loadtest.line import Line

DEADLINE_S = 60


@contextlib.asynccontextmanager
async def listening(on_connect):
    serving = set()

    async def serve(reader, writer):
        serving.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            await on_connect(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[:2]
        await asyncio.wait(serving, timeout=DEADLINE_S)


async def test_frames_are_cut_however_they_arrive():
    async def pour(_reader, writer):
        for part in (b"\x00\x03abc", b"\x00\x02d", b"e\x00\x01f\x00\x00\x00", b"\x01g"):
            writer.write(part)
            await writer.drain()

    async with listening(pour) as address:
        line, frames, lost = Line(address), [], asyncio.Event()
        line.on_frame, line.on_lost = frames.append, lost.set
        await line.connect()
        await asyncio.wait_for(lost.wait(), DEADLINE_S)
    assert frames == [b"abc", b"de", b"f", b"g"]


async def test_a_frame_without_a_connection_is_not_sent():
    assert Line(("127.0.0.1", 1)).send(b"x") is False


async def test_a_refused_connection_is_told():
    with pytest.raises(OSError, match=r".+"):
        await Line(("127.0.0.1", 1)).connect()


async def test_a_failed_reconnection_counts_as_a_loss():
    line, lost = Line(("127.0.0.1", 1)), asyncio.Event()
    line.on_lost = lost.set
    line.reconnect_soon()
    await asyncio.wait_for(lost.wait(), DEADLINE_S)


async def test_an_impossible_length_ends_the_connection():
    async def pour(reader, writer):
        writer.write(b"\xff\xff" + b"x" * 100)
        await reader.read()

    async with listening(pour) as address:
        line, lost = Line(address), asyncio.Event()
        line.on_lost = lost.set
        await line.connect()
        await asyncio.wait_for(lost.wait(), DEADLINE_S)
