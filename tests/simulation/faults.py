"""What goes wrong, when, and with whom; and how all of it is over in the end."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from switch.domain.registry.entities import (
    AgentStatus,
    MerchantStatus,
    ServiceStatus,
    TerminalStatus,
)
from switch.domain.registry.events import (
    AgentChanged,
    LinkChanged,
    MerchantChanged,
    TerminalChanged,
)
from switch.domain.registry.view import Registry
from tests.simulation import mischief
from tests.simulation.clock import DEAD, PAUSED, RUNNING
from tests.simulation.gateways import SimGateway
from tests.simulation.handlers import SimHandler

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

DETECTION_MS = 1_500  # until a lost handler's partitions are proposed to others
RESTART_MS = 2_000
JUMP_MS = 3_600_000
# what a handler is told of the others when it is to take a partition from one that seems gone
VIEWS = ("right", "right", "right", "ordinals", "none", "wrong")
TAKEN_BACK_RATE = 0.3  # of the hand-overs: the next rebalance proposes the old owner again
BLOW_PAUSE_MS = 4_000  # longer than it takes to hand on what a handler owned
STEP_STRIKE_RATE = 0.0005  # chance that a handler stops before one given effect


class Faults:
    """Strikes at random; knows how to put everything right again."""

    def __init__(self, simulation: "Simulation") -> None:
        self.simulation = simulation
        self.random = simulation.random
        options = simulation.options
        self._kinds = [kind for kind, _ in options.strikes]
        self._weights = [weight for _, weight in options.strikes]
        self._truth = Registry()
        for offset, entry in enumerate(simulation.registry.entries):
            self._truth.apply(offset, entry.event)
        self.proposed: dict[int, int] = {}  # partition -> place of the handler to own it
        self.has_jumped = False
        self.strikes_steps = bool({"handler-crash", "handler-pause"} & set(self._kinds))
        for index in range(options.partition_count):
            self._propose(index, index % options.handler_count)

    def begin(self) -> None:
        """Let it begin."""
        self._plan_strike()

    def _draw_ms(self, least: int, most: int) -> int:
        return least + int(self.random.random() * (most - least))

    def _pick(self, things):
        return things[int(self.random.random() * len(things))]

    # -- striking

    def _plan_strike(self) -> None:
        if self._kinds:
            mean = self.simulation.options.strike_every_ms
            delay = int(self.random.expovariate(1 / mean)) + 1
            self.simulation.scheduler.after(delay, None, self._strike)

    def _strike(self) -> None:
        if not self.simulation.is_stormy:
            return
        [kind] = self.random.choices(self._kinds, self._weights)
        getattr(self, f"_{kind.replace('-', '_')}")()
        self._plan_strike()

    def _note(self, kind: str, whom: str) -> None:
        self.simulation.note_fault(kind, whom)

    def _after(self, delay_ms: int, take, *args) -> None:
        self.simulation.scheduler.after(delay_ms, None, take, *args)

    def strikes_step(self, process) -> bool:
        """Say whether a handler stops right here, between two effects."""
        if not isinstance(process, SimHandler) or self.random.random() >= STEP_STRIKE_RATE:
            return False
        if "handler-crash" in self._kinds and self.random.random() < 0.5:
            self.crash_handler(process)
        else:
            self.pause_handler(process)
        return True

    def strike_blow(self, process) -> None:
        """Strike the one process that the options name, at this very step."""
        if self.simulation.options.blow == "pause":
            self._note("pause", process.name)
            process.pause()
            self.simulation.log.delay_writers_of(process)
            self._after(BLOW_PAUSE_MS, self._wake, process)
            if isinstance(process, SimHandler):
                self._hand_on_later(process)
        elif isinstance(process, SimHandler):
            self.crash_handler(process)
        elif isinstance(process, SimGateway):
            self.crash_gateway(process)
        else:
            self._note("projector-crash", process.name)
            process.crash()

    # -- handlers

    def _pick_handler(self) -> SimHandler | None:
        running = [h for h in self.simulation.handlers if h.state == RUNNING]
        return self._pick(running) if running else None

    def _handler_crash(self) -> None:
        handler = self._pick_handler()
        if handler is not None:
            self.crash_handler(handler)

    def crash_handler(self, handler: SimHandler) -> None:
        self._note("handler-crash", handler.name)
        handler.die()
        self._hand_on_later(handler)
        self._after(self._draw_ms(100, 2 * RESTART_MS), self._restart_handler, handler.place)

    def _restart_handler(self, place: int) -> None:
        simulation = self.simulation
        if simulation.handlers[place].state == DEAD:
            simulation.handlers[place] = simulation.start_handler(place)
            self._renew(place)

    def _renew(self, place: int) -> None:
        for index, proposed in self.proposed.items():
            if proposed == place:
                self.simulation.handlers[place].want(index)

    def _handler_pause(self) -> None:
        handler = self._pick_handler()
        if handler is not None:
            self.pause_handler(handler)

    def pause_handler(self, handler: SimHandler) -> None:
        """Stop it in the middle of things; somebody else takes over if it takes too long."""
        self._note("handler-pause", handler.name)
        handler.pause()
        if self.random.random() < 0.5:
            self.simulation.log.delay_writers_of(handler)
        pause_ms = self._pick((300, 900, 2_000, 4_000, 9_000))
        self._hand_on_later(handler)
        self._after(self._draw_ms(pause_ms // 2, pause_ms), self._wake, handler)

    def _wake(self, process) -> None:
        if process.state == PAUSED:
            self._note("wake", process.name)
            process.wake()

    def _handler_slow(self) -> None:
        """Let a handler fall behind: what it reads has waited."""
        handler = self._pick_handler()
        if handler is not None:
            self._note("handler-slow", handler.name)
            handler.read_delay_ms = self._draw_ms(500, 5_000)
            self._after(self._draw_ms(2_000, 8_000), self._speed_up, handler)

    def _speed_up(self, handler: SimHandler) -> None:
        handler.read_delay_ms = 2

    # -- who owns what

    def _propose(self, index: int, place: int, view: str = "") -> None:
        if not self.simulation.is_stormy:
            return  # the owners are settled for good
        self.proposed[index] = place
        handler = self.simulation.handlers[place]
        if handler.state != DEAD:
            handler.want(index, view or self._pick(VIEWS))

    def _hand_on_later(self, handler: SimHandler) -> None:
        self._after(self._draw_ms(DETECTION_MS // 2, DETECTION_MS), self._hand_on, handler)

    def _hand_on(self, handler: SimHandler) -> None:
        """Propose the partitions of a handler that is gone, or seems to be, to the others."""
        simulation = self.simulation
        if handler.state == RUNNING or not simulation.is_stormy:
            return
        others = [h for h in simulation.handlers if h.state == RUNNING]
        for index, place in self.proposed.items():
            if place == handler.place and others:
                handler._wanted.pop(index, None)
                self._propose(index, self._pick(others).place)

    def _hand_over(self) -> None:
        """Move a partition from a handler that is well to another, politely or not."""
        simulation = self.simulation
        index = self._pick(list(self.proposed))
        handler = self._pick_handler()
        if handler is None or self.proposed[index] == handler.place:
            return
        old = simulation.handlers[self.proposed[index]]
        is_polite = self.random.random() < 0.6 and old.state == RUNNING
        self._note("hand-over", f"{index} {old.name} -> {handler.name}")
        if is_polite and self.random.random() < TAKEN_BACK_RATE:
            old.unwant(index)
            self._after(self._draw_ms(1, 1_000), self._propose, index, old.place, "right")
        elif is_polite:
            old.unwant(index)
            self._after(self._draw_ms(1, 5_000), self._propose, index, handler.place)
            self.proposed[index] = handler.place
        else:
            old._wanted.pop(index, None)
            self._propose(index, handler.place, "ordinals")

    def _fight(self) -> None:
        """Let two handlers believe that a partition is theirs, for a while."""
        running = [h for h in self.simulation.handlers if h.state == RUNNING]
        index = self._pick(list(self.proposed))
        others = [h for h in running if h.place != self.proposed[index]]
        if others:
            rival = self._pick(others)
            self._note("fight", f"{index} {rival.name}")
            rival.want(index, "ordinals")
            self._after(self._draw_ms(1_000, 6_000), self._end_fight, index, rival)

    def _end_fight(self, index: int, rival: SimHandler) -> None:
        if self.proposed[index] != rival.place:
            rival._wanted.pop(index, None)

    # -- gateways

    def _pick_gateway(self):
        running = [g for g in self.simulation.gateways if g.state == RUNNING]
        return self._pick(running) if running else None

    def _gateway_crash(self) -> None:
        gateway = self._pick_gateway()
        if gateway is not None:
            self.crash_gateway(gateway)

    def crash_gateway(self, gateway: SimGateway) -> None:
        self._note("gateway-crash", gateway.name)
        gateway.die()
        self._after(self._draw_ms(100, 3_000), self._restart_gateway, gateway.place)

    def _restart_gateway(self, place: int) -> None:
        simulation = self.simulation
        if simulation.gateways[place].state == DEAD:
            simulation.gateways[place] = simulation.start_gateway(place)
            if "storm" in self._kinds and simulation.is_stormy:
                self._storm()

    def _gateway_pause(self) -> None:
        gateway = self._pick_gateway()
        if gateway is not None:
            self._note("gateway-pause", gateway.name)
            gateway.pause()
            self._after(self._draw_ms(200, 6_000), self._wake, gateway)

    def _storm(self) -> None:
        """Let every terminal repeat what it has under way."""
        self._note("duplicate-storm", "terminals")
        for terminal in self.simulation.terminals:
            mischief.storm(terminal)

    def _lines_cut(self) -> None:
        """Break the lines of a share of the terminals."""
        self._note("lines-cut", "terminals")
        for terminal in self.simulation.terminals:
            if terminal.line is not None and self.random.random() < 0.4:
                terminal.line.close()

    # -- the log

    def _pick_partition(self):
        name = "journal" if self.random.random() < 0.7 else "inbound"
        index = int(self.random.random() * self.simulation.options.partition_count)
        return self.simulation.log.partition(name, index)

    def _log_frozen(self) -> None:
        partitions = list(self.simulation.log.partitions.values())
        if self.random.random() < 0.6:
            partitions = [self._pick_partition()]
        until = self.simulation.scheduler.now + self._draw_ms(500, 10_000)
        for partition in partitions:
            self._note("log-frozen", partition.name)
            partition.frozen_until_ms = until

    def _log_full(self) -> None:
        partitions = list(self.simulation.log.partitions.values())
        self._note("log-full", "log")
        for partition in partitions:
            partition.is_full = True
        self._after(self._draw_ms(500, 5_000), self._make_room)

    def _make_room(self) -> None:
        for partition in self.simulation.log.partitions.values():
            partition.is_full = False

    def _log_cut(self) -> None:
        """Cut a writer's connection after it has sent, before it hears."""
        busy = [w for w in self.simulation.log.writers if not w.is_cut]
        if busy:
            writer = self._pick(busy)
            self._note("log-cut", f"{writer.process.name} {writer.partition.name}")
            writer.cut(lands_late=self.random.random() < 0.5)

    # -- issuers and their lines

    def _link_cut(self) -> None:
        issuer = self._pick(self.simulation.issuers)
        self._note("link-cut", issuer.name)
        if self.random.random() < 0.5:
            issuer.cut_one_line(self.random.random)
        else:
            issuer.cut_lines()

    def _issuer_slow(self) -> None:
        issuer = self._pick(self.simulation.issuers)
        self._note("issuer-slow", issuer.name)
        issuer.slow_ms = self._draw_ms(500, 8_000)
        self._after(self._draw_ms(2_000, 10_000), self._heal_issuer, issuer)

    def _issuer_silent(self) -> None:
        issuer = self._pick(self.simulation.issuers)
        self._note("issuer-silent", issuer.name)
        issuer.is_silent = True
        self._after(self._draw_ms(1_000, 9_000), self._heal_issuer, issuer)

    def _issuer_down(self) -> None:
        issuer = self._pick(self.simulation.issuers)
        self._note("issuer-down", issuer.name)
        issuer.is_listening = False
        issuer.cut_lines()
        self._after(self._draw_ms(1_000, 9_000), self._heal_issuer, issuer)

    def _heal_issuer(self, issuer) -> None:
        issuer.slow_ms = 0
        issuer.is_silent = False
        issuer.is_listening = True

    # -- registry and clocks

    def _registry_change(self) -> None:
        """Take something out of service, or put back what is."""
        change = self._draw_change()
        self._note("registry-change", type(change).__name__)
        self._enter(change)

    def _enter(self, event) -> None:
        self._truth.apply(self._truth.position, event)
        self.simulation.registry.append(event)

    def _draw_change(self):
        truth = self._truth
        kind = self._pick(("merchant", "merchant", "merchant", "terminal", "agent", "link"))
        if kind == "merchant":
            merchant = self._pick(truth.list_entities("merchants"))
            is_on = merchant.status is MerchantStatus.ACTIVATED
            off = self._pick((MerchantStatus.SUSPENDED, MerchantStatus.FROZEN))
            status = off if is_on else MerchantStatus.ACTIVATED
            return MerchantChanged(merchant=replace(merchant, status=status))
        if kind == "terminal":
            terminal = self._pick(truth.list_entities("terminals"))
            is_on = terminal.status is TerminalStatus.ACTIVATED
            status = TerminalStatus.DISABLED if is_on else TerminalStatus.ACTIVATED
            return TerminalChanged(terminal=replace(terminal, status=status))
        if kind == "agent":
            agent = self._pick(truth.list_entities("agents"))
            is_on = agent.status is AgentStatus.ACTIVE
            status = AgentStatus.SUSPENDED if is_on else AgentStatus.ACTIVE
            return AgentChanged(agent=replace(agent, status=status))
        link = self._pick(truth.list_entities("links"))
        is_on = link.status is ServiceStatus.IN_SERVICE
        status = ServiceStatus.SUSPENDED if is_on else ServiceStatus.IN_SERVICE
        return LinkChanged(link=replace(link, status=status))

    def _registry_stall(self) -> None:
        process = self._pick([*self.simulation.handlers, *self.simulation.gateways])
        self._note("registry-stall", process.name)
        process.follower.stall()
        self._after(self._draw_ms(500, 6_000), process.follower.recover)

    def _clock_jump(self) -> None:
        """Move one host's wall clock by an hour, one way or the other."""
        process = self._pick([*self.simulation.handlers, *self.simulation.gateways])
        self._note("clock-jump", process.name)
        self.has_jumped = True
        process.clock_error_ms += self._pick((-JUMP_MS, JUMP_MS))
        self._after(self._draw_ms(2_000, 20_000), self._set_clock, process)

    def _set_clock(self, process) -> None:
        process.clock_error_ms = self.simulation.draw_clock_error_ms()

    # -- projections

    def _projector_crash(self) -> None:
        projector = self._pick(self.simulation.projectors)
        self._note("projector-crash", projector.name)
        projector.crash()

    # -- calm

    def heal(self) -> None:
        """Put everything right, and leave it so."""
        simulation = self.simulation
        simulation.log.heal()
        for issuer in simulation.issuers:
            self._heal_issuer(issuer)
        for process in simulation.processes():
            process.wake()
        for place, handler in enumerate(simulation.handlers):
            self._restart_handler(place)
            handler.read_delay_ms = 2
        for place in range(len(simulation.gateways)):
            self._restart_gateway(place)
        for process in [*simulation.handlers, *simulation.gateways]:
            process.follower.recover()
            process.clock_error_ms = simulation.draw_clock_error_ms()
        for terminal in simulation.terminals:
            if terminal.line is not None and terminal.line.is_black:
                terminal.line.close()
        self._settle_owners()
        self._restore_registry()

    def _settle_owners(self) -> None:
        for index, place in self.proposed.items():
            for handler in self.simulation.handlers:
                if handler.place != place:
                    handler.unwant(index)
            self.simulation.handlers[place].want(index)

    def _restore_registry(self) -> None:
        """Put links back into service; whoever was suspended may stay so."""
        for link in self._truth.list_entities("links"):
            if link.status is not ServiceStatus.IN_SERVICE:
                self._enter(LinkChanged(link=replace(link, status=ServiceStatus.IN_SERVICE)))

    def list_unserved(self) -> list[str]:
        """Name the partitions whose owner has work left, or that have none."""
        unserved = []
        for index, place in self.proposed.items():
            ownership = self.simulation.handlers[place].owned.get(index)
            if ownership is None or not ownership.is_quiet:
                unserved.append(f"partition {index}")
        return unserved
