"""`switch pos`: a point-of-sale terminal on the command line."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from switch.cli.client import InstanceClient, data_option
from switch.cli.failure import EXIT_FAULT, EXIT_NO, CommandFailure, usage_failure

if TYPE_CHECKING:
    from switch.domain.clock import Now
    from switch.terminal.outcome import PosOutcome
    from switch.terminal.pos import Pos
    from switch.terminal.state import PosState

CHANNELS: Final = ("unionpay-pos", "iso1987-ascii")
CURRENCY: Final = "156"
WAIT_MARGIN_MS: Final = 3_000  # a terminal waits a little longer than the switch takes
WAIT_MS: Final = 60_000  # where the switch does not say how long it takes


class _Digits(click.ParamType[str]):
    """An option's value that must be digits, or the message could not be written."""

    name = "digits"

    def __init__(self, count_min: int, count_max: int) -> None:
        self._counts = range(count_min, count_max + 1)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse anything else, without repeating it: it may be a card number."""
        if not (value.isascii() and value.isdecimal() and len(value) in self._counts):
            low, high = self._counts[0], self._counts[-1]
            self.fail(f"give {low if low == high else f'{low} to {high}'} digits", param, ctx)
        return value


class _Identity(click.ParamType[str]):
    """A terminal's or merchant's number, as long as the element that carries it at most."""

    name = "text"

    def __init__(self, length: int) -> None:
        self._length = length

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what the element cannot hold; shorter than it is filled with blanks."""
        if not value or not (value.isascii() and value.isprintable()) or len(value) > self._length:
            self.fail(f"give 1 to {self._length} letters or digits", param, ctx)
        return value


format_option = click.option(
    "--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True
)
terminal_option = click.option(
    "--terminal", "terminal_id", type=_Identity(8), help="DE 41; the demo's first one."
)
merchant_option = click.option(
    "--merchant", "merchant_id", type=_Identity(15), help="DE 42 as sent; else the terminal's own."
)
channel_option = click.option(
    "--channel", type=click.Choice(CHANNELS), help="How the terminal speaks; else its own profile."
)


@click.group()
def pos() -> None:
    """
    Take payments as a cashier would, against a running instance.

    The terminal remembers its trace number, batch, key and the reversal that it owes in DIR/pos/.
    """


@pos.command(short_help="Ask for a payment and print the receipt.")
@click.option("--amount", help="As people write it: 12.34 (needed unless --repeat).")
@click.option("--repeat", is_flag=True, help="Send the last payment again, the same bytes.")
@click.option("--drop-answer", is_flag=True, help="Lose the answer on its way back.")
@click.option("--pan", type=_Digits(1, 19), help="Card number; the demo's card.")
@click.option("--expiry", type=_Digits(4, 4), help="YYMM; the demo card's.")
@click.option(
    "--entry-mode",
    type=_Digits(3, 3),
    default="012",
    show_default=True,
    help="DE 22: how the card is read.",
)
@click.option(
    "--merchant-type", type=_Digits(4, 4), help="DE 18: a merchant category, else none is sent."
)
@click.option(
    "--currency",
    type=_Digits(3, 3),
    default=CURRENCY,
    show_default=True,
    help="DE 49: an ISO 4217 number.",
)
@click.option(
    "--batch", type=_Digits(6, 6), help="DE 60.2, from this payment on; else the terminal's own."
)
@click.option("--wrong-mac", is_flag=True, help="Send a wrong MAC.")
@terminal_option
@merchant_option
@channel_option
@data_option
@format_option
def sale(
    *,
    amount: str | None,
    repeat: bool,
    drop_answer: bool,
    pan: str | None,
    expiry: str | None,
    entry_mode: str,
    merchant_type: str | None,
    currency: str,
    batch: str | None,
    wrong_mac: bool,
    terminal_id: str | None,
    merchant_id: str | None,
    channel: str | None,
    data_dir: Path,
    style: str,
) -> None:
    """Ask for a payment and print the receipt (exit code 0: approved, 1: not)."""
    from switch.apps.demo import DEMO_EXPIRATION_DATE, DEMO_PAN
    from switch.cli.pos_session import PosSession
    from switch.domain.money import parse_amount
    from switch.terminal.messages import SaleOrder

    if repeat == (amount is not None):
        raise usage_failure("give either --amount or --repeat")
    counter = _Counter(data_dir, terminal_id, merchant_id, channel)
    with counter.file.locked():
        state = counter.load_state()
        state.merchant_type = merchant_type or ""
        state.batch = batch or state.batch
        terminal = counter.open_pos(state)
        now = _now()
        if repeat:
            try:
                actions = terminal.start_repeat(now)
            except ValueError as error:
                raise usage_failure(str(error)) from error
        else:
            try:
                money = parse_amount(amount or "", currency)
            except ValueError as error:
                raise usage_failure(str(error)) from error
            except KeyError as error:
                raise usage_failure(f"no currency has the number {currency!r}") from error
            order = SaleOrder(
                amount_minor=money.minor,
                pan=pan or DEMO_PAN,
                expiration_date=expiry or ("" if pan else DEMO_EXPIRATION_DATE),
                currency=currency,
                pos_entry_mode=entry_mode,
            )
            actions = terminal.start_sale(order, now)
        session = PosSession(terminal, counter.file, counter.address, breaks_mac=wrong_mac)
        _finish(session.run(actions, drops_answer=drop_answer), style)


