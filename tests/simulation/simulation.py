"""One run: a world made from a seed, a stormy phase, a calm one, and what was seen of both."""

from random import Random

from switch.eventlog.journal import JournalRecord, decode_record
from tests.simulation import handlers
from tests.simulation.clock import DEAD, PAUSED, RUNNING, WALL_AT_START_MS, Process, Scheduler
from tests.simulation.faults import Faults
from tests.simulation.gateways import SimGateway
from tests.simulation.handlers import SimHandler
from tests.simulation.issuers import SimIssuer
from tests.simulation.log import SimLog
from tests.simulation.memory import PaymentMemory
from tests.simulation.network import Line
from tests.simulation.operators import Operator
from tests.simulation.options import Options
from tests.simulation.partners import Partner
from tests.simulation.projector import SimProjector
from tests.simulation.registry_feed import RegistryFeed
from tests.simulation.snapshots import SimSnapshots
from tests.simulation.terminals import Terminal
from tests.simulation.witness import Witness
from tests.simulation.world import MINUTE_KEY_LIFETIME_MS, make_world

STORM_MAX_MS = 240_000  # of simulated time
CALM_MAX_MS = 240_000
CALM_LOOK_MS = 500
STEP_MAX = 2_000_000
ISSUER_DELAY_MAX_MS = 5_500  # below LaneSettings.issuer_delay_max_ms: what the switch relies on
KEYS_DESTROYED_EVERY_MS = 20_000
SETTLING_MS = 4_000  # for lines and views to come back after days
DAY_MS = 86_400_000


class NotAtRest(Exception):
    """The calm phase is over and something still moves."""


