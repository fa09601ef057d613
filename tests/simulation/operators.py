"""Operators: two of them open claims, look after cases, and have money given back."""

from typing import TYPE_CHECKING

from switch.gateway.operator_order import OperatorOrder
from tests.simulation.clock import RUNNING, Process

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

ANSWER_WAIT_MS = 7_000
RETRY_MS = 2_000
PAUSE_MS = 6_000
ASKED_COUNT_MAX = 40
RESOLUTIONS = ("return-money", "return-money", "return-money", "no-action", "stands", "returned")
TRY_AGAIN = frozenset({503, 504})


class Operator(Process):
    """One person with a name; what is asked is asked again until it is answered."""

    def __init__(self, simulation: "Simulation", number: int) -> None:
        super().__init__(simulation.scheduler, f"operator-{number}")
        self.simulation = simulation
        self.by = f"op-{number}"
        self.current: OperatorOrder | None = None
        self.answers: list[tuple[str, int]] = []  # command, HTTP status
        self._command_count = 0
        self._asked_count = 0
        self._serial = 0

    @property
    def is_idle(self) -> bool:
        return self.current is None

    def open_shop(self) -> None:
        self._plan_next()

    def _plan_next(self) -> None:
        delay = int(self.simulation.random.random() * 2 * PAUSE_MS)
        self.scheduler.after(1 + delay, self, self._begin)

    def _begin(self) -> None:
        simulation = self.simulation
        if self.current is None and simulation.is_stormy:
            self.current = self._draw_order()
            if self.current is None:
                self._plan_next()
            else:
                self._asked_count = 0
                self._ask()

    def _draw_order(self) -> OperatorOrder | None:
        """Claim that a payment was not served, or settle a claim that stands on the shared desk."""
        chance, desk = self.simulation.random.random, self.simulation.claims
        self._command_count += 1
        command_id = f"{self.by}-{self._command_count}"
        if desk and chance() < 0.7:
            rrn = desk[int(chance() * len(desk))]
            case_id = f"not-served-{rrn}"
            command = "resolve" if chance() < 0.7 else "note"
            resolution = ""
            if command == "resolve":
                resolution = RESOLUTIONS[int(chance() * len(RESOLUTIONS))]
            return OperatorOrder(
                partition=int(rrn[:2]),
                command=command,
                command_id=command_id,
                by=self.by,
                case_id=case_id,
                text="seen",
                resolution=resolution,
            )
        rrns = [p.rrn for terminal in self.simulation.terminals for p in terminal.payments[-3:]]
        rrns = [rrn for rrn in rrns if rrn]
        if not rrns:
            return None
        rrn = rrns[int(chance() * len(rrns))]
        desk.append(rrn)
        return OperatorOrder(
            partition=int(rrn[:2]),
            command="open",
            command_id=command_id,
            by=self.by,
            text="the cardholder says so",
            rrn=rrn,
        )

    def _ask(self) -> None:
        simulation = self.simulation
        self._asked_count += 1
        self._serial += 1
        running = [g for g in simulation.gateways if g.state == RUNNING]
        if running:
            gateway = running[int(simulation.random.random() * len(running))]
            self.scheduler.after(5, gateway, gateway.take_json, self, self.current, self.current)
        self.scheduler.after(ANSWER_WAIT_MS, self, self._retry, self._serial)

    def hear(self, order: OperatorOrder, status: int, _body: bytes) -> None:
        if order is not self.current:
            return
        self._serial += 1
        if status in TRY_AGAIN:
            self.scheduler.after(RETRY_MS, self, self._retry, self._serial)
        else:
            self.answers.append((order.command, status))
            self._rest()

    def _retry(self, serial: int) -> None:
        if serial != self._serial or self.current is None:
            return
        if self._asked_count >= ASKED_COUNT_MAX:
            self._rest()
        else:
            self._ask()

    def _rest(self) -> None:
        self.current = None
        self._plan_next()
