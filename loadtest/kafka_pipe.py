"""
The bare pipe over Kafka: the switch's processes, topics and appends without any rules.

Two processes, as gateway and handler are: `python -m loadtest.kafka_pipe gateway` appends each
frame to `inbound` and writes out what comes back in `replies`; `... handler` reads `inbound`,
appends a route record to `journal`; once durable a debit goes to the issuer; its answer is
appended; once durable the reply is. Nothing is decoded, checked or decided; records have the size
and the headers of real ones, through the switch's own log (acks=all) and issuer simulator.
"""

import asyncio
import contextlib
import functools
import itertools
import signal
import struct
import sys
from collections.abc import Callable
from typing import Final, cast

import msgspec
import uvloop

from loadtest.bare_pipe import PipeMessages, RecordSizes
from loadtest.kafka_log import KafkaLog, open_topics
from switch.codec.framing import Framer
from switch.eventlog.inbound import traceparent_of
from switch.eventlog.port import PartitionLog

_HEAD: Final = struct.Struct(">I3s12s16s")  # connection, trace number, RRN, inbound id
_NO_RRN: Final = bytes(12)
_COUNT_MAX: Final = 256  # as gateways and handlers read
_WAIT_MS: Final = 500


class PipeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What both processes are told on their command line, as JSON."""

    log_url: str
    issuer_port: int
    sizes: RecordSizes


def _ignore(_outcome: object) -> None:
    """What is lost shows as a payment without an answer."""


class _Lane(asyncio.Protocol):
    """One connection: hands over the frames it hears."""

    def __init__(self, hear: Callable[[asyncio.Transport, bytes], None]) -> None:
        self._hear = hear
        self._framer = Framer("binary-2")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by name

    def data_received(self, data: bytes) -> None:
        for frame in self._framer.receive_data(data):
            self._hear(self._transport, frame)


class GatewayEnd:
    """Frames in and out."""

    def __init__(self, inbound: list[PartitionLog], sizes: RecordSizes) -> None:
        self._inbound = inbound
        self._messages = PipeMessages()
        self._padding = bytes(sizes.inbound - _HEAD.size)
        self._transports: dict[int, asyncio.Transport] = {}
        self._numbers: dict[asyncio.Transport, int] = {}
        self._ids = itertools.count(1)

    def hear(self, transport: asyncio.Transport, frame: bytes) -> None:
        """Append a terminal's frame."""
        number = self._numbers.get(transport)
        if number is None:
            number = self._numbers[transport] = len(self._numbers) + 1
            self._transports[number] = transport
        inbound_id = f"{next(self._ids):016x}"
        stan = self._messages.read_stan(frame)
        head = _HEAD.pack(number, stan, _NO_RRN, inbound_id.encode())
        partition = self._messages.read_partition(frame, len(self._inbound))
        self._inbound[partition].append(
            head + self._padding,
            _ignore,
            key=stan,
            event_id=inbound_id,
            traceparent=traceparent_of(inbound_id),
        )

    def deliver(self, value: bytes) -> None:
        """Write an answer out."""
        number, stan, rrn, _ = _HEAD.unpack_from(value)
        self._transports[number].write(self._messages.answer.fill(stan, rrn))


class _Payment:
    """One payment on its way through the handler's end."""

    __slots__ = ("_end", "_inbound_id", "_journal", "_number", "_rrn", "_stan")

    def __init__(self, end: "HandlerEnd", journal: PartitionLog, value: bytes) -> None:
        self._end = end
        self._journal = journal
        self._number, self._stan, _, inbound_id = _HEAD.unpack_from(value)
        self._inbound_id = inbound_id.decode()
        self._rrn = end.messages.take_rrn()
        self._append(end.routed_record, self._on_routed)

    def _append(self, record: bytes, sink: Callable[[int | Exception], None]) -> None:
        self._journal.append(
            record,
            sink,
            event_id=self._inbound_id,
            traceparent=traceparent_of(self._inbound_id),
        )

    def _on_routed(self, outcome: int | Exception) -> None:
        if isinstance(outcome, int):
            self._end.waiting[self._rrn] = self
            self._end.issuer.write(self._end.messages.make_debit(self._rrn))

    def on_answer(self) -> None:
        """The issuer has answered: append the outcome."""
        self._append(self._end.outcome_record, self._on_ended)

    def _on_ended(self, outcome: int | Exception) -> None:
        if isinstance(outcome, int):
            inbound_id = self._inbound_id
            head = _HEAD.pack(self._number, self._stan, self._rrn, inbound_id.encode())
            self._end.replies.append(
                head + self._end.reply_padding,
                _ignore,
                event_id=f"{inbound_id}/reply",
                traceparent=traceparent_of(inbound_id),
            )


