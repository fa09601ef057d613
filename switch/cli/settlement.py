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


@click.group(short_help="Settlement lines and totals.")
def settlement() -> None:
    """Settlement lines and totals, from the settlement projection."""


@settlement.command(short_help="A day's totals by merchant, terminal and batch.")
@click.argument("day", metavar="[DATE]", required=False)
@data_option
@click.option("--merchant", default="", help="Only this merchant id.")
@click.option(
    "--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True
)
def show(day: str | None, data_dir: Path, merchant: str, style: str) -> None:
    """
    Show the totals of DATE (YYYY-MM-DD), or of the latest day, by merchant, terminal and batch.

    A day here is the settlement date on the receipt, not the date of the payment.
    """
    from switch.cli.reading import read_database

    try:
        named = date.fromisoformat(day) if day is not None else None
    except ValueError as error:
        raise usage_failure(f"{day!r} is not a date; write it like 2026-11-22") from error

    async def ask(connection: "Connection") -> "tuple[date | None, list[Total], list[Day]]":
        from projections.queries.settlement import list_days, read_totals

        days = await list_days(connection)
        latest = days[0].settlement_date if days else None
        wanted = named or latest
        if wanted is None:
            return None, [], []
        return wanted, await read_totals(connection, wanted, merchant_id=merchant), days

    wanted, totals, days = read_database(data_dir, ask)
    if wanted is None or not totals:
        raise CommandFailure(_explain_none(wanted or named, merchant, days), EXIT_NO)
    if style == "json":
        _print_json(wanted, totals)
    else:
        _print_table(wanted, totals)


def _explain_none(day: date | None, merchant: str, days: "list[Day]") -> str:
    known = ", ".join(str(one.settlement_date) for one in days)
    if not known:
        return "nothing settles yet: no payment was approved so far"
    whose = f" for merchant {merchant}" if merchant else ""
    return f"nothing settles on {day}{whose}; days with lines: {known}"


def _print_json(day: date, totals: "list[Total]") -> None:
    import msgspec

    from projections.queries.settlement import sum_totals

    content = {"settlement_date": day, "totals": totals, "sums": sum_totals(totals)}
    click.echo(msgspec.json.encode(content))


def _print_table(day: date, totals: "list[Total]") -> None:
    from projections.queries.settlement import sum_totals
    from switch.cli.screen import make_console, make_table, print_table, write_amount

    table = make_table(f"Settlement of {day}")
    for name in ("merchant", "terminal", "batch"):
        table.add_column(name, no_wrap=True)
    for name in ("sales", "voids", "refunds", "reversals", "gross", "fee", "net", ""):
        table.add_column(name, justify="right" if name else "left")
    sums = sum_totals(totals)
    for total in (*totals, *sums.values()):
        if total is next(iter(sums.values())):
            table.add_section()
        is_sum = not total.merchant_id
        table.add_row(
            "all" if is_sum else total.merchant_id,
            total.terminal_id or ("" if is_sum else "(API)"),
            total.batch,
            str(total.approval_count),
            str(total.void_count),
            str(total.refund_count),
            str(total.reversal_count),
            *(
                write_amount(minor, total.currency)
                for minor in (total.gross_minor, total.fee_minor, total.net_minor)
            ),
            write_amount(None, total.currency),
            style="bold" if is_sum else "",
        )
    print_table(make_console(), table)
