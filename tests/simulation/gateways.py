"""A gateway process: the real `Gateway`, with simulated lines and log around it."""

from collections import deque
from typing import TYPE_CHECKING

from msgspec.structs import replace

from switch.eventlog.inbound import decode_reply
from switch.eventlog.port import AppendUnknown
from switch.gateway.actions import AnswerJson, Append, Close, Send
from switch.gateway.gateway import Gateway
from switch.gateway.json_payment import JsonPayment
from switch.gateway.limits import GatewayLimits
from switch.gateway.operator_order import OperatorOrder
from tests.simulation.clock import DEAD, RUNNING, Process
from tests.simulation.log import Outcome
from tests.simulation.network import Line
from tests.simulation.world import LISTENERS

if TYPE_CHECKING:
    from tests.simulation.operators import Operator
    from tests.simulation.partners import Order, Partner
    from tests.simulation.simulation import Simulation

LIMITS = GatewayLimits(
    terminal_deadline_ms=5_000,
    issuer_timeout_ms=3_000,
    clock_skew_max_ms=250,
    refusal_count_max=50,
)
APPEND_DEADLINE_MS = 3_000
REOPEN_DELAY_MS = 100
TICK_MS = 50


class SimGateway(Process):
    """One incarnation of one gateway."""

    def __init__(self, simulation: "Simulation", place: int, incarnation: str) -> None:
        super().__init__(simulation.scheduler, f"gateway-{place}", 10_000 * (place + 1))
        self.simulation = simulation
        self.place = place
        self.incarnation = incarnation
        self.follower = simulation.registry.follow(self)
        self.gateway = Gateway(
            replace(LIMITS, in_flight_count_max=simulation.options.in_flight_max),
            incarnation=incarnation,
            registry=self.follower.view,
            keys=simulation.world.keys,
            partition_count=simulation.options.partition_count,
        )
        self.lines: dict[int, Line] = {}
        self._inbound: dict[int, InboundEnd] = {}
        self._timer_due = 0
        self._doers = {
            Send: self._send,
            Append: self._append,
            AnswerJson: self._answer_json,
            Close: self._close,
        }
        self._json_waits: dict[str, tuple] = {}
        self._todo: list = []  # actions left when the process was stopped in the middle of them

    # -- lines

    def open_line(self, line: Line, dialect: str) -> None:
        self.lines[line.number] = line
        self._perform(
            self.gateway.connection_opened(line.number, LISTENERS[dialect], self.read_clock())
        )

    def hear(self, line: Line, frame: bytes) -> None:
        self._perform(self.gateway.data_received(line.number, frame, self.read_clock()))

    def lose(self, line: Line) -> None:
        if self.lines.pop(line.number, None) is not None:
            self._perform(self.gateway.connection_lost(line.number))

    # -- HTTP

    def take_json(
        self,
        partner: "Partner | Operator",
        payment: JsonPayment | OperatorOrder,
        order: "Order | OperatorOrder | None",
    ) -> None:
        inbound_id, actions = self.gateway.request_json(payment, self.read_clock())
        self._json_waits[inbound_id] = (partner, order)
        self._perform(actions)

    def _answer_json(self, action: AnswerJson) -> None:
        partner, order = self._json_waits.pop(action.inbound_id)
        delay = 1 + int(self.simulation.random.random() * 20)
        self.scheduler.after(delay, partner, partner.hear, order, action.status, action.body)

    # -- replies

    def take_reply(self, value: bytes) -> None:
        self._perform(self.gateway.deliver(decode_reply(value), self.read_clock()))

    # -- the gateway's wishes

    def _perform(self, actions: list) -> None:
        """Carry out in order; the process may stop before any of them."""
        if self._todo or (actions and self.state != RUNNING):
            self._todo += actions
            return
        for done_count, action in enumerate(actions):
            if self.simulation.is_struck_at_step(self):
                if self.state != DEAD:
                    self._todo = actions[done_count:]
                    self.scheduler.after(0, self, self._go_on)
                return
            self._doers[type(action)](action)
        self._plan_timer()

    def _send(self, action: Send) -> None:
        line = self.lines.get(action.connection_id)
        if line is not None:
            line.send_down(action.frame)

    def _close(self, action: Close) -> None:
        self.simulation.note_fault("gateway-closes", action.cause.value)
        line = self.lines.pop(action.connection_id, None)
        if line is not None:
            line.close(self)

    def _go_on(self) -> None:
        """Do on waking what was left when the process was stopped."""
        todo, self._todo = self._todo, []
        self._perform(todo)

    def _append(self, action: Append) -> None:
        self.simulation.witness.handed_over(self, action)
        end = self._inbound.get(action.partition)
        if end is None or end.is_closed:
            end = self._inbound[action.partition] = InboundEnd(self, action.partition)
        end.append(action.inbound_id, action.value)

    def append_failed(self, inbound_id: str, error: Exception) -> None:
        self._perform(self.gateway.append_failed(inbound_id, error, self.read_clock()))

    # -- time

    def _plan_timer(self) -> None:
        """Look again when the first wait ends; what comes now ends later than all that waits."""
        now = self.scheduler.now
        if now < self._timer_due <= now + LIMITS.terminal_deadline_ms:
            return
        wake_at = self.gateway.wake_at()
        if wake_at is not None:
            due = max(wake_at - self.boot_offset_ms, now)
            self._timer_due = due + 1 + int(self.simulation.random.random() * TICK_MS)
            self.scheduler.at(self._timer_due, self, self._on_timer)

    def _on_timer(self) -> None:
        self._timer_due = 0
        self._perform(self.gateway.timer(self.read_clock()))

    def die(self) -> None:
        super().die()
        for line in list(self.lines.values()):
            line.close(self)
        self.simulation.log.cut_writers_of(self)


