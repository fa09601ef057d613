"""What a POS asks of the shell around it; carried out in order."""

from typing import NamedTuple

from switch.terminal.outcome import PosOutcome


class SaveState(NamedTuple):
    """Store the terminal's state durably before the next action."""


class SendFrame(NamedTuple):
    """Send this, over a new connection if there is none; tell `not_connected` if that fails."""

    frame: bytes


class Finish(NamedTuple):
    """The operation is over; print the receipt."""

    outcome: PosOutcome


PosAction = SaveState | SendFrame | Finish
