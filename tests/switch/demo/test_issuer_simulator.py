"""The demo issuer on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from switch.codec import Message, load_dialect
from switch.codec.framing import frame_bytes
from switch.demo.issuer_ledger import read_ledger
from switch.demo.issuer_simulator import IssuerPace, IssuerSimulator, start_issuer

DIALECT = load_dialect("iso1987-ascii")


def debit(number: int, amount_minor: int = 100, mti: str = "0200", **more: str | bytes) -> bytes:
    fields: dict[str, str | bytes] = {
        "pan": "6200000000000005",
        "processing_code": "000000",
        "amount_transaction": f"{amount_minor:012d}",
        "stan": f"{number:06d}",
        "rrn": f"{number:012d}",
        "terminal_id": "00000001",
        "currency": "156",
        **more,
    }
    return frame_bytes("binary-2", DIALECT.encode(Message(mti, fields)))


class Client:
    """A switch of a few lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read(self) -> Message:
        async with asyncio.timeout(60):
            length = int.from_bytes(await self.reader.readexactly(2), "big")
            return DIALECT.decode(await self.reader.readexactly(length))


async def connect(simulator: IssuerSimulator) -> Client:
    host, _, port = simulator.address.rpartition(":")
    return Client(*await asyncio.open_connection(host, int(port)))


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[IssuerSimulator]:
    running = await start_issuer("127.0.0.1", 0, tmp_path / "ledger.jsonl", IssuerPace(late_ms=30))
    yield running
    await running.close()


async def test_an_answer_comes_after_its_line(simulator: IssuerSimulator, tmp_path: Path) -> None:
    client = await connect(simulator)
    client.writer.write(b"\0\0" + debit(1) + debit(2))
    answers = [await client.read() for _ in range(2)]
    assert [answer.fields["stan"] for answer in answers] == ["000001", "000002"]
    lines = list(read_ledger(tmp_path / "ledger.jsonl"))
    assert [line.rrn for line in lines] == ["000000000001", "000000000002"]
    client.writer.close()


async def test_a_late_answer_is_overtaken_and_a_silent_one_never_comes(
    simulator: IssuerSimulator,
) -> None:
    client = await connect(simulator)
    client.writer.write(debit(1, 1297) + debit(2, 1298) + debit(3))
    answers = [await client.read() for _ in range(2)]
    assert [answer.fields["stan"] for answer in answers] == ["000003", "000001"]
    client.writer.close()


async def test_the_delay_may_be_changed_while_it_runs(simulator: IssuerSimulator) -> None:
    client = await connect(simulator)
    simulator.pace = IssuerPace(delay_ms=60)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    client.writer.write(debit(1))
    await client.read()
    assert loop.time() - begun >= 0.055
    client.writer.close()


async def test_a_message_that_cannot_be_read_is_noted_and_others_are_answered(
    simulator: IssuerSimulator, tmp_path: Path
) -> None:
    client = await connect(simulator)
    client.writer.write(frame_bytes("binary-2", b"garbage") + debit(1))
    assert (await client.read()).fields["stan"] == "000001"
    ops = [line.op for line in read_ledger(tmp_path / "ledger.jsonl")]
    assert ops == ["unreadable", "debit"]
    client.writer.close()


async def test_a_bad_length_closes_the_connection(simulator: IssuerSimulator) -> None:
    client = await connect(simulator)
    client.writer.write(b"\xff\xff")
    async with asyncio.timeout(60):
        assert await client.reader.read() == b""
    client.writer.close()


async def test_a_restarted_issuer_does_not_reverse_twice(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    for mti in ("0200", "0420", "0421"):
        simulator = await start_issuer("127.0.0.1", 0, path, IssuerPace())
        client = await connect(simulator)
        client.writer.write(debit(1, mti=mti))
        await client.read()
        client.writer.close()
        await simulator.close()
    assert [line.outcome for line in read_ledger(path)] == ["approved", "reversed", "already"]


async def test_the_pin_of_the_demo_is_checked_unless_it_is_not_to_be(tmp_path: Path) -> None:
    for checks_pin, code in ((True, "55"), (False, "00")):
        path = tmp_path / f"{code}.jsonl"
        simulator = await start_issuer("127.0.0.1", 0, path, IssuerPace(), checks_pin=checks_pin)
        client = await connect(simulator)
        client.writer.write(debit(1, pin_block=bytes(8)))
        assert (await client.read()).fields["response_code"] == code
        client.writer.close()
        await simulator.close()


async def test_a_restarted_issuer_knows_what_a_void_quotes(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    quoted = f"02000000011115120000{'0' * 22}"
    sale = debit(1, transmission_time="1115120000")
    void = debit(2, processing_code="200000", original_data_elements=quoted)
    for asked in (sale, void):
        simulator = await start_issuer("127.0.0.1", 0, path, IssuerPace())
        client = await connect(simulator)
        client.writer.write(asked)
        assert (await client.read()).fields["response_code"] == "00"
        client.writer.close()
        await simulator.close()
    assert [line.moved_minor for line in read_ledger(path)] == [100, -100]
