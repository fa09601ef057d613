"""The gateway's role: terminals and partners on one side, the inbound log on the other."""

import asyncio
import secrets
import socket
from collections.abc import Mapping
from typing import Final

import msgspec

from switch.adapters.clock import read_clock
from switch.adapters.loop import count_open_files_max
from switch.adapters.tcp import TcpConnections
from switch.adapters.telemetry import Telemetry
from switch.apps.http_listener import bound_http_connections
from switch.apps.inbound_writer import AppendFailure, InboundWriter
from switch.apps.launch import Listener
from switch.apps.settings import Settings
from switch.codec import load_dialect
from switch.domain.clock import Now
from switch.eventlog.inbound import decode_reply, make_incarnation, reply_partition_of
from switch.eventlog.port import (
    AppendRefused,
    EventLog,
    LogUnavailable,
    PartitionLog,
    PositionOutOfRange,
    StoredRecord,
)
from switch.gateway.actions import Action, AnswerJson, Append, Close, CloseCause, Send
from switch.gateway.gateway import Gateway
from switch.gateway.identity import KnownNames
from switch.gateway.json_payment import JsonPayment
from switch.gateway.limits import GatewayLimits, ListenerProfile
from switch.gateway.operator_order import OperatorOrder
from switch.security.keys import Keys

UNIONPAY_POS: Final = "unionpay-pos"
ISO1987_ASCII: Final = "iso1987-ascii"
TICK_S: Final = 0.05  # how exactly deadlines are kept; the shortest is a demo's 5 s
QUIET_MS: Final = 200  # a terminal's next message comes sooner after an answer, or much later
METRICS_TICKS: Final = 20  # counts become metrics once a second
REPLIES_COUNT_MAX: Final = 256
REPLIES_WAIT_MS: Final = 1_000
REPLIES_RETRY_S: Final = 0.5
UNKNOWN_POSITION: Final = -1  # go on from the end
FILES_KEPT_COUNT: Final = 128  # log, issuers, children, database: a fifth of it is in use
_INCARNATION_BYTES: Final = 8


def list_listeners(settings: Settings) -> dict[str, str]:
    """Return listener name -> address, for those that are not closed by an empty address."""
    found = {
        UNIONPAY_POS: settings.gateway.unionpay_pos_address,
        ISO1987_ASCII: settings.gateway.iso1987_ascii_address,
    }
    return {name: address for name, address in found.items() if address}


def list_terminal_listeners(settings: Settings) -> list[Listener]:
    """Return the listeners for terminals, to be bound."""
    return [
        Listener(name, f"gateway.{name.replace('-', '_')}_address", address)
        for name, address in list_listeners(settings).items()
    ]


def list_acquirers(settings: Settings) -> dict[str, str]:
    """Return listener name -> the acquirer on whose behalf its terminals come."""
    return {
        UNIONPAY_POS: settings.gateway.unionpay_pos_acquirer,
        ISO1987_ASCII: settings.gateway.iso1987_ascii_acquirer,
    }


def make_limits(settings: Settings) -> GatewayLimits:
    """Take the gateway's bounds from the settings of the same names."""
    times, gateway = settings.times, settings.gateway
    return GatewayLimits(
        terminal_deadline_ms=times.terminal_deadline_ms,
        issuer_timeout_ms=times.issuer_timeout_ms,
        clock_skew_max_ms=times.clock_skew_max_ms,
        connection_count_max=gateway.connection_count_max,
        in_flight_count_max=gateway.in_flight_count_max,
        connection_in_flight_count_max=gateway.connection_in_flight_count_max,
        frame_bytes_max=gateway.frame_bytes_max,
        frame_deadline_ms=gateway.frame_deadline_ms,
        idle_timeout_ms=gateway.idle_timeout_ms,
        write_buffer_bytes_max=gateway.write_buffer_bytes_max,
        read_timeout_ms=gateway.read_timeout_ms,
        refusal_count_max=gateway.refusal_count_max,
        unproven_count_max=gateway.unproven_count_max,
        sign_on_count_max=gateway.sign_on_count_max,
    )


