"""What an operator asks of a case, and how it is read back from what was recorded of it."""

import enum
from collections.abc import Sequence
from typing import Final

import msgspec

from switch.domain.cases.events import (
    CaseAssigned,
    CaseNoted,
    CaseResolutionProposed,
    CaseResolved,
    Resolution,
)
from switch.domain.money import Money
from switch.domain.payment.events import CaseOpened, Event

LOCAL_OPERATOR: Final = "local"  # whoever holds the operator token of the machine


class CommandKind(enum.Enum):
    """The value is the word of the operator channel."""

    OPEN = "open"
    NOTE = "note"
    ASSIGN = "assign"
    RESOLVE = "resolve"


class CaseCommand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One thing that an operator wants; `command_id` is the same whenever it is asked again.

    To open a claim, `rrn` names the payment; merchant, terminal and amount are what the one who
    asks knows of it, for a payment that the partition no longer remembers.
    """

    kind: CommandKind
    command_id: str
    by: str
    at: int
    case_id: str = ""
    text: str = ""
    owner: str = ""
    resolution: Resolution | None = None
    rrn: str = ""
    amount: Money | None = None
    acquirer: str = ""
    merchant_id: str = ""
    terminal_id: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Under which it is remembered: two operators may choose the same id."""
        return (self.by, self.command_id)

    @property
    def content(self) -> tuple[object, ...]:
        """What must be equal when it is asked again."""
        return (self.kind, self.case_id, self.text, self.owner, self.resolution, self.rrn)


def read_command(events: Sequence[Event]) -> CaseCommand | None:
    """Read back the command that a record answers; None if it answers none."""
    match list(events):
        case [CaseOpened() as opened, CaseNoted(by=by, text=text, command_id=command_id)]:
            return CaseCommand(
                kind=CommandKind.OPEN,
                command_id=command_id,
                by=by,
                at=opened.at,
                text=text,
                rrn=opened.rrn,
                amount=opened.amount,
                acquirer=opened.acquirer,
                merchant_id=opened.merchant_id,
                terminal_id=opened.terminal_id,
            )
        case [CaseNoted() as noted]:
            return _read(CommandKind.NOTE, noted, text=noted.text)
        case [CaseAssigned() as assigned]:
            return _read(CommandKind.ASSIGN, assigned, text=assigned.text, owner=assigned.owner)
        case [CaseResolutionProposed() as proposed]:
            return _read(
                CommandKind.RESOLVE,
                proposed,
                text=proposed.text,
                resolution=proposed.resolution,
            )
        case [CaseResolved() as resolved, *_]:
            second = resolved.confirmed_by
            return CaseCommand(
                kind=CommandKind.RESOLVE,
                command_id=resolved.command_id,
                by=second or resolved.by,
                at=resolved.at,
                case_id=resolved.case_id,
                text=resolved.confirmed_text if second else resolved.text,
                resolution=resolved.resolution,
            )
        case _:
            return None


def _read(
    kind: CommandKind,
    event: CaseNoted | CaseAssigned | CaseResolutionProposed,
    *,
    text: str,
    owner: str = "",
    resolution: Resolution | None = None,
) -> CaseCommand:
    return CaseCommand(
        kind=kind,
        command_id=event.command_id,
        by=event.by,
        at=event.at,
        case_id=event.case_id,
        text=text,
        owner=owner,
        resolution=resolution,
    )