class HandlerEnd:
    """Inbound records in; journal, issuer and replies."""

    def __init__(
        self, journal: list[PartitionLog], replies: PartitionLog, sizes: RecordSizes
    ) -> None:
        self.messages = PipeMessages()
        self.replies = replies
        self.routed_record = bytes(sizes.routed)
        self.outcome_record = bytes(sizes.outcome)
        self.reply_padding = bytes(sizes.reply - _HEAD.size)
        self.waiting: dict[bytes, _Payment] = {}
        self.issuer: asyncio.Transport
        self._journal = journal

    def take(self, partition: int, value: bytes) -> None:
        """Begin with an inbound record."""
        _Payment(self, self._journal[partition], value)

    def hear_issuer(self, _transport: asyncio.Transport, message: bytes) -> None:
        """Take an issuer's answer."""
        payment = self.waiting.pop(self.messages.read_rrn(message), None)
        if payment:
            payment.on_answer()


async def _follow(log: PartitionLog, take: Callable[[bytes], None]) -> None:
    """Hand over every record from the end on."""
    position = await log.end()
    while True:
        for offset, value in await log.read(position, count_max=_COUNT_MAX, wait_ms=_WAIT_MS):
            take(value)
            position = offset + 1


async def _open_all(log: KafkaLog, name: str) -> list[PartitionLog]:
    return [await log.open_partition(name, index) for index in range(log.partition_count)]


async def _run_gateway(
    log: KafkaLog, settings: PipeSettings, tasks: list[asyncio.Task[None]]
) -> str:
    end = GatewayEnd(await _open_all(log, "inbound"), settings.sizes)
    replies = await log.open_partition("replies", 0)
    tasks.append(asyncio.create_task(_follow(replies, end.deliver)))
    server = await asyncio.get_running_loop().create_server(
        lambda: _Lane(end.hear), "127.0.0.1", 0, backlog=1024
    )
    return f"127.0.0.1 {server.sockets[0].getsockname()[1]}"


async def _run_handler(
    log: KafkaLog, settings: PipeSettings, tasks: list[asyncio.Task[None]]
) -> str:
    replies = await log.open_partition("replies", 0)
    end = HandlerEnd(await _open_all(log, "journal"), replies, settings.sizes)
    end.issuer, _ = await asyncio.get_running_loop().create_connection(
        lambda: _Lane(end.hear_issuer), "127.0.0.1", settings.issuer_port
    )
    for index, inbound in enumerate(await _open_all(log, "inbound")):
        following = _follow(inbound, functools.partial(end.take, index))
        tasks.append(asyncio.create_task(following))
    return "ready"


async def run_end(role: str, settings: PipeSettings) -> None:
    """Serve until SIGTERM; prints a line when it is ready, the gateway's with its address."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with contextlib.AsyncExitStack() as stack:
        log = await open_topics(settings.log_url)
        stack.push_async_callback(log.close)
        tasks: list[asyncio.Task[None]] = []
        run = _run_gateway if role == "gateway" else _run_handler
        print(await run(log, settings, tasks), flush=True)
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


def main(arguments: list[str]) -> None:
    """Run with: gateway or handler, settings as JSON."""
    role, encoded = arguments
    settings = msgspec.json.decode(encoded, type=PipeSettings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_end(role, settings))


if __name__ == "__main__":
    main(sys.argv[1:])