class Simulation:
    """Everything that there is in one run; `run` leads it to its end."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.random = random = Random(f"run-{options.seed}")
        wall = (
            WALL_AT_START_MS + int(random.random() * 400) * DAY_MS + int(random.random() * DAY_MS)
        )
        self.scheduler = Scheduler(wall)
        self.is_stormy = True
        self.witness = Witness(self.scheduler)
        self.world = make_world(options, random)
        self.settings = handlers.make_settings(options.partition_count)
        self.log = SimLog(self.scheduler, random, self.note_fault)
        self.log.delay_max_ms = options.log_delay_max_ms
        self.log.lost_ack_rate = options.lost_ack_rate
        self.log.hole_rate = options.hole_rate
        for index in range(options.partition_count):
            self.log.partition("journal", index)
            self.log.partition("inbound", index)
        self.registry = RegistryFeed(
            self.scheduler, self.world.registry_events, lambda: 1 + int(random.random() * 200)
        )
        self.snapshots = SimSnapshots(self)
        self._decoded: dict[bytes, JournalRecord] = {}
        self._line_count = 0
        self._incarnation_count = 0
        self._payments_left = 0
        self.step_count = 0  # of the kind of process that a blow is meant for
        self.served: list[tuple[int, int, int, str, str]] = []
        self.issuers = [SimIssuer(self, number) for number in range(options.issuer_count)]
        self.handlers = [self.start_handler(place) for place in range(options.handler_count)]
        self._all_gateways: list[SimGateway] = []
        self.gateways = [self.start_gateway(place) for place in range(options.gateway_count)]
        self.projectors = SimProjector.start_all(self)
        self.faults = Faults(self)
        self.shops: dict[tuple[str, str], list[PaymentMemory]] = {}  # of each merchant
        self.terminals = [Terminal(self, spec) for spec in self.world.terminals]
        self.claims: list[str] = []  # RRNs about which operators have opened a case
        self.operators = [Operator(self, number) for number in range(options.operator_count)]
        self.partners = [Partner(self, number) for number in range(options.partner_count)]
        self.scheduler.after(KEYS_DESTROYED_EVERY_MS, None, self._destroy_keys)

    # -- running

    def run(self) -> None:
        """Storm until the payments are used up, then calm until nothing moves; perhaps again."""
        days = self.options.days_between
        self._play_act(self.options.payment_count // (1 + len(days)))
        for count in days:
            self._pass_days(count)
            self._play_act(self.options.payment_count // (1 + len(days)))

    def _play_act(self, payment_count: int) -> None:
        scheduler = self.scheduler
        self.is_stormy = True
        self._payments_left = payment_count
        self.faults.begin()
        for shop in (*self.terminals, *self.partners, *self.operators):
            shop.open_shop()
        deadline = scheduler.now + STORM_MAX_MS
        while scheduler.now < deadline and self._payments_left > 0:
            self._advance(CALM_LOOK_MS)
        self._advance(int(self.random.random() * 8_000))
        self._calm_down()

    def _pass_days(self, count: int) -> None:
        """Let days pass in which nothing is asked; what was due then is done late, at once."""
        self._advance(SETTLING_MS)  # what is still on its way arrives before
        self.note_fault("days-pass", str(count))
        self.scheduler.now += count * DAY_MS + int(self.random.random() * DAY_MS)
        self._advance(SETTLING_MS)

    def _advance(self, duration_ms: int) -> None:
        scheduler = self.scheduler
        if not scheduler.run(scheduler.now + duration_ms, step_max=STEP_MAX):
            raise NotAtRest("too many steps: something goes round in circles")

    def _calm_down(self) -> None:
        self.is_stormy = False
        self._payments_left = 0
        self.faults.heal()
        deadline = self.scheduler.now + CALM_MAX_MS
        while moving := self.list_moving():
            if self.scheduler.now > deadline:
                raise NotAtRest("; ".join(moving))
            self._advance(CALM_LOOK_MS)

    def list_moving(self) -> list[str]:
        """Say what has not come to its end."""
        people = (*self.terminals, *self.partners, *self.operators)
        moving = [one.name for one in people if not one.is_idle]
        moving += self.faults.list_unserved()
        for writer in self.log.writers:
            if writer.queued:
                moving.append(f"{writer.process.name} appends to {writer.partition.name}")
        moving += [p.name for p in self.projectors if not p.is_done]
        return moving

    # -- what the parts need of each other

    @property
    def wall_ms(self) -> int:
        """The true time, which no process knows exactly."""
        return self.scheduler.now + self.scheduler.wall_offset_ms

    def take_payment(self) -> bool:
        """Let a terminal begin one more payment, unless there were enough."""
        if self._payments_left <= 0:
            return False
        self._payments_left -= 1
        return True

    def decode_record(self, value: bytes) -> JournalRecord:
        """Decode each record once; values are frozen, so all readers may share them."""
        record = self._decoded.get(value)
        if record is None:
            record = self._decoded[value] = decode_record(value)
        return record

    def new_book(self, index: int):
        return handlers.new_book(index, self.settings)

    def next_line_number(self) -> int:
        self._line_count += 1
        return self._line_count

    def issuer_of(self, link: str) -> SimIssuer:
        return self.issuers[self.world.links[link]]

    def draw_issuer_delay_ms(self) -> int:
        return int(self.random.random() * ISSUER_DELAY_MAX_MS)

    def note_fault(self, kind: str, whom: str) -> None:
        self.witness.struck(kind, whom)

    def note_served(self, handler: SimHandler, index: int, claim_id: str) -> None:
        scheduler = self.scheduler
        self.served.append((scheduler.take_ticket(), scheduler.now, index, handler.name, claim_id))

    def note_lost(self, handler: SimHandler, index: int, why: Exception | None) -> None:
        kind = type(why).__name__ if why else "released"
        self.witness.struck(f"partition-lost {kind}", f"{handler.name} {index}")

    # -- processes

    def name_incarnation(self, name: str) -> str:
        self._incarnation_count += 1
        return f"{name}.{self._incarnation_count}"

    def list_members(self) -> set[str]:
        """Name the handlers that a group of them would hold for alive."""
        now = self.scheduler.now
        return {
            handler.incarnation
            for handler in self.handlers
            if handler.state == RUNNING
            or (handler.state == PAUSED and now - handler.paused_ms < handlers.SESSION_MS)
        }

    def start_handler(self, place: int) -> SimHandler:
        handler = SimHandler(self, place, self.name_incarnation(f"h{place}"))
        handler.clock_error_ms = self.draw_clock_error_ms()
        return handler

    def start_gateway(self, place: int) -> SimGateway:
        gateway = SimGateway(self, place, self.name_incarnation(f"g{place}"))
        self._all_gateways.append(gateway)
        gateway.clock_error_ms = self.draw_clock_error_ms()
        return gateway

    def draw_clock_error_ms(self) -> int:
        error_max = self.options.clock_error_max_ms
        return int((2 * self.random.random() - 1) * error_max)

    def is_struck_at_step(self, process: Process) -> bool:
        """Count the effects of a kind of process; say whether this one is not done, or not yet."""
        options = self.options
        if options.blow_to and process.name.startswith(options.blow_to):
            self.step_count += 1
            if self.step_count == options.blow_step:
                self.faults.strike_blow(process)
                return True
        faults = self.faults
        return self.is_stormy and faults.strikes_steps and faults.strikes_step(process)

    # -- lines and replies

    def open_line(self, terminal: Terminal) -> Line | None:
        """Connect a terminal to one of the gateways that run; None if none does."""
        running = [gateway for gateway in self.gateways if gateway.state != DEAD]
        if not running:
            return None
        gateway = running[int(self.random.random() * len(running))]
        line = Line(
            self.scheduler,
            self.random,
            self.next_line_number(),
            terminal,
            gateway,
            hear_below=terminal.hear,
            hear_above=gateway.hear,
            lose_below=terminal.lose,
            lose_above=gateway.lose,
            delay_max_ms=self.options.frame_delay_max_ms,
        )
        if gateway.state == RUNNING:
            gateway.open_line(line, terminal.spec.dialect)
        else:
            gateway.scheduler.after(0, gateway, gateway.open_line, line, terminal.spec.dialect)
        return line

    def send_reply(self, incarnation: str, value: bytes) -> None:
        """Bring an answer back to its gateway: late, twice, out of order, or not at all."""
        options, chance = self.options, self.random.random
        for gateway in self.gateways:
            if gateway.incarnation == incarnation:
                break
        else:
            gateway = self.gateways[0]  # another incarnation: it must not deliver it
        if self.is_stormy and chance() < options.reply_loss_rate:
            self.note_fault("reply-lost", incarnation)
            return
        delay = 1 + int(chance() * options.reply_delay_max_ms)
        self.scheduler.after(delay, gateway, gateway.take_reply, value)
        if self.is_stormy and chance() < options.reply_twice_rate:
            self.scheduler.after(delay + int(chance() * 3_000), gateway, gateway.take_reply, value)

    def _destroy_keys(self) -> None:
        """Destroy the keys of minutes that are over, by the clock of the fastest host."""
        self.world.keys.minute_keys.destroy_expired(self.wall_ms - MINUTE_KEY_LIFETIME_MS // 10)
        self.scheduler.after(KEYS_DESTROYED_EVERY_MS, None, self._destroy_keys)

    def gateway_refusals(self) -> list[dict[str, int]]:
        """What gateways refused by themselves, by reason, one entry an incarnation."""
        return [gateway.gateway.counts.refused for gateway in self._all_gateways]

    def processes(self) -> list[Process]:
        return [*self.handlers, *self.gateways, *self.projectors]
