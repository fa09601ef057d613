"""Partners over HTTP: they ask with a key, ask again with the same one, and look what it says."""

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from switch.gateway.json_payment import JsonPayment
from tests.simulation.clock import RUNNING, Process

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

ACQUIRER = "00000003"
ANSWER_WAIT_MS = 7_000
RETRY_MS = 1_500
ASKED_COUNT_MAX = 60  # then what is still unknown must be a case
CURRENCY = "156"
NEW_KINDS = ("sale", "sale", "sale", "pre-authorization")
OPERATIONS = {
    "sale": ("void", "refund", "refund", "reverse"),
    "pre-authorization": ("void", "capture", "capture", "reverse"),
    "capture": ("void", "refund"),
    "void": ("reverse",),
}
COMPLETED = 201
UNKNOWN = 202
IN_PROGRESS = 409
TRY_AGAIN = frozenset({IN_PROGRESS, 503, 504})
CONFLICT_RATE = 0.03
TWICE_RATE = 0.05
decode = msgspec.json.decode


class Told(NamedTuple):
    """One HTTP answer."""

    ticket: int
    at_ms: int
    status: int
    body: dict


class Order:
    """One thing that a partner wants, under one key."""

    __slots__ = ("amount_minor", "asked_count", "key", "kind", "original", "payment", "told")

    def __init__(self, payment: JsonPayment, kind: str, original: "Order | None") -> None:
        self.payment = payment
        self.kind = kind
        self.original = original
        self.key = f"json|{payment.client_id}|{payment.merchant_id}|{payment.idempotency_key}"
        self.amount_minor = payment.amount_minor
        self.asked_count = 0
        self.told: list[Told] = []

    @property
    def last(self) -> Told | None:
        return self.told[-1] if self.told else None

    @property
    def rrn(self) -> str:
        return next((told.body["rrn"] for told in self.told if told.body.get("rrn")), "")

    @property
    def is_approved(self) -> bool:
        return any(told.body.get("status") == "approved" for told in self.told)


class Partner(Process):
    """One client of the API: one order at a time, asked until something final is said."""

    def __init__(self, simulation: "Simulation", number: int) -> None:
        super().__init__(simulation.scheduler, f"partner-{number}")
        self.simulation = simulation
        self.client_id = f"client-{number}"
        self.orders: list[Order] = []
        self.current: Order | None = None
        self._serial = 0

    @property
    def is_idle(self) -> bool:
        return self.current is None

    def open_shop(self) -> None:
        self._plan_next()

    def _plan_next(self) -> None:
        chance, think_ms = self.simulation.random.random, self.simulation.options.think_ms
        self.scheduler.after(1 + int(chance() * 2 * think_ms), self, self._begin)

    def _begin(self) -> None:
        if self.current is None and self.simulation.take_payment():
            self.current = self._draw_order()
            self.orders.append(self.current)
            self._ask()

    def _draw_order(self) -> Order:
        simulation = self.simulation
        chance, merchants = simulation.random.random, simulation.world.merchants
        known = [o for o in self.orders[-20:] if o.rrn and o.kind in OPERATIONS]
        key = f"{len(self.orders)}"
        if known and chance() < 0.5 * simulation.options.kinds_rate + 0.1:
            original = known[int(chance() * len(known))]
            choices = OPERATIONS[original.kind]
            kind = choices[int(chance() * len(choices))]
            amount = None
            if kind in {"refund", "capture"} and original.amount_minor and chance() < 0.7:
                amount = max(1, int(original.amount_minor * (0.2 + chance())))
            payment = JsonPayment(
                acquirer=ACQUIRER,
                client_id=self.client_id,
                merchant_id=original.payment.merchant_id,
                idempotency_key=key,
                amount_minor=amount,
                currency=CURRENCY if amount is not None else "",
                operation=kind,
                original_rrn=original.rrn,
            )
            return Order(payment, kind, original)
        kind = NEW_KINDS[int(chance() * len(NEW_KINDS))]
        cards = simulation.world.cards
        payment = JsonPayment(
            acquirer=ACQUIRER,
            client_id=self.client_id,
            merchant_id=merchants[int(chance() * len(merchants))],
            idempotency_key=key,
            amount_minor=100 * (1 + int(chance() * 5_000)) + (97 if chance() < 0.05 else 0),
            currency=CURRENCY,
            transaction=kind,
            pan=cards[int(chance() * len(cards))],
            expiration_date="3012",
        )
        return Order(payment, kind, None)

    # -- asking

    def _ask(self) -> None:
        """Send the request to one of the gateways that run, and wait for one answer."""
        simulation, order = self.simulation, self.current
        order.asked_count += 1
        self._serial += 1
        running = [g for g in simulation.gateways if g.state == RUNNING]
        if running:
            gateway = running[int(simulation.random.random() * len(running))]
            self._send(gateway, order.payment)
            if simulation.is_stormy and simulation.random.random() < CONFLICT_RATE:
                simulation.note_fault("json-conflict", self.name)
                self._send(gateway, self._alter(order.payment))
            elif simulation.is_stormy and simulation.random.random() < TWICE_RATE:
                self._send(gateway, order.payment)
        self.scheduler.after(ANSWER_WAIT_MS, self, self._miss, self._serial)

    def _alter(self, payment: JsonPayment) -> JsonPayment:
        """Ask for something else under the same key."""
        amount = (payment.amount_minor or 500) + 7
        return msgspec.structs.replace(payment, amount_minor=amount, currency=CURRENCY)

    def _send(self, gateway, payment: JsonPayment) -> None:
        delay = 1 + int(self.simulation.random.random() * 20)
        order = self.current if payment is self.current.payment else None
        self.scheduler.after(delay, gateway, gateway.take_json, self, payment, order)

    # -- hearing

    def hear(self, order: Order | None, status: int, body: bytes) -> None:
        """Take the answer to an order; None: to one that should be refused."""
        if order is None:
            if status < 300:
                self.simulation.note_fault("json-conflict-taken", self.name)
            return
        scheduler = self.scheduler
        order.told.append(Told(scheduler.take_ticket(), scheduler.now, status, decode(body)))
        if order is not self.current:
            return
        if status in TRY_AGAIN or status == UNKNOWN:
            self._retry()
        else:
            self._rest()

    def _miss(self, serial: int) -> None:
        if serial == self._serial and self.current is not None:
            self._retry()

    def _retry(self) -> None:
        self._serial += 1
        if self.current.asked_count >= ASKED_COUNT_MAX:
            self._rest()
            return
        delay = RETRY_MS + int(self.simulation.random.random() * 1_000)
        self.scheduler.after(delay, self, self._ask_again, self._serial)

    def _ask_again(self, serial: int) -> None:
        if serial == self._serial and self.current is not None:
            self._ask()

    def _rest(self) -> None:
        self.current = None
        self._serial += 1
        self._plan_next()
