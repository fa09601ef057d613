"""
What an onlooker saw, in the order in which it happened: the ground of every check.

Tickets order all witnesses among each other: the landing of a record, the sending of a message, a
booking, an answer.
"""

import msgspec

from tests.simulation.clock import Scheduler
from tests.simulation.issuers import Booked


class Handed(msgspec.Struct, frozen=True, gc=False):
    """A gateway handed a request to its producer."""

    ticket: int
    at_ms: int
    gateway: str
    inbound_id: str
    clock_error_ms: int


class SentUpstream(msgspec.Struct, frozen=True, gc=False):
    """A handler wrote a message to an issuer's socket."""

    ticket: int
    at_ms: int
    handler: str
    mti: str
    rrn: str
    stan: str
    link: str


class Answered(msgspec.Struct, frozen=True, gc=False):
    """A handler let an answer go."""

    ticket: int
    at_ms: int
    handler: str
    inbound_id: str
    status: int  # of an HTTP answer


class Strike(msgspec.Struct, frozen=True, gc=False):
    """A fault, and whom it struck."""

    ticket: int
    at_ms: int
    kind: str
    whom: str


class Witness:
    """Everything that was seen; nothing here is looked at by the switch."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.handed: dict[str, Handed] = {}
        self.sent: list[SentUpstream] = []
        self.answers: list[Answered] = []
        self.ledger: list[Booked] = []
        self.strikes: list[Strike] = []

    def handed_over(self, gateway, action) -> None:
        scheduler = self._scheduler
        self.handed[action.inbound_id] = Handed(
            scheduler.take_ticket(),
            scheduler.now,
            gateway.name,
            action.inbound_id,
            gateway.clock_error_ms,
        )

    def sent_upstream(self, handler, request) -> None:
        scheduler = self._scheduler
        match = request.match
        self.sent.append(
            SentUpstream(
                scheduler.take_ticket(),
                scheduler.now,
                handler.name,
                request.mti,
                match.rrn,
                match.stan,
                request.link,
            )
        )

    def answered(self, handler, reply) -> None:
        scheduler = self._scheduler
        self.answers.append(
            Answered(
                scheduler.take_ticket(),
                scheduler.now,
                handler.name,
                reply.inbound_id,
                reply.status,
            )
        )

    def booked(self, issuer: int, line) -> None:
        scheduler = self._scheduler
        self.ledger.append(Booked(scheduler.take_ticket(), scheduler.now, issuer, line))

    def struck(self, kind: str, whom: str) -> None:
        scheduler = self._scheduler
        self.strikes.append(Strike(scheduler.take_ticket(), scheduler.now, kind, whom))
