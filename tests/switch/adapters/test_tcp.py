import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from switch.adapters.tcp import TURN_BYTES_MAX, TcpConnections

DEADLINE_S = 60.0
ON_BOTH_LOOPS = True


class Recorder:
    """Writes down what it is told; echoes if asked to."""

    def __init__(self) -> None:
        self.opened: dict[int, str] = {}
        self.received: dict[int, bytes] = {}
        self.paused: list[int] = []
        self.resumed: list[int] = []
        self.lost: list[int] = []
        self.lost_peers: list[str] = []
        self.parts: list[tuple[int, int]] = []
        self.connections: TcpConnections
        self.changed = asyncio.Event()

    def connection_opened(self, connection_id: int, listener: str) -> None:
        self.opened[connection_id] = listener
        self.received[connection_id] = b""
        self.changed.set()

    def bytes_received(self, connection_id: int, received: bytes) -> None:
        self.received[connection_id] += received
        self.parts.append((connection_id, len(received)))
        self.changed.set()

    def writing_paused(self, connection_id: int) -> None:
        self.paused.append(connection_id)
        self.changed.set()

    def writing_resumed(self, connection_id: int) -> None:
        self.resumed.append(connection_id)
        self.changed.set()

    def connection_lost(self, connection_id: int) -> None:
        self.lost.append(connection_id)
        self.lost_peers.append(self.connections.peer_of(connection_id))
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class Stage:
    def __init__(self, recorder: Recorder, connections: TcpConnections, port: int) -> None:
        self.recorder = recorder
        self.connections = connections
        self.port = port
        self.writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer

    async def close_clients(self) -> None:
        for writer in self.writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    recorder = Recorder()
    connections = TcpConnections(recorder, write_buffer_bytes_max=4096, last_answer_deadline_s=0.5)
    recorder.connections = connections
    bound = socket.create_server(("127.0.0.1", 0))
    await connections.listen(bound, "pos")
    made = Stage(recorder, connections, bound.getsockname()[1])
    yield made
    await connections.stop()
    await made.close_clients()


async def test_bytes_go_both_ways_under_the_connection_s_number(stage: Stage) -> None:
    reader, writer = await stage.connect()
    writer.write(b"ask")
    await stage.recorder.until(lambda: stage.recorder.received.get(1) == b"ask")
    assert stage.recorder.opened == {1: "pos"}
    stage.connections.write(1, b"ans")
    stage.connections.write(1, b"wer")
    assert await reader.readexactly(6) == b"answer"
    writer.close()
    await stage.recorder.until(lambda: stage.recorder.lost == [1])
    assert stage.connections.connection_count == 0


async def test_who_is_at_the_other_end_is_known_until_the_last_word(stage: Stage) -> None:
    _, writer = await stage.connect()
    name, port = writer.get_extra_info("sockname")
    await stage.recorder.until(lambda: 1 in stage.recorder.opened)
    assert stage.connections.peer_of(1) == f"{name}:{port}"
    writer.close()
    await stage.recorder.until(lambda: stage.recorder.lost == [1])
    assert stage.recorder.lost_peers == [f"{name}:{port}"]
    assert stage.connections.peer_of(1) == ""


async def test_a_close_sends_first_what_was_written(stage: Stage) -> None:
    reader, writer = await stage.connect()
    await stage.recorder.until(lambda: 1 in stage.recorder.opened)
    stage.connections.write(1, b"bye")
    stage.connections.close(1)
    assert await reader.read() == b"bye"
    writer.close()


async def test_a_client_that_never_reads_is_reported_and_can_be_cut_off(stage: Stage) -> None:
    _, writer = await stage.connect()
    await stage.recorder.until(lambda: 1 in stage.recorder.opened)
    for _ in range(64):
        stage.connections.write(1, bytes(1 << 20))
    await stage.recorder.until(lambda: stage.recorder.paused == [1])
    stage.connections.close(1, is_abort=True)
    await stage.recorder.until(lambda: stage.recorder.lost == [1])
    writer.close()


