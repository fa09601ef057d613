"""A terminal at its counter: which one, what it remembers, where it calls, how it tells its end."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from switch.cli.client import InstanceClient, data_option
from switch.cli.failure import EXIT_FAULT, EXIT_NO, EXIT_WRONG, CommandFailure, usage_failure

if TYPE_CHECKING:
    from switch.domain.clock import Now
    from switch.terminal.actions import PosAction
    from switch.terminal.outcome import PosOutcome
    from switch.terminal.pos import Pos
    from switch.terminal.state import PosState

CHANNELS: Final = ("unionpay-pos", "iso1987-ascii")
CURRENCY: Final = "156"
WAIT_MARGIN_MS: Final = 3_000  # a terminal waits a little longer than the switch takes
_APPROVAL_LENGTH: Final = 6
_MONTHS: Final = range(1, 13)
WAIT_MS: Final = 60_000  # where the switch does not say how long it takes


class Digits(click.ParamType[str]):
    """An option's value that must be digits, or the message could not be written."""

    name = "digits"

    def __init__(self, count_min: int, count_max: int) -> None:
        """Take so many digits."""
        self._counts = range(count_min, count_max + 1)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse anything else, without repeating it: it may be a card number."""
        if not (value.isascii() and value.isdecimal() and len(value) in self._counts):
            low, high = self._counts[0], self._counts[-1]
            self.fail(f"give {low if low == high else f'{low} to {high}'} digits", param, ctx)
        return value


class Identity(click.ParamType[str]):
    """A terminal's or merchant's number, as long as the element that carries it at most."""

    name = "text"

    def __init__(self, length: int) -> None:
        """Take so many characters at most."""
        self._length = length

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what the element cannot hold; shorter than it is filled with blanks."""
        if not value or not (value.isascii() and value.isprintable()) or len(value) > self._length:
            self.fail(f"give 1 to {self._length} letters or digits", param, ctx)
        return value


class Expiry(Digits):
    """A card's expiry as DE 14 has it, YYMM."""

    def __init__(self) -> None:
        """Take a year and a month."""
        super().__init__(4, 4)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse a month that no year has, and people's own order (MMYY) where that tells it."""
        digits = super().convert(value, param, ctx)
        if int(digits[2:]) not in _MONTHS:
            self.fail("give YYMM, year before month; the month is 01 to 12", param, ctx)
        return digits


class Approval(click.ParamType[str]):
    """An approval's number (DE 38)."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what the element cannot hold."""
        if not (value.isascii() and value.isalnum() and len(value) == _APPROVAL_LENGTH):
            self.fail(f"give {_APPROVAL_LENGTH} letters or digits", param, ctx)
        return value


_COUNTER_OPTIONS: Final = (
    click.option(
        "--terminal", "terminal_id", type=Identity(8), help="DE 41; the demo's first one."
    ),
    click.option(
        "--merchant",
        "merchant_id",
        type=Identity(15),
        help="DE 42 as sent; else the terminal's own.",
    ),
    click.option(
        "--channel",
        type=click.Choice(CHANNELS),
        help="How the terminal speaks; else its own profile.",
    ),
    data_option,
    click.option(
        "--format",
        "style",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
    ),
)


