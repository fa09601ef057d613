"""
The bare pipe: what the switch's sockets, issuer hop and durable appends cost without any rules.

One process, run as `python -m loadtest.bare_pipe`: a frame comes in, is appended to `inbound`; once
durable a route record is appended to `journal`; once durable a debit goes to the issuer; its answer
is appended; once durable the terminal is answered. Nothing is decoded, checked or decided; records
have the size of real ones. The same SQLite log, the same loop, the same issuer simulator.
"""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import Final, cast

import msgspec
import uvloop

from loadtest.frames import DIALECT, HEADER, TPDU, make_templates
from loadtest.terminal_list import TerminalSpec
from switch.adapters.sqlite_log import SqliteLog
from switch.codec import Message, Value, load_dialect
from switch.codec.framing import Framer, frame_bytes
from switch.eventlog.port import PartitionLog

ISSUER_DIALECT: Final = "iso1987-ascii"
_STAN_BYTES: Final = 3
_STAN_DIGITS: Final = 6
_RRN_DIGITS: Final = 12
_NUMBER_FIRST: Final = 778_899_000_000  # an RRN that no other element of a message contains
_RRN_SAMPLE: Final = "987654321098"
_STAN_SAMPLE: Final = "765432"
_COMMON: Final[dict[str, Value]] = {
    "pan": "6212345678901232",
    "processing_code": "000000",
    "amount_transaction": "000000001200",
    "stan": _STAN_SAMPLE,
    "rrn": _RRN_SAMPLE,
    "terminal_id": "00000001",
    "merchant_id": "898110154110001",
    "currency": "156",
}
_ANSWER: Final[dict[str, Value]] = {
    **_COMMON,
    "local_time": "120000",
    "local_date": "0102",
    "settlement_date": "0102",
    "authorization_id": "123456",
    "response_code": "00",
    "private_63": "CUP",
    "mac": b"00000000",
}
_DEBIT: Final[dict[str, Value]] = {
    **_COMMON,
    "transmission_time": "0102030405",
    "local_time": "120000",
    "local_date": "0102",
    "expiration_date": "3012",
    "merchant_type": "5411",
    "pos_entry_mode": "012",
    "pos_condition_code": "00",
    "acquirer_id": "00000001",
}


_SAMPLE: Final = TerminalSpec(
    acquirer="",
    merchant_id="898110154110001",
    terminal_id="T8642097",
    batch="000001",
    mak="00" * 8,
    pan="6212345678901232",
)