def keep_files_free(
    limits: GatewayLimits, settings: Settings, open_files_max: int
) -> GatewayLimits:
    """
    Lower the bound of connections to what the process may open.

    Otherwise terminals that only connect would take the last file from the log, the issuers' lines
    and the child processes.
    """
    http = bound_http_connections(settings.http, open_files_max)
    allowed = max(1, open_files_max - http - FILES_KEPT_COUNT)
    if limits.connection_count_max <= allowed:
        return limits
    return msgspec.structs.replace(limits, connection_count_max=allowed)


class GatewayRole:
    """The sans-I/O gateway with its sockets, clock and log."""

    def __init__(
        self,
        settings: Settings,
        event_log: EventLog,
        registry: KnownNames,
        keys: Keys,
        telemetry: Telemetry,
    ) -> None:
        self._telemetry = telemetry
        self._log = telemetry.log
        self._event_log = event_log
        self._reading: asyncio.Task[None] | None = None
        self._replies_fault = ""  # why no answer can reach anybody; empty while they can
        self._ordinal = settings.gateway.ordinal
        self.incarnation = make_incarnation(self._ordinal, secrets.token_hex(_INCARNATION_BYTES))
        wanted = make_limits(settings)
        limits = keep_files_free(wanted, settings, count_open_files_max())
        if limits is not wanted:
            self._log.info(
                "fewer connections than set: the limit of open files (ulimit -n) is low",
                connection_count_max=limits.connection_count_max,
                wanted=wanted.connection_count_max,
            )
        self._gateway = Gateway(
            limits,
            incarnation=self.incarnation,
            registry=registry,
            keys=keys,
            partition_count=event_log.partition_count,
        )
        acquirers = list_acquirers(settings)
        self._profiles = {
            name: ListenerProfile(
                dialect=load_dialect(name),
                channel=name,
                acquirer=acquirers[name],
                has_transport=name == UNIONPAY_POS,
            )
            for name in list_listeners(settings)
        }
        self._writers = [
            InboundWriter(
                event_log,
                partition,
                append_deadline_ms=settings.times.append_deadline_ms,
                append_slow_ms=settings.gateway.append_slow_ms,
                on_failed=self._hear_append_failed,
                log=self._log,
            )
            for partition in range(event_log.partition_count)
        ]
        self._connections = TcpConnections(
            self, write_buffer_bytes_max=settings.gateway.write_buffer_bytes_max
        )
        self._http_waits: dict[str, asyncio.Future[tuple[int, bytes]]] = {}
        self._tick_handle: asyncio.TimerHandle | None = None
        self._tick_count = 0
        self._meter = _Meter(self._gateway, telemetry)
        self._is_draining = False
        telemetry.readiness.add("gateway", self._why_not_ready)

    async def start(self) -> None:
        """
        Open the inbound log; clients are taken by `listen` only.

        Raises:
            LogUnavailable: the log is not there.
        """
        await asyncio.gather(*(writer.open() for writer in self._writers))
        replies = await self._event_log.open_partition(
            "replies", reply_partition_of(self.incarnation)
        )
        position = await replies.end()
        self._reading = asyncio.create_task(self._read_replies(replies, position))
        self._tick()

    async def listen(self, bound: Mapping[str, socket.socket]) -> None:
        """Take terminals on these sockets, by listener name."""
        for name, listening in bound.items():
            await self._connections.listen(listening, name)

    async def pay(self, payment: JsonPayment) -> tuple[int, bytes]:
        """Ask for a JSON payment; return HTTP status and body, at the deadline at the latest."""
        return await self._ask(payment)

    async def command(self, order: OperatorOrder) -> tuple[int, bytes]:
        """Have an operator's command carried out; return as `pay` does."""
        return await self._ask(order)

    async def _ask(self, asked: JsonPayment | OperatorOrder) -> tuple[int, bytes]:
        inbound_id, actions = self._gateway.request_json(asked, read_clock())
        if not inbound_id:
            [refusal] = actions
            assert isinstance(refusal, AnswerJson)
            return refusal.status, refusal.body
        waiting = asyncio.get_running_loop().create_future()
        self._http_waits[inbound_id] = waiting
        self._perform(actions)
        try:
            answer: tuple[int, bytes] = await waiting
        finally:
            self._http_waits.pop(inbound_id, None)
        return answer

    async def drain(self, deadline_s: float) -> int:
        """
        Send clients elsewhere and answer what is under way; return how many requests still wait.

        Quiet connections are closed at once. On the others requests are taken as before during
        the first half of the time: whoever sent one did so before it could know. The second half
        is for answers only.
        """
        self._is_draining = True
        self._connections.stop_listening()
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        taking_until = until - deadline_s / 2
        while self._gateway.connection_count and loop.time() < taking_until:
            self._perform(self._gateway.close_quiet(QUIET_MS, read_clock()))
            if self._gateway.connection_count:
                await asyncio.sleep(TICK_S)
        while self._gateway.in_flight_count and loop.time() < taking_until:  # noqa: ASYNC110
            await asyncio.sleep(TICK_S)
        self._gateway.stop_taking()
        while self._gateway.in_flight_count and loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(TICK_S)
        return self._gateway.in_flight_count

    async def stop(self) -> None:
        """Close every connection and the log."""
        if self._tick_handle is not None:
            self._tick_handle.cancel()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._connections.stop()
        for waiting in self._http_waits.values():
            waiting.cancel()
        await asyncio.gather(*(writer.close() for writer in self._writers))

    @property
    def in_flight_count(self) -> int:
        """How many requests wait for a handler's answer."""
        return self._gateway.in_flight_count

    def status(self) -> dict[str, object]:
        """Describe this gateway for `/v1/status`."""
        return {
            "incarnation": self.incarnation,
            "ordinal": self._ordinal,
            "connections": self._gateway.connection_count,
            "in_flight": self._gateway.in_flight_count,
            "state": self._why_not_ready() or "taking",
        }

    # -- ConnectionEvents

    def connection_opened(self, connection_id: int, listener: str) -> None:
        """Let the gateway take or refuse a client."""
        profile = self._profiles[listener]
        self._meter.opened(connection_id, listener)
        self._perform(self._gateway.connection_opened(connection_id, profile, read_clock()))

    def bytes_received(self, connection_id: int, received: bytes) -> None:
        """Feed the gateway."""
        self._perform(self._gateway.data_received(connection_id, received, read_clock()))

    def writing_paused(self, connection_id: int) -> None:
        """Tell the gateway that a client does not read."""
        self._gateway.writing_paused(connection_id, read_clock())

    def writing_resumed(self, connection_id: int) -> None:
        """Tell the gateway that a client reads again."""
        self._gateway.writing_resumed(connection_id)

    def connection_lost(self, connection_id: int) -> None:
        """Tell the gateway that a client is gone."""
        self._perform(self._gateway.connection_lost(connection_id))
        self._meter.lost(connection_id)

    # -- what the gateway asks for

    def _perform(self, actions: list[Action]) -> None:
        for action in actions:
            kind = type(action)
            if kind is Send:
                assert isinstance(action, Send)
                self._connections.write(action.connection_id, action.frame)
            elif kind is Append:
                assert isinstance(action, Append)
                self._append(action)
            elif isinstance(action, AnswerJson):
                self._answer_json(action)
            else:
                assert isinstance(action, Close)
                self._close(action)

    def _append(self, action: Append) -> None:
        """Hand a request over, unless nobody could be told what becomes of it."""
        if self._replies_fault:
            refused = AppendRefused(f"answers cannot be read: {self._replies_fault}")
            loop = asyncio.get_running_loop()
            loop.call_soon(self._hear_append_failed, action.inbound_id, refused)
        else:
            self._writers[action.partition].append(action.inbound_id, action.key, action.value)

    def _close(self, action: Close) -> None:
        if action.cause is not CloseCause.STOPPING:  # thousands at once, and all for one reason
            self._log.info(
                "connection closed",
                cause=action.cause.value,
                reason=action.reason,
                listener=self._meter.listener_of(action.connection_id),
                peer=self._connections.peer_of(action.connection_id),
            )
        self._meter.closed(action.connection_id, action.cause.value)
        self._connections.close(action.connection_id, is_abort=action.is_abort)

    def _answer_json(self, action: AnswerJson) -> None:
        waiting = self._http_waits.pop(action.inbound_id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result((action.status, action.body))

    def _hear_append_failed(self, inbound_id: str, error: AppendFailure) -> None:
        self._perform(self._gateway.append_failed(inbound_id, error, read_clock()))

    async def _read_replies(self, replies: PartitionLog, position: int) -> None:
        """Take answers from the log to whoever still waits; what is lost, the journal still has."""
        while True:
            try:
                if position == UNKNOWN_POSITION:
                    position = await replies.end()
                # after a fault it is asked only whether it can be read again
                wait_ms = 0 if self._replies_fault else REPLIES_WAIT_MS
                records = await replies.read(position, count_max=REPLIES_COUNT_MAX, wait_ms=wait_ms)
                self._replies_fault = ""
                if records:
                    position = records[-1].offset + 1
                    self._deliver(records)
            except LogUnavailable as error:
                self._replies_fault = str(error)
                self._log.warning("replies cannot be read", reason=str(error))
                await asyncio.sleep(REPLIES_RETRY_S)
            except PositionOutOfRange:
                position = UNKNOWN_POSITION
                self._log.warning("replies were dropped before they were read")
            except Exception as error:  # noqa: BLE001 - or nobody would be told anything any more
                self._replies_fault = type(error).__name__
                self._log.error("replies cannot be read", kind=self._replies_fault)
                await asyncio.sleep(REPLIES_RETRY_S)

    def _deliver(self, records: list[StoredRecord]) -> None:
        now = read_clock()
        for record in records:
            try:
                reply = decode_reply(record.value)
            except msgspec.MsgspecError as error:
                self._log.error("a reply cannot be read", offset=record.offset, reason=str(error))
                continue
            try:
                self._perform(self._gateway.deliver(reply, now))
            except Exception as error:  # noqa: BLE001 - one answer must not be the end of all others
                kind = type(error).__name__
                self._log.error("a reply cannot be delivered", offset=record.offset, kind=kind)

    def _tick(self) -> None:
        # the next one first: a fault in this one must not be the end of all deadlines
        self._tick_handle = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        now: Now = read_clock()
        self._perform(self._gateway.timer(now))
        for writer in self._writers:
            writer.check_deadline(now.boot_ms)
        self._tick_count += 1
        if self._tick_count % METRICS_TICKS == 0:
            self._meter.publish()

    def _why_not_ready(self) -> str:
        if self._is_draining:
            return "stopping"
        faults = {writer.fault for writer in self._writers if writer.fault}
        if self._replies_fault:
            faults.add(f"answers cannot be read: {self._replies_fault}")
        return "; ".join(sorted(faults))


class _Meter:
    """Turns the gateway's counts into metrics, once a second and off the hot path."""

    def __init__(self, gateway: Gateway, telemetry: Telemetry) -> None:
        self._gateway = gateway
        self._open: dict[int, str] = {}
        metrics = telemetry.metrics
        self._connections = metrics.gauge("switch_connections")
        self._closed = metrics.counter("switch_connections_closed_total")
        self._requests = metrics.counter("switch_gateway_requests_total")
        self._refused = metrics.counter("switch_gateway_refusals_total")
        self._waiting = metrics.gauge("switch_gateway_waiting")
        self._delays = metrics.histogram("switch_answer_seconds")
        self._published: dict[str, int] = {}

    def opened(self, connection_id: int, listener: str) -> None:
        self._open[connection_id] = listener
        self._connections.labels(listener).inc()

    def listener_of(self, connection_id: int) -> str:
        return self._open.get(connection_id, "")

    def closed(self, connection_id: int, cause: str) -> None:
        self._closed.labels(self._open.get(connection_id, ""), cause).inc()

    def lost(self, connection_id: int) -> None:
        listener = self._open.pop(connection_id, "")
        self._connections.labels(listener).dec()

    def publish(self) -> None:
        counts = self._gateway.counts
        self._waiting.set(self._gateway.in_flight_count)
        for outcome, total in (
            ("handed-over", counts.handed),
            ("delivered", counts.delivered),
            ("late-reply", counts.late_replies),
            ("foreign-reply", counts.foreign_replies),
            ("unopened-reply", counts.unopened_replies),
            ("unanswered", counts.unanswered),
            ("kept-silent", counts.kept_silent),
        ):
            self._requests.labels(outcome).inc(self._growth(outcome, total))
        while counts.delays:
            channel, delay_ms = counts.delays.popleft()
            self._delays.labels(channel).observe(delay_ms / 1000)
        for reason, total in counts.refused.items():
            self._refused.labels(reason).inc(self._growth(f"refused {reason}", total))

    def _growth(self, name: str, total: int) -> int:
        before = self._published.get(name, 0)
        self._published[name] = total
        return total - before
