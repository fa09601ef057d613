"""`switch payment`: the case file of one payment."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from switch.cli.client import data_option
from switch.cli.failure import EXIT_NO, CommandFailure, usage_failure

if TYPE_CHECKING:
    from rich.table import Table

    from projections.database import Connection
    from projections.queries.case_file import CaseFile, Subject
    from projections.queries.steps import Step

CATCH_UP_S: Final = 1.5  # a payment of this moment may not be in the tables yet
POLL_S: Final = 0.1
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

    Look it up by RRN, by idempotency key, or by --stan and --terminal.
    """
    from switch.cli.reading import read_database

    if (reference is None) == (stan is None) or (stan is None) != (terminal is None):
        raise usage_failure("name a payment by RRN or key, or by --stan and --terminal together")

    async def ask(connection: "Connection") -> "tuple[CaseFile | None, list[Subject]]":
        return await _find(connection, reference or "", (stan or "").zfill(6), terminal or "")

    found, others = read_database(data_dir, ask)
    if found is None:
        sought = reference or f"STAN {stan} of terminal {terminal}"
        raise CommandFailure(
            f"no payment under {sought}; see `switch projection status` whether the tables are "
            "behind",
            EXIT_NO,
        )
    if style == "json":
        import msgspec

        click.echo(msgspec.json.encode(found))
        return
    _print(found, others)


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
            return await load_case_file(connection, named[0]), named[1:]
        refusals = None if reference else await load_refusals(connection, stan, terminal)
        if refusals is not None or asyncio.get_running_loop().time() > give_up_at:
            return refusals, []
        await asyncio.sleep(POLL_S)


def _print(found: "CaseFile", others: "list[Subject]") -> None:
    from rich.text import Text

    from switch.cli.screen import make_console, write_amount, write_moment

    console = make_console()
    row = found.payment
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
            markup=False,
        )
        console.print(
            f"{row.channel}  key {row.idempotency_key}", markup=False, style="dim", soft_wrap=True
        )
    console.print()
    question = Text("Was it debited?  ", style="bold")
    question.append(found.verdict, style=_MONEY_STYLES.get(found.money_state, "bold"))
    console.print(question)
    console.print()
    console.print(_make_table(found.steps))
    if others:
        console.print("Also under this reference:", style="dim")
        for other in others:
            console.print(f"  {other.rrn or other.idempotency_key}", style="dim", markup=False)


def _make_table(steps: "tuple[Step, ...]") -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from switch.cli.screen import write_gap, write_time

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("time (UTC)", "gap"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("partition/offset", no_wrap=True)
    for name in ("step", "decided by", "issuer", "terminal was told"):
        table.add_column(name)
    table.add_column("registry", justify="right")
    for step in steps:
        issuer = " ".join(
            part
            for part in (
                f"-> {step.told_issuer}" if step.told_issuer else "",
                f"<- {step.issuer_said}" if step.issuer_said else "",
            )
            if part
        )
        title = f"VOID {step.title} (a former owner's record; it counts for nothing)"
        table.add_row(
            write_time(step.at_ms),
            write_gap(step.gap_ms),
            f"{step.partition}/{step.journal_offset}.{step.event_index}",
            Text(title if step.is_void else step.title),
            Text(step.rule),
            Text(issuer),
            Text(step.told_terminal),
            str(step.registry_position),
            style="dim strike" if step.is_void else "",
        )
    return table