def at_counter(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that choose a terminal; it is called with its `counter`."""

    @functools.wraps(command)
    def wrapped(
        *,
        terminal_id: str | None,
        merchant_id: str | None,
        channel: str | None,
        data_dir: Path,
        style: str,
        **options: object,
    ) -> None:
        command(Counter(data_dir, terminal_id, merchant_id, channel, style), **options)

    decorated: Callable[..., None] = wrapped
    for option in reversed(_COUNTER_OPTIONS):
        decorated = option(decorated)
    return decorated


class Counter:
    """One terminal at its counter: who it is, where it calls, what it remembers."""

    def __init__(
        self,
        data_dir: Path,
        terminal_id: str | None,
        merchant_id: str | None,
        channel: str | None,
        style: str,
    ) -> None:
        """
        Find the instance, and the terminal in the demo world; any other terminal may call as well.

        Raises:
            CommandFailure: nothing is running over this data folder.
        """
        import msgspec

        from switch.adapters.key_file import FileKeyStore
        from switch.apps.demo import load_demo_world
        from switch.cli.pos_session import PosFile
        from switch.security.sealing import Sealer

        client = InstanceClient(data_dir)
        world = load_demo_world()
        found = world.find_terminal(terminal_id, channel)
        if found is None:
            # any terminal may call; the switch knows whether it is one of its own
            like = world.find_terminal(None, channel) or world.terminals[0]
            found = msgspec.structs.replace(like, terminal_id=terminal_id or like.terminal_id)
        self._terminal = found
        self._merchant_id = merchant_id or found.merchant_id
        self._style = style
        self._address = client.address(found.profile)
        self._wait_ms = _find_wait_ms(client)
        sealer = Sealer(FileKeyStore(data_dir / "keys").ensure_key("pos-1", durable=True))
        name = f"{found.acquirer}-{found.terminal_id}"
        self.file: PosFile = PosFile(data_dir / "pos", name, sealer)

    @property
    def shows_json(self) -> bool:
        """Whether the command's output is for scripts."""
        return self._style == "json"

    def load_state(self) -> "PosState":
        """Return what the terminal remembers, or how it leaves the shop."""
        from switch.terminal.state import PosState

        found = self._terminal
        stored = self.file.load()
        if stored is None:
            stored = PosState(
                profile=found.profile,
                terminal_id=found.terminal_id,
                merchant_id=self._merchant_id,
                batch=found.batch or "000001",
                mac_algorithm=found.mac_algorithm,
                mak=found.mak,
                pik=found.pik,
                key_scheme=found.key_scheme,
            )
        if not stored.tmk:
            stored.tmk, stored.pin_format = found.tmk, found.pin_format
            stored.serial_number = found.serial_number
        stored.merchant_id = self._merchant_id
        return stored

    def run(
        self,
        begin: "Callable[[Pos, PosState, Now], list[PosAction]]",
        *,
        drops_answer: bool = False,
        breaks_mac: bool = False,
    ) -> None:
        """
        Do one thing at this terminal and print how it ended; the exit code says it to scripts.

        `begin` may change the state before it begins. What it refuses with a ValueError is a wrong
        argument, and so is what no message can hold: nothing was stored or sent then.
        """
        from switch.adapters.clock import read_clock
        from switch.cli.pos_session import PosSession
        from switch.codec import CodecError
        from switch.terminal.pos import Pos, PosLimits

        with self.file.locked():
            state = self.load_state()
            pos = Pos(state, PosLimits(answer_wait_ms=self._wait_ms))
            try:
                actions = begin(pos, state, read_clock())
            except (ValueError, CodecError) as error:
                raise usage_failure(str(error)) from error
            session = PosSession(
                pos,
                self.file,
                self._address,
                breaks_mac=breaks_mac,
                tell=functools.partial(click.echo, err=True),
            )
            self._finish(session.run(actions, drops_answer=drops_answer))

    def _finish(self, outcome: "PosOutcome") -> None:
        import msgspec

        from switch.terminal.operations import Operation
        from switch.terminal.outcome import OutcomeKind
        from switch.terminal.receipt import render_receipt

        click.echo(msgspec.json.encode(outcome) if self.shows_json else render_receipt(outcome))
        if outcome.kind is OutcomeKind.NOT_SENT:
            click.get_current_context().exit(EXIT_FAULT)
        if outcome.kind is OutcomeKind.UNBALANCED:
            click.get_current_context().exit(EXIT_WRONG)
        # a script delivers on 0: what was taken back is a success only of who wanted it back
        is_reversal = outcome.operation is Operation.REVERSAL
        if outcome.kind is not (OutcomeKind.REVERSED if is_reversal else OutcomeKind.APPROVED):
            click.get_current_context().exit(EXIT_NO)


def _find_wait_ms(client: InstanceClient) -> int:
    try:
        deadline_ms = client.get("/v1/status").get("terminal_deadline_ms")
    except CommandFailure:
        return WAIT_MS
    return min(WAIT_MS, deadline_ms + WAIT_MARGIN_MS) if isinstance(deadline_ms, int) else WAIT_MS
