"""The issuer links of one handler process: the real `IssuerLink` over simulated lines."""

from typing import TYPE_CHECKING

from switch.codec import load_dialect
from switch.domain.upstream import UpstreamAnswer, UpstreamRequest
from switch.issuers.connection import LinkState
from switch.issuers.events import (
    Answered,
    CloseLink,
    Connect,
    LateAnswer,
    LinkEvent,
    SendBytes,
    Unmatched,
)
from switch.issuers.limits import LinkLimits
from switch.issuers.link import IssuerLink
from tests.simulation.network import Line
from tests.simulation.world import ASCII

if TYPE_CHECKING:
    from tests.simulation.handlers import SimHandler

LIMITS = LinkLimits(
    answer_wait_ms=3_000,
    connect_timeout_ms=1_000,
    sign_on_timeout_ms=2_000,
    echo_interval_ms=15_000,
    echo_timeout_ms=3_000,
    reconnect_delay_max_ms=2_000,
)
TICK_MS = 20
_ANSWERS = (Answered, LateAnswer, Unmatched)


class SimLinks:
    """All links of a process, by the names that routes use."""

    def __init__(self, handler: "SimHandler") -> None:
        self.handler = handler
        self.ends = {name: LinkEnd(self, name) for name in handler.simulation.world.links}
        self.links_up: tuple[str, ...] = ()
        self._signed_on: frozenset[str] = frozenset()
        for end in self.ends.values():
            end.tick()

    def send(self, request: UpstreamRequest) -> bool:
        return self.ends[request.link].send(request)

    def note_change(self) -> None:
        ends = self.ends.items()
        links_up = tuple(sorted([name for name, end in ends if end.link.is_up]))
        signed_on = frozenset([name for name, end in ends if end.link.state is LinkState.UP])
        if links_up == self.links_up and signed_on == self._signed_on:
            return
        lost, self._signed_on = self._signed_on - signed_on, signed_on
        self.links_up = links_up
        self.handler.on_links_changed(links_up, lost)

    def close(self) -> None:
        for end in self.ends.values():
            if end.line is not None:
                end.line.close(self.handler)


class LinkEnd:
    """One link and the line that it has now, if any."""

    def __init__(self, links: SimLinks, name: str) -> None:
        self._links = links
        self._handler = links.handler
        self.line: Line | None = None
        self.link = IssuerLink(
            name,
            dialect=load_dialect(ASCII),
            vault=self._handler.simulation.world.keys.vault,
            limits=LIMITS,
            random=self._handler.simulation.random.random,
        )
        self._tick_due = 0
        self._was_up, self._last_state = self.link.is_up, self.link.state

    def send(self, request: UpstreamRequest) -> bool:
        handler = self._handler
        wire = self.link.send(request, handler.read_clock())
        if wire is None or self.line is None:
            return False
        simulation = handler.simulation
        simulation.witness.sent_upstream(handler, request)
        options, random = simulation.options, simulation.random
        extra_ms = 0
        if simulation.is_stormy and random.random() < options.adrift_rate:
            extra_ms = simulation.draw_issuer_delay_ms()
            simulation.note_fault("adrift", request.link)
        if extra_ms % 2:  # in a queue of the issuer's, not of the line's
            self.line.put_aside(wire, extra_ms)
        else:
            self.line.send_up(wire, extra_ms)
        return True

    def hear(self, line: Line, frame: bytes) -> None:
        if line is self.line:
            self._carry_out(self.link.data_received(frame, self._handler.read_clock()))

    def lose(self, line: Line) -> None:
        if line is self.line:
            self.line = None
            self._carry_out(self.link.connection_lost(self._handler.read_clock()))

    def tick(self) -> None:
        handler = self._handler
        wake_at = self.link.wake_at()
        if wake_at is not None and wake_at <= handler.boot_ms:
            self._carry_out(self.link.timer(handler.read_clock()))
        self._plan_tick()

    def _plan_tick(self) -> None:
        handler = self._handler
        scheduler = handler.scheduler
        if scheduler.now < self._tick_due <= scheduler.now + TICK_MS:
            return
        wake_at = self.link.wake_at()
        if wake_at is None:
            return
        due = max(wake_at - handler.boot_offset_ms, scheduler.now)
        if self._tick_due <= scheduler.now or due < self._tick_due - TICK_MS:
            jitter = int(handler.simulation.random.random() * TICK_MS)
            self._tick_due = due + 1 + jitter
            scheduler.at(self._tick_due, handler, self.tick)

    def _carry_out(self, events: list[LinkEvent]) -> None:
        answers: list[UpstreamAnswer] = []
        for event in events:
            if isinstance(event, _ANSWERS):
                answers.append(event.answer)
            elif isinstance(event, SendBytes):
                if self.line is not None:
                    self.line.send_up(event.frame)
            elif isinstance(event, Connect):
                self._connect()
            elif isinstance(event, CloseLink):
                line, self.line = self.line, None
                if line is not None:
                    line.close(self._handler)
        if answers:
            self._handler.on_issuer_messages(answers)
        link = self.link
        if link.is_up is not self._was_up or link.state is not self._last_state:
            self._was_up, self._last_state = link.is_up, link.state
            self._links.note_change()
        self._plan_tick()

    def _connect(self) -> None:
        handler = self._handler
        delay = 1 + int(handler.simulation.random.random() * 30)
        handler.scheduler.after(delay, handler, self._be_connected)

    def _be_connected(self) -> None:
        handler = self._handler
        issuer = handler.simulation.issuer_of(self.link.name)
        now = handler.read_clock()
        if not issuer.is_listening:
            self._carry_out(self.link.connection_lost(now, "refused"))
            return
        self.line = issuer.accept(handler, self)
        self._carry_out(self.link.connected(now))