class InboundEnd:
    """One opened writer of a gateway; what was not acknowledged in time has failed."""

    def __init__(self, gateway: SimGateway, partition: int) -> None:
        self._gateway = gateway
        self._waiting: deque[tuple[str, int]] = deque()
        self._writer = gateway.simulation.log.open_writer("inbound", partition, gateway, self._hear)
        self.is_closed = False
        self._is_checked = False  # the deadline of what waits

    def append(self, inbound_id: str, value: bytes) -> None:
        gateway = self._gateway
        if not self._is_checked:
            self._is_checked = True
            gateway.scheduler.after(APPEND_DEADLINE_MS + 1, gateway, self._check_deadline)
        self._waiting.append((inbound_id, gateway.boot_ms))
        self._writer.append(value)

    def _hear(self, outcomes: list[Outcome]) -> None:
        if self.is_closed:
            return
        for outcome in outcomes:
            inbound_id, _ = self._waiting.popleft()
            if not isinstance(outcome, int):
                self._waiting.appendleft((inbound_id, 0))
                self._fail(outcome)
                return

    def _check_deadline(self) -> None:
        self._is_checked = False
        if self.is_closed or not self._waiting:
            return
        waited_ms = self._gateway.boot_ms - self._waiting[0][1]
        if waited_ms > APPEND_DEADLINE_MS:
            self._fail(AppendUnknown(f"no acknowledgement within {APPEND_DEADLINE_MS} ms"))
        else:
            self._is_checked = True
            left_ms = APPEND_DEADLINE_MS - waited_ms + 1
            self._gateway.scheduler.after(left_ms, self._gateway, self._check_deadline)

    def _fail(self, error: Exception) -> None:
        """Drop the writer; the next append opens another."""
        self.is_closed = True
        self._writer.cut(lands_late=True)
        failed, self._waiting = self._waiting, deque()
        for inbound_id, _ in failed:
            self._gateway.append_failed(inbound_id, error)