async def test_a_client_that_takes_no_last_answer_is_closed_all_the_same(stage: Stage) -> None:
    _, writer = await stage.connect()
    await stage.recorder.until(lambda: 1 in stage.recorder.opened)
    for _ in range(64):
        stage.connections.write(1, bytes(1 << 20))
    await stage.recorder.until(lambda: stage.recorder.paused == [1])
    stage.connections.close(1)
    await stage.recorder.until(lambda: stage.recorder.lost == [1])
    assert stage.connections.connection_count == 0
    writer.close()


async def test_a_client_that_floods_us_takes_turns_with_the_others(stage: Stage) -> None:
    _, flooding = await stage.connect()
    await stage.recorder.until(lambda: 1 in stage.recorder.opened)
    _, quiet = await stage.connect()
    await stage.recorder.until(lambda: 2 in stage.recorder.opened)
    flood = bytes(range(256)) * 8_192
    flooding.write(flood)
    await stage.recorder.until(lambda: bool(stage.recorder.received[1]))
    quiet.write(b"hello")
    await stage.recorder.until(lambda: stage.recorder.received[2] == b"hello")
    assert len(stage.recorder.received[1]) < len(flood), "the quiet one had to wait for the flood"
    await stage.recorder.until(lambda: len(stage.recorder.received[1]) == len(flood))
    assert stage.recorder.received[1] == flood
    assert max(size for _, size in stage.recorder.parts) <= TURN_BYTES_MAX


async def test_what_a_closed_client_sent_too_much_of_is_dropped(stage: Stage) -> None:
    _, writer = await stage.connect()
    writer.write(bytes(64 * TURN_BYTES_MAX))
    await stage.recorder.until(lambda: bool(stage.recorder.received.get(1)))
    stage.connections.close(1)
    await stage.recorder.until(lambda: stage.recorder.lost == [1])
    told = len(stage.recorder.received[1])
    await asyncio.sleep(0)
    assert len(stage.recorder.received[1]) == told


async def test_a_client_that_reads_again_is_reported_too(stage: Stage) -> None:
    reader, writer = await stage.connect()
    await stage.recorder.until(lambda: 1 in stage.recorder.opened)
    size = 32 << 20
    stage.connections.write(1, bytes(size))
    await stage.recorder.until(lambda: stage.recorder.paused == [1])
    await reader.readexactly(size)
    await stage.recorder.until(lambda: stage.recorder.resumed == [1])
    writer.close()


async def test_writing_to_a_connection_that_is_gone_does_nothing(stage: Stage) -> None:
    stage.connections.write(99, b"anybody?")
    stage.connections.close(99)
    _, writer = await stage.connect()
    await stage.recorder.until(lambda: 1 in stage.recorder.opened)
    stage.connections.close(1, is_abort=True)
    stage.connections.write(1, b"late")
    await stage.recorder.until(lambda: stage.recorder.lost == [1])
    writer.close()


async def test_no_client_is_taken_after_listening_stopped(stage: Stage) -> None:
    _, writer = await stage.connect()
    await stage.recorder.until(lambda: 1 in stage.recorder.opened)
    stage.connections.stop_listening()
    with pytest.raises(OSError):
        await stage.connect()
    assert stage.connections.connection_count == 1
    writer.close()


async def test_a_thousand_idle_connections_leave_others_quick(stage: Stage) -> None:
    idle = [await stage.connect() for _ in range(1000)]
    reader, writer = await stage.connect()
    await stage.recorder.until(lambda: len(stage.recorder.opened) == 1001)
    stage.connections.write(1001, b"here")
    assert await asyncio.wait_for(reader.readexactly(4), DEADLINE_S) == b"here"
    for _, each in [*idle, (reader, writer)]:
        each.close()
    await stage.recorder.until(lambda: len(stage.recorder.lost) == 1001)