@pos.command()
@click.option(
    "--reason",
    type=click.Choice(["98", "96", "A0", "06"]),
    default="98",
    show_default=True,
    help="Why: no answer, terminal fault, MAC wrong, other.",
)
@terminal_option
@merchant_option
@channel_option
@data_option
@format_option
def reverse(
    *,
    reason: str,
    terminal_id: str | None,
    merchant_id: str | None,
    channel: str | None,
    data_dir: Path,
    style: str,
) -> None:
    """Take the last payment back (0400)."""
    from switch.cli.pos_session import PosSession

    counter = _Counter(data_dir, terminal_id, merchant_id, channel)
    with counter.file.locked():
        terminal = counter.open_pos(counter.load_state())
        try:
            actions = terminal.start_reversal(reason, _now())
        except ValueError as error:
            raise usage_failure(str(error)) from error
        _finish(PosSession(terminal, counter.file, counter.address).run(actions), style)


@pos.command()
@terminal_option
@merchant_option
@channel_option
@data_option
@format_option
def status(
    *,
    terminal_id: str | None,
    merchant_id: str | None,
    channel: str | None,
    data_dir: Path,
    style: str,
) -> None:
    """Show what the terminal remembers."""
    import json

    counter = _Counter(data_dir, terminal_id, merchant_id, channel)
    state = counter.load_state()
    last = state.last
    shown = {
        "terminal": state.terminal_id,
        "merchant": state.merchant_id,
        "profile": state.profile,
        "batch": state.batch,
        "last trace number": f"{state.stan:06d}",
        "last payment": f"{last.mti} STAN {last.fields['stan']}" if last else "none",
        "owes a reversal": f"yes, reason {last.owed_reason}" if last and last.owed_reason else "no",
        "file": str(counter.file.path),
    }
    if style == "json":
        click.echo(json.dumps(shown, indent=2))
        return
    for name, text in shown.items():
        click.echo(f"{name:<18} {text}")


class _Counter:
    """One terminal at its counter: who it is, where it calls, what it remembers."""

    def __init__(
        self,
        data_dir: Path,
        terminal_id: str | None,
        merchant_id: str | None,
        channel: str | None,
    ) -> None:
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
        self.address = client.address(found.profile)
        self._wait_ms = _find_wait_ms(client)
        sealer = Sealer(FileKeyStore(data_dir / "keys").ensure_key("pos-1", durable=True))
        name = f"{found.acquirer}-{found.terminal_id}"
        self.file: PosFile = PosFile(data_dir / "pos", name, sealer)

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
            )
        stored.merchant_id = self._merchant_id
        return stored

    def open_pos(self, state: "PosState") -> "Pos":
        """Switch the terminal on."""
        from switch.terminal.pos import Pos, PosLimits

        return Pos(state, PosLimits(answer_wait_ms=self._wait_ms))


def _find_wait_ms(client: InstanceClient) -> int:
    try:
        deadline_ms = client.get("/v1/status").get("terminal_deadline_ms")
    except CommandFailure:
        return WAIT_MS
    return min(WAIT_MS, deadline_ms + WAIT_MARGIN_MS) if isinstance(deadline_ms, int) else WAIT_MS


def _finish(outcome: "PosOutcome", style: str) -> None:
    import msgspec

    from switch.terminal.outcome import OutcomeKind
    from switch.terminal.receipt import render_receipt

    if style == "json":
        click.echo(msgspec.json.encode(outcome))
    else:
        click.echo(render_receipt(outcome))
    if outcome.kind is OutcomeKind.NOT_SENT:
        click.get_current_context().exit(EXIT_FAULT)
    if outcome.kind not in {OutcomeKind.APPROVED, OutcomeKind.REVERSED}:
        click.get_current_context().exit(EXIT_NO)


def _now() -> "Now":
    from switch.adapters.clock import read_clock

    return read_clock()
