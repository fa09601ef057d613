"""`switch payment`: the case file of one payment."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from switch.cli.client import data_option
from switch.cli.failure import EXIT_NO, CommandFailure, usage_failure

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from projections.database import Connection
    from projections.queries.case_file import CaseFile, Subject
    from projections.queries.steps import Step

CATCH_UP_S: Final = 1.5  # a payment of this moment may not be in the tables yet
POLL_S: Final = 0.1
CARD_DIGITS: Final = range(13, 20)  # an RRN has twelve
STAN_DIGITS: Final = 6
_MONEY_STYLES: Final = {
    "debited": "bold green",
    "not-debited": "bold cyan",
    "returned": "bold cyan",
    "returning": "bold yellow",
    "unknown": "bold red",
}


@click.command()
@click.argument("reference", required=False, metavar="[RRN|KEY]")
@click.option("--stan", help="Trace number (DE 11), with --terminal.")
@click.option("--terminal", help="Terminal id (DE 41), with --stan.")
@data_option
@click.option(
    "--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True
)
def payment(
    reference: str | None, stan: str | None, terminal: str | None, data_dir: Path, style: str
) -> None:
    """
    Print the case file of a payment: every step, who decided, who was told what.

    Its first line says where the money is: debited, returned, or not known yet.

    Look it up by RRN, by idempotency key, or by --stan and --terminal.
    """
    from switch.cli.reading import read_database

    if (reference is None) == (stan is None) or (stan is None) != (terminal is None):
        raise usage_failure("name a payment by RRN or key, or by --stan and --terminal together")

    if stan is not None and not _is_stan(stan):
        raise usage_failure(f"{stan!r} is no trace number (DE 11): it has {STAN_DIGITS} digits")

    async def ask(connection: "Connection") -> "tuple[CaseFile | None, list[Subject]]":
        return await _find(
            connection, reference or "", (stan or "").zfill(STAN_DIGITS), terminal or ""
        )

    found, others = read_database(data_dir, ask)
    if found is None:
        if reference and _looks_like_card(reference):
            raise usage_failure("a payment is not looked up by card number; give its RRN or key")
        sought = reference or f"STAN {stan} of terminal {terminal}"
        raise CommandFailure(
            f"no payment under {sought}; see `switch projection status` whether the tables are "
            "behind. A sign-on, a settlement and a notice are none: `switch replay RRN` tells "
            "what became of them",
            EXIT_NO,
        )
    if style == "json":
        import msgspec

        click.echo(msgspec.json.encode(found))
        return
    _print(found, others)


def _is_stan(text: str) -> bool:
    """Whether it is a trace number; leading zeros may be left out."""
    return text.isascii() and text.isdecimal() and len(text) <= STAN_DIGITS


def _looks_like_card(reference: str) -> bool:
    return reference.isascii() and reference.isdecimal() and len(reference) in CARD_DIGITS


async def _find(
    connection: "Connection", reference: str, stan: str, terminal: str
) -> "tuple[CaseFile | None, list[Subject]]":
    """Look a payment up; give the projection a moment to catch up with what was just done."""
    from projections.queries.case_file import (
        find_by_reference,
        find_by_stan,
        load_case_file,
        load_refusals,
    )

    give_up_at = asyncio.get_running_loop().time() + CATCH_UP_S
    while True:
        if reference:
            subjects = await find_by_reference(connection, reference)
        else:
            subjects = await find_by_stan(connection, stan, terminal)
        named = [one for one in subjects if one.rrn or one.idempotency_key]
        if named:
            first = named[0]
            others = [one for one in named if not one.rrn or one.rrn != first.rrn]
            return await load_case_file(connection, first), [one for one in others if one != first]
        refusals = None if reference else await load_refusals(connection, stan, terminal)
        if refusals is not None or asyncio.get_running_loop().time() > give_up_at:
            return refusals, []
        await asyncio.sleep(POLL_S)


def _print(found: "CaseFile", others: "list[Subject]") -> None:
    from rich.text import Text

    from switch.cli.screen import WIDE, make_console, write_amount, write_moment

    console = make_console()
    row = found.payment
    style = _MONEY_STYLES.get(found.money_state, "bold")
    console.print(Text(found.verdict, style=style), soft_wrap=True)
    console.print()
    if row is not None:
        amount = f"{write_amount(row.amount_minor, row.currency)} "
        console.print(
            Text.assemble(
                ("Payment ", "bold"),
                (row.rrn, "bold"),
                f"  {row.kind} of {amount}{write_amount(None, row.currency)}",
                f"  {write_moment(row.opened_at_ms)}",
            )
        )
        console.print(
            f"merchant {row.merchant_id}  terminal {row.terminal_id or '-'}  batch "
            f"{row.batch or '-'}  STAN {row.stan or '-'}  card {row.masked_pan or '-'}",
        )
        console.print(f"{row.channel}  key {row.idempotency_key}", style="dim", soft_wrap=True)
    _print_related(console, found)
    console.print()
    if console.width >= WIDE:
        console.print(_make_table(found.steps))
    else:
        _print_downwards(console, found.steps)
    if others:
        console.print("Also under this reference:", style="dim")
        for other in others:
            console.print(f"  {other.rrn or other.idempotency_key}", style="dim")


def _print_related(console: "Console", found: "CaseFile") -> None:
    """Name the original, what changed the payment, and its cases."""
    from switch.cli.screen import write_amount

    if found.payment is not None and found.payment.original_rrn:
        console.print(f"changes   {found.payment.original_rrn}")
    for other in found.changed_by:
        amount = write_amount(other.amount_minor, other.currency)
        console.print(f"changed by {other.rrn}  {other.kind} of {amount}  {other.state}")
    for case in found.cases:
        console.print(f"case      {case.case_id}  {case.state}")


def _make_table(steps: "tuple[Step, ...]") -> "Table":
    from rich.text import Text

    from switch.cli.screen import make_table, write_gap, write_time

    table = make_table()
    for name in ("time (UTC)", "gap"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("partition/offset", no_wrap=True)
    for name in ("step", "decided by", "issuer", "terminal was told"):
        table.add_column(name)
    table.add_column("registry", justify="right")
    for step in steps:
        table.add_row(
            write_time(step.at_ms),
            write_gap(step.gap_ms),
            _write_place(step),
            Text(_write_title(step)),
            Text(step.rule),
            Text(_write_issuer(step)),
            Text(step.told_terminal),
            _write_position(step),
            style="dim strike" if step.is_void else "",
        )
    return table


def _print_downwards(console: "Console", steps: "tuple[Step, ...]") -> None:
    """Write each step over several lines: for a terminal too narrow for columns."""
    from rich.table import Table
    from rich.text import Text

    from switch.cli.screen import write_gap, write_time

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column()
    grid.add_row(Text("time (UTC)", "bold"), Text("gap", "bold"), Text("offset", "bold"))
    for step in steps:
        about = Text(_write_title(step), "bold")
        for name, text in (
            ("decided by", step.rule),
            ("issuer", _write_issuer(step)),
            ("terminal", step.told_terminal),
        ):
            if text:
                about.append(f"\n{name}: ", "not bold dim").append(text, "not bold")
        style = "dim strike" if step.is_void else ""
        grid.add_row(
            write_time(step.at_ms), write_gap(step.gap_ms), _write_place(step), about, style=style
        )
    console.print(grid)
    positions = sorted({step.registry_position for step in steps} - {0})
    console.print(f"\nregistry position: {', '.join(map(str, positions)) or '-'}", style="dim")


def _write_place(step: "Step") -> str:
    return f"{step.partition}/{step.journal_offset}.{step.event_index}"


def _write_title(step: "Step") -> str:
    if step.is_void:
        return f"VOID {step.title} (a former owner's record; it counts for nothing)"
    return step.title


def _write_issuer(step: "Step") -> str:
    told = f"-> {step.told_issuer}" if step.told_issuer else ""
    said = f"<- {step.issuer_said}" if step.issuer_said else ""
    return " ".join(part for part in (told, said) if part)


def _write_position(step: "Step") -> str:
    return str(step.registry_position or "-")  # 0: a step for which the registry was not asked
