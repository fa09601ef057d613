"""`switch pos`: the terminal's own business with the switch."""

from typing import TYPE_CHECKING, Final

import click

from switch.cli.pos_counter import Counter, at_counter

if TYPE_CHECKING:
    from switch.domain.clock import Now
    from switch.terminal.actions import PosAction
    from switch.terminal.operations import Operation
    from switch.terminal.pos import Pos
    from switch.terminal.state import PosState

_SCHEMES: Final = ("001", "003", "004", "006")


@click.command("sign-on", short_help="Get new working keys.")
@click.option(
    "--scheme",
    type=click.Choice(_SCHEMES),
    help="Keys: 001 single, 003 double, 004 with track key, 006 SM4; else the terminal's own.",
)
@at_counter
def sign_on(counter: Counter, *, scheme: str | None) -> None:
    """Get new working keys, and the number of the batch."""
    from switch.terminal.operations import Operation

    def begin(pos: "Pos", _state: "PosState", now: "Now") -> "list[PosAction]":
        return pos.start_management(Operation.SIGN_ON, now, scheme=scheme or "")

    counter.run(begin)


@click.command("sign-off", short_help="Give the working keys up.")
@at_counter
def sign_off(counter: Counter) -> None:
    """Give the working keys up; what is still owed is sent before."""
    from switch.terminal.operations import Operation

    _run(counter, Operation.SIGN_OFF)


@click.command(short_help="Ask whether the switch is there.")
@at_counter
def echo(counter: Counter) -> None:
    """Ask whether the switch is there."""
    from switch.terminal.operations import Operation

    _run(counter, Operation.ECHO)


@click.command(short_help="Close the batch.")
@click.option("--upload", is_flag=True, help="Upload the payments even if both sides agree.")
@at_counter
def settle(counter: Counter, *, upload: bool) -> None:
    """
    Close the batch: compare totals, upload the payments if they differ (exit code 7), go on.

    A settlement that was interrupted goes on where it stopped.
    """
    from switch.terminal.operations import Operation

    _run(counter, Operation.SETTLEMENT, wants_upload=upload)


def _run(counter: Counter, operation: "Operation", *, wants_upload: bool = False) -> None:
    counter.run(
        lambda pos, _state, now: pos.start_management(operation, now, wants_upload=wants_upload)
    )
