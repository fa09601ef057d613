"""A stand-in for a switch with its issuer: a listener of a few lines that load can be put on."""

import asyncio
import contextlib

import pytest

from loadtest.frames import DIALECT, TRANSPORT_BYTES, make_templates
from loadtest.terminal_list import TerminalSpec
from switch.codec import Message, load_dialect

UNIONPAY = load_dialect(DIALECT)


def spec(number):
    return TerminalSpec(
        acquirer="demo",
        merchant_id="898110154110001",
        terminal_id=f"{number:08d}",
        batch="000001",
        mak="1C1C1C1C1C1C1C1C",
        pan="6200000000000005",
    )


MAC_KEY = make_templates(UNIONPAY, spec(1)).mac_key


class StandIn:
    """Approves, declines ..51, refuses a known key with another amount; may misbehave."""

    def __init__(self, *, delay_s=0.0, answers=True, wrong_mac=False):
        self.delay_s = delay_s
        self.answers = answers
        self.wrong_mac = wrong_mac
        self.amounts = {}
        self.received = []
        self.serving = set()

    async def serve(self, reader, writer):
        self.serving.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                frame = await reader.readexactly(length)
                await asyncio.sleep(self.delay_s)
                if answer := self.answer(frame):
                    writer.write(len(answer).to_bytes(2, "big") + answer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def answer(self, frame):
        message = UNIONPAY.decode(frame[TRANSPORT_BYTES:])
        self.received.append(message)
        if not self.answers:
            return b""
        fields, amount = message.fields, int(message.fields["amount_transaction"])
        code = "51" if amount % 100 == 51 else "00"
        key = (fields["terminal_id"], fields["stan"])
        if message.mti == "0200" and self.amounts.setdefault(key, amount) != amount:
            code = "94"
        content = {
            "stan": fields["stan"],
            "rrn": f"{int(fields['terminal_id']):06d}{fields['stan']}",
            "response_code": code,
            "mac": b"00000000",
        }
        encoded = UNIONPAY.encode(Message(f"{message.mti[:2]}10", content))[:-8]
        mac = b"FFFFFFFF" if self.wrong_mac else MAC_KEY.compute(encoded)
        return frame[:TRANSPORT_BYTES] + encoded + mac

    @contextlib.asynccontextmanager
    async def listening(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[:2]
            if self.serving:
                await asyncio.wait(self.serving, timeout=10)


@pytest.fixture
def stand_in():
    return StandIn


@pytest.fixture
def spec_of():
    return spec