class RecordSizes(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of the records of a payment; a reply is one only where gateways are processes apart."""

    inbound: int = 1_100
    routed: int = 1_500
    outcome: int = 700
    reply: int = 600


class Patch:
    """A message of which trace number and RRN are exchanged by position."""

    __slots__ = ("_head", "_middle", "_tail", "rrn_at", "stan_at")

    def __init__(self, message: bytes, stan: bytes, rrn: bytes) -> None:
        self.stan_at, self.rrn_at = message.index(stan), message.index(rrn)
        self._head = message[: self.stan_at]
        self._middle = message[self.stan_at + len(stan) : self.rrn_at]
        self._tail = message[self.rrn_at + len(rrn) :]

    def fill(self, stan: bytes, rrn: bytes) -> bytes:
        """Return the message with these values."""
        return self._head + stan + self._middle + rrn + self._tail


class _Waiting:
    """One payment in the pipe."""

    __slots__ = ("partition", "pipe", "rrn", "stan", "transport")

    def __init__(self, pipe: "BarePipe", transport: asyncio.Transport, frame: bytes) -> None:
        self.pipe = pipe
        self.transport = transport
        self.stan = pipe.messages.read_stan(frame)
        self.rrn = pipe.messages.take_rrn()
        self.partition = pipe.messages.read_partition(frame, len(pipe.inbound))

    def received(self, outcome: int | Exception) -> None:
        """Durable in `inbound`: append the route."""
        if isinstance(outcome, int):
            pipe = self.pipe
            pipe.journal[self.partition].append(pipe.routed_record, self.routed)

    def routed(self, outcome: int | Exception) -> None:
        """Durable in `journal`: debit."""
        if isinstance(outcome, int) and self.pipe.issuer:
            self.pipe.waiting[self.rrn] = self
            self.pipe.issuer.write(self.pipe.messages.make_debit(self.rrn))

    def ended(self, outcome: int | Exception) -> None:
        """Durable in `journal`: answer."""
        if isinstance(outcome, int):
            self.transport.write(self.pipe.messages.answer.fill(self.stan, self.rrn))


class PipeMessages:
    """The messages of a pipe: patched and read by position, never decoded."""

    def __init__(self) -> None:
        pos, upstream = load_dialect(DIALECT), load_dialect(ISSUER_DIALECT)
        sample = make_templates(pos, _SAMPLE).sale.build(0, int(_STAN_SAMPLE))[2:]
        stan = bytes.fromhex(_STAN_SAMPLE)
        self.request_stan_at = sample.index(stan)
        answer = TPDU + HEADER + pos.encode(Message("0210", _ANSWER))
        self.answer = Patch(frame_bytes("binary-2", answer), stan, _RRN_SAMPLE.encode())
        debit = frame_bytes("binary-2", upstream.encode(Message("0200", _DEBIT)))
        self.debit = Patch(debit, _STAN_SAMPLE.encode(), _RRN_SAMPLE.encode())
        self.upstream = upstream
        self.issuer_rrn_at = -1
        terminal_id = _SAMPLE.terminal_id
        self.request_terminal_at = sample.index(terminal_id.encode()) + len(terminal_id) - 1
        self._number = _NUMBER_FIRST

    def take_rrn(self) -> bytes:
        """Return the next payment's RRN."""
        self._number += 1
        return b"%012d" % self._number

    def read_stan(self, frame: bytes) -> bytes:
        """Return a request's packed trace number."""
        return frame[self.request_stan_at : self.request_stan_at + _STAN_BYTES]

    def read_partition(self, frame: bytes, partition_count: int) -> int:
        """Return the partition of a request's terminal."""
        return frame[self.request_terminal_at] % partition_count

    def make_debit(self, rrn: bytes) -> bytes:
        """Return the debit of a payment, framed."""
        return self.debit.fill(rrn[-_STAN_DIGITS:], rrn)

    def read_rrn(self, message: bytes) -> bytes:
        """Return the RRN of an issuer's answer; where it lies is found in the first one."""
        if self.issuer_rrn_at < 0:
            rrn = str(self.upstream.decode(message).fields["rrn"])
            self.issuer_rrn_at = message.index(rrn.encode())
        return message[self.issuer_rrn_at : self.issuer_rrn_at + _RRN_DIGITS]


class BarePipe:
    """The state of the process: logs, templates, what is on its way."""

    def __init__(self, sizes: RecordSizes) -> None:
        self.messages = PipeMessages()
        self.inbound_record = bytes(sizes.inbound)
        self.routed_record = bytes(sizes.routed)
        self.outcome_record = bytes(sizes.outcome)
        self.inbound: list[PartitionLog] = []
        self.journal: list[PartitionLog] = []
        self.waiting: dict[bytes, _Waiting] = {}
        self.issuer: asyncio.Transport | None = None

    async def open(self, log: SqliteLog) -> None:
        """Open all partitions."""
        for partition in range(log.partition_count):
            self.inbound.append(await log.open_partition("inbound", partition))
            self.journal.append(await log.open_partition("journal", partition))

    def receive(self, transport: asyncio.Transport, frame: bytes) -> None:
        """Take a terminal's frame."""
        payment = _Waiting(self, transport, frame)
        self.inbound[payment.partition].append(self.inbound_record, payment.received)

    def hear_issuer(self, message: bytes) -> None:
        """Take an issuer's answer."""
        payment = self.waiting.pop(self.messages.read_rrn(message), None)
        if payment:
            self.journal[payment.partition].append(self.outcome_record, payment.ended)


class _TerminalSide(asyncio.Protocol):
    def __init__(self, pipe: BarePipe) -> None:
        self._pipe = pipe
        self._framer = Framer("binary-2")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop's is none by name
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for frame in self._framer.receive_data(data):
            self._pipe.receive(self._transport, frame)


class _IssuerSide(asyncio.Protocol):
    def __init__(self, pipe: BarePipe) -> None:
        self._pipe = pipe
        self._framer = Framer("binary-2")

    def data_received(self, data: bytes) -> None:
        for message in self._framer.receive_data(data):
            self._pipe.hear_issuer(message)


async def run_pipe(directory: Path, issuer: tuple[str, int], sizes: RecordSizes) -> None:
    """Serve until SIGTERM; prints the address of the listener on stdout."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    pipe = BarePipe(sizes)
    async with contextlib.AsyncExitStack() as stack:
        log = SqliteLog(directory / "log.db", partition_count=4)
        stack.push_async_callback(log.close)
        await pipe.open(log)
        pipe.issuer, _ = await loop.create_connection(lambda: _IssuerSide(pipe), *issuer)
        server = await loop.create_server(lambda: _TerminalSide(pipe), "127.0.0.1", 0, backlog=1024)
        stack.callback(server.close)
        print("127.0.0.1", server.sockets[0].getsockname()[1], flush=True)
        await stopped.wait()


def main(arguments: list[str]) -> None:
    """Run with: data folder, issuer's name and port, record sizes as JSON."""
    directory, name, port, sizes = arguments
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        read_sizes = msgspec.json.decode(sizes, type=RecordSizes)
        runner.run(run_pipe(Path(directory), (name, int(port)), read_sizes))


if __name__ == "__main__":
    main(sys.argv[1:])
