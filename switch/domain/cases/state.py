"""The fold of one case: `open_case_state(event)`, then `evolve(case, event)`."""

import enum
from typing import Final, assert_never

import msgspec
from msgspec.structs import replace

from switch.domain.cases.events import (
    CaseAssigned,
    CaseClosed,
    CaseEvent,
    CaseNoted,
    CaseResolutionProposed,
    CaseResolved,
    Resolution,
)
from switch.domain.money import Money
from switch.domain.payment.events import CaseOpened
from switch.domain.payment.state import LATE_APPROVAL

OUTCOME_OPEN: Final = "outcome-open"
NOT_SERVED: Final = "not-served"
INBOUND_PARKED: Final = "inbound-parked"


class CaseState(enum.Enum):
    """Where a case stands; the value is the word of the API and the command line."""

    OPEN = "open"
    PROPOSED = "proposed"  # resolved by one person, waiting for a second
    RESOLVED = "resolved"  # by people
    CLOSED = "closed"  # by itself: what it waited for has come


class Proposal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the first of two persons wants to be done."""

    resolution: Resolution
    by: str
    text: str
    at: int


class Case(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    One case as its events left it.

    `amount` is that of its payment when it was opened, or the opening's own; None if nobody knows.
    `ended_at` is 0 while it is open.
    """

    case_id: str
    kind: str
    opened_at: int
    rrn: str = ""
    amount: Money | None = None
    state: CaseState = CaseState.OPEN
    owner: str = ""
    proposal: Proposal | None = None
    resolution: Resolution | None = None
    resolved_by: str = ""
    confirmed_by: str = ""
    ended_at: int = 0

    @property
    def is_ended(self) -> bool:
        """Whether nobody need look at it any more."""
        return self.state in {CaseState.RESOLVED, CaseState.CLOSED}


def waiting_case_ids(rrn: str) -> tuple[str, ...]:
    """Name the cases of a payment that close by themselves once its issuer has answered."""
    return outcome_case_id(rrn), f"{LATE_APPROVAL}-{rrn}"


def outcome_case_id(rrn: str) -> str:
    """Name the case of a payment whose issuer has not answered for too long."""
    return f"{OUTCOME_OPEN}-{rrn}"


def parked_case_id(partition: int, inbound_offset: int, mark: str = "") -> str:
    """Name the case of a parked inbound record; with a `mark` that of all copies of a request."""
    return f"{INBOUND_PARKED}-{partition:02d}-{mark or inbound_offset}"


def start_case(event: CaseOpened, amount: Money | None) -> Case:
    """Begin the fold; `amount` is what the payment under `rrn` says."""
    return Case(
        case_id=event.case_id,
        kind=event.kind,
        opened_at=event.at,
        rrn=event.rrn,
        amount=event.amount or amount,
    )


def evolve(case: Case, event: CaseEvent) -> Case:
    """Return the case after `event`."""
    match event:
        case CaseNoted():
            return case
        case CaseAssigned(owner=owner):
            return replace(case, owner=owner)
        case CaseResolutionProposed(resolution=resolution, by=by, text=text, at=at):
            proposal = Proposal(resolution=resolution, by=by, text=text, at=at)
            return replace(case, state=CaseState.PROPOSED, proposal=proposal)
        case CaseResolved(resolution=resolution, by=by, confirmed_by=second, at=at):
            return replace(
                case,
                state=CaseState.RESOLVED,
                proposal=None,
                resolution=resolution,
                resolved_by=by,
                confirmed_by=second,
                ended_at=at,
            )
        case CaseClosed(at=at):
            return replace(case, state=CaseState.CLOSED, proposal=None, ended_at=at)
        case _:
            assert_never(event)
