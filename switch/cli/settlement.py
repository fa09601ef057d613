"""`switch settlement`: what is settled on a day."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from switch.cli.client import data_option
from switch.cli.failure import EXIT_NO, CommandFailure, usage_failure

if TYPE_CHECKING:
    from projections.database import Connection
    from projections.queries.settlement import Day, Total


@click.group()
def settlement() -> None:
    """Settlement lines and totals, from the settlement projection."""


@settlement.command()
@click.argument("day", metavar="DATE")
@data_option
@click.option("--merchant", default="", help="Only this merchant id.")
@click.option(
    "--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True
)
def show(day: str, data_dir: Path, merchant: str, style: str) -> None:
    """Show the totals of DATE (YYYY-MM-DD) by merchant, terminal and batch."""
    from switch.cli.reading import read_database

    try:
        wanted = date.fromisoformat(day)
    except ValueError as error:
        raise usage_failure(f"{day!r} is not a date; write it like 2026-11-22") from error

    async def ask(connection: "Connection") -> "tuple[list[Total], list[Day]]":
        from projections.queries.settlement import list_days, read_totals

        totals = await read_totals(connection, wanted, merchant_id=merchant)
        return totals, ([] if totals else await list_days(connection))

    totals, days = read_database(data_dir, ask)
    if not totals:
        known = ", ".join(str(one.settlement_date) for one in days) or "none yet"
        raise CommandFailure(f"nothing settles on {wanted}; days with lines: {known}", EXIT_NO)
    if style == "json":
        _print_json(wanted, totals)
    else:
        _print_table(wanted, totals)


def _print_json(day: date, totals: "list[Total]") -> None:
    import msgspec

    from projections.queries.settlement import sum_totals

    content = {"settlement_date": day, "totals": totals, "sums": sum_totals(totals)}
    click.echo(msgspec.json.encode(content))


def _print_table(day: date, totals: "list[Total]") -> None:
    from rich.table import Table

    from projections.queries.settlement import sum_totals
    from switch.cli.screen import make_console, write_amount

    table = Table(title=f"Settlement of {day}", title_justify="left")
    for name in ("merchant", "terminal", "batch"):
        table.add_column(name)
    for name in ("sales", "reversals", "gross", "fee", "net", ""):
        table.add_column(name, justify="right" if name else "left")
    sums = sum_totals(totals)
    for total in (*totals, *sums.values()):
        if total is next(iter(sums.values())):
            table.add_section()
        is_sum = not total.merchant_id
        table.add_row(
            "all" if is_sum else total.merchant_id,
            total.terminal_id,
            total.batch,
            str(total.approval_count),
            str(total.reversal_count),
            *(
                write_amount(minor, total.currency)
                for minor in (total.gross_minor, total.fee_minor, total.net_minor)
            ),
            write_amount(None, total.currency),
            style="bold" if is_sum else "",
        )
    make_console().print(table)
