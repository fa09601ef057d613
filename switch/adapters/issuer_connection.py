"""The socket of one issuer link: connects, moves bytes, carries out what the link asks for."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, cast

from switch.adapters.clock import read_clock
from switch.adapters.telemetry import Logger, Metrics
from switch.domain.clock import Now
from switch.domain.upstream import UpstreamAnswer, UpstreamRequest
from switch.issuers.events import (
    Answered,
    CloseLink,
    Connect,
    LateAnswer,
    LinkDown,
    LinkEvent,
    LinkUp,
    SendBytes,
    Unmatched,
)
from switch.issuers.link import IssuerLink

CLOSE_DEADLINE_S: Final = 0.5  # for the issuer to take the last bytes when we stop
# How long after its send window was looked at a request may still be written: within the margin
# (250 ms) that a successor waits beyond the window. Later the process was paused in between.
WRITE_DELAY_MAX_MS: Final = 100


class LinkListener(Protocol):
    """Who is told what comes over issuer links."""

    def answers_received(self, answers: list[UpstreamAnswer]) -> None:
        """These messages came in one read, first to last."""
        ...

    def links_changed(self) -> None:
        """A link came into service or left it."""
        ...


class Unsent(NamedTuple):
    """What leaves at the end of this turn of the loop; `on_dropped` hears if it never does."""

    wire: bytes
    on_dropped: Callable[[], None] | None


class IssuerConnection:
    """
    One `IssuerLink` with its socket.

    Many requests share the connection; those of one loop iteration leave in one write. The owner
    calls `tick` every few milliseconds.
    """

    def __init__(
        self,
        link: IssuerLink,
        address: Callable[[], tuple[str, int] | None],
        listener: LinkListener,
        *,
        write_buffer_bytes_max: int,
        log: Logger,
        metrics: Metrics,
    ) -> None:
        """
        Begin disconnected.

        `address` is asked before each attempt to connect; None: the issuer is nowhere yet.
        """
        self.link = link
        self._address = address
        self._listener = listener
        self._write_buffer_bytes_max = write_buffer_bytes_max
        self._log = log.bind(link=link.name)
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._unsent: list[Unsent] = []
        self._unsent_boot_ms = 0  # when the oldest of them was handed over
        self._gone = asyncio.Event()
        self._is_stopping = False
        self._shown = (link.state, link.is_up)
        self._down_reason = ""
        self._loop = asyncio.get_running_loop()
        self._up_gauge = metrics.gauge("switch_issuer_link_up").labels(link.name)
        self._sent = metrics.counter("switch_issuer_messages_total").labels(link.name, "sent")
        self._received = metrics.counter("switch_issuer_messages_total").labels(
            link.name, "received"
        )
        self._reconnects = metrics.counter("switch_issuer_reconnects_total").labels(link.name)
        self._up_gauge.set(0)

    @property
    def is_up(self) -> bool:
        """Whether requests can be sent now."""
        return self.link.is_up

    @property
    def down_reason(self) -> str:
        """Why the link is not up, empty if it is or if nothing was tried yet."""
        return "" if self.link.is_up else self._down_reason

    def send(self, request: UpstreamRequest, on_dropped: Callable[[], None] | None = None) -> bool:
        """
        Write one request; False if it certainly was not sent.

        It leaves at the end of this turn of the loop; `on_dropped` is called if it never does.

        Raises:
            CodecError, SealBroken, KeyStoreFault: as `IssuerLink.send`.
        """
        wire = self.link.send(request, read_clock())
        if wire is None:
            return False
        self._write(wire, on_dropped)
        self._sent.inc()
        return True

    def tick(self, now: Now) -> None:
        """Let the link do what is due."""
        wake_at = self.link.wake_at()
        if wake_at is not None and wake_at <= now.boot_ms:
            self._carry_out(self.link.timer(now))

    async def stop(self) -> None:
        """Close the connection; what was written is given to the kernel first."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._transport is None:
            return
        self._is_stopping = True
        self._flush()
        self._transport.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), CLOSE_DEADLINE_S)
        if self._transport is not None:
            self._transport.abort()

    # -- what the socket tells

    def connected(self, transport: asyncio.Transport) -> None:
        """Take a new connection."""
        opened: socket.socket | None = transport.get_extra_info("socket")
        if opened is not None:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(high=self._write_buffer_bytes_max)
        self._transport = transport
        self._gone.clear()
        self._carry_out(self.link.connected(read_clock()))

    def bytes_received(self, transport: asyncio.Transport, received: bytes) -> None:
        """Take bytes, unless they are of a connection that was given up."""
        if transport is self._transport:
            self._carry_out(self.link.data_received(received, read_clock()))

    def lost(self, transport: asyncio.Transport, error: Exception | None) -> None:
        """Hear that a connection is gone."""
        self._gone.set()
        if transport is not self._transport:
            return
        self._transport = None
        self._drop_unsent()
        if self._is_stopping:
            return
        reason = str(error) if error else "the issuer closed the connection"
        self._hear_lost(reason)

    def writing_paused(self) -> None:
        """Hear that the issuer does not read."""
        self.link.writing_paused()
        self._note_change()

    def writing_resumed(self) -> None:
        """Hear that it reads again."""
        self.link.writing_resumed()
        self._note_change()

    # -- what the link asks for

    def _carry_out(self, events: list[LinkEvent]) -> None:
        answers: list[UpstreamAnswer] = []
        for event in events:
            match event:
                case Answered(answer) | LateAnswer(answer) | Unmatched(answer):
                    answers.append(answer)
                case SendBytes(frame):
                    self._write(frame)
                case Connect():
                    self._connecting = self._loop.create_task(self._connect())
                case CloseLink(reason):
                    self._close(reason)
                case LinkUp():
                    self._log.info("issuer link is up")
                case LinkDown(reason, unanswered):
                    self._down_reason = reason
                    self._log.warning(
                        "issuer link is down", reason=reason, unanswered_count=len(unanswered)
                    )
        if answers:
            self._received.inc(len(answers))
            self._listener.answers_received(answers)
        self._note_change()

    def _note_change(self) -> None:
        shown = (self.link.state, self.link.is_up)
        if shown != self._shown:
            self._shown = shown
            self._up_gauge.set(int(self.link.is_up))
            self._listener.links_changed()

    async def _connect(self) -> None:
        address = self._address()
        if address is None:
            self._hear_lost("the issuer has no address yet")
            return
        try:
            await self._loop.create_connection(lambda: _LinkProtocol(self), *address)
        except OSError as error:
            self._reconnects.inc()
            self._hear_lost(f"cannot connect: {error.strerror or error}")

    def _hear_lost(self, reason: str) -> None:
        if reason != self._down_reason:
            self._log.warning("no connection to the issuer", reason=reason)
        self._down_reason = reason
        self._carry_out(self.link.connection_lost(read_clock(), reason))

    def _close(self, reason: str) -> None:
        self._down_reason = reason
        self._log.warning("issuer connection ended", reason=reason)
        self._reconnects.inc()
        if self._connecting is not None and not self._connecting.done():
            self._connecting.cancel()
        transport, self._transport = self._transport, None
        self._drop_unsent()
        if transport is not None:
            transport.abort()

    def _write(self, wire: bytes, on_dropped: Callable[[], None] | None = None) -> None:
        if not self._unsent:
            self._unsent_boot_ms = read_clock().boot_ms
            self._loop.call_soon(self._flush)
        self._unsent.append(Unsent(wire, on_dropped))

    def _flush(self) -> None:
        """
        Write what this turn of the loop has gathered.

        After a pause in between nothing is written, for a debit's window may be over: whoever
        asked is told that it was never sent.
        """
        if not self._unsent:
            return
        delay_ms = read_clock().boot_ms - self._unsent_boot_ms
        is_late = delay_ms > WRITE_DELAY_MAX_MS
        if is_late or self._transport is None or self._transport.is_closing():
            if is_late:
                count = len(self._unsent)
                self._log.warning("requests dropped unsent", count=count, delay_ms=delay_ms)
            self._drop_unsent()
            return
        unsent, self._unsent = self._unsent, []
        self._transport.write(b"".join([one.wire for one in unsent]))

    def _drop_unsent(self) -> None:
        """Forget what was not written; whoever is told may ask for more at once."""
        unsent, self._unsent = self._unsent, []
        for _, on_dropped in unsent:
            if on_dropped is not None:
                on_dropped()


class _LinkProtocol(asyncio.Protocol):
    """Tells its connection what happens, with the transport it happens on."""

    def __init__(self, owner: IssuerConnection) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's in all but their ancestry
        self._transport = cast("asyncio.Transport", transport)
        self._owner.connected(self._transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._owner.bytes_received(self._transport, data)

    def pause_writing(self) -> None:
        self._owner.writing_paused()

    def resume_writing(self) -> None:
        self._owner.writing_resumed()

    def connection_lost(self, exc: Exception | None) -> None:
        assert self._transport is not None
        self._owner.lost(self._transport, exc)
