"""`switch issuer`: the demo issuer by itself, and its ledger for people."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from switch.cli.failure import EXIT_FAULT, EXIT_IN_USE, EXIT_NO, CommandFailure, usage_failure

if TYPE_CHECKING:
    from switch.demo.issuer_book import LedgerLine

_LEDGER_NAME = "issuer-ledger.jsonl"


@click.group(invoke_without_command=True)
@click.option(
    "--data",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    show_default=True,
    help="Folder of issuer-ledger.jsonl.",
)
@click.option("--address", default="127.0.0.1:8590", show_default=True, help="Port 0: a free one.")
@click.option("--delay-ms", type=click.IntRange(min=0), default=0, help="Think time per answer.")
@click.option(
    "--late-ms",
    type=click.IntRange(min=0),
    default=4_000,
    show_default=True,
    help="When amounts ending in 97 are answered.",
)
@click.pass_context
def issuer(ctx: click.Context, folder: Path, address: str, delay_ms: int, late_ms: int) -> None:
    """
    Run the issuer simulator (iso1987-ascii, 2-byte length) until Ctrl-C.

    The last two digits of the amount choose the answer: 51 55 61 declined, 91 96 cannot,
    93 approves another amount, 94 answers twice, 97 too late, 98 never, the rest approved.
    66.66 leaves its first three reversals unanswered.
    """
    ctx.obj = folder / _LEDGER_NAME
    if ctx.invoked_subcommand is None:
        _run(ctx.obj, address, delay_ms, late_ms)


@issuer.command()
@click.option("--rrn", help="Only this payment.")
@click.option(
    "--data",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of issuer-ledger.jsonl; else that of `switch issuer --data`.",
)
@click.option(
    "--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True
)
@click.pass_obj
def ledger(path: Path, rrn: str | None, folder: Path | None, style: str) -> None:
    """Print what the issuer received and did, one line a message."""
    import msgspec

    from switch.demo.issuer_ledger import read_ledger

    path = folder / _LEDGER_NAME if folder else path
    if not path.exists():
        raise usage_failure(f"there is no {path}; name the data folder with --data")
    lines = [line for line in read_ledger(path) if not rrn or line.rrn == rrn]
    if style == "json":
        for line in lines:
            click.echo(msgspec.json.encode(line))
        return
    if not lines:
        raise CommandFailure(f"the issuer never heard of {rrn or 'any payment'}", EXIT_NO)
    click.secho(
        f"{'time (UTC)':<23}  {'MTI':<4}  {'what':<13}  {'outcome':<10}  DE39  {'RRN':<12}"
        f"  {'STAN':<6}  {'amount':>12}",
        bold=True,
    )
    for line in lines:
        click.echo(_write(line))


def _write(line: "LedgerLine") -> str:
    from datetime import UTC, datetime

    at = f"{datetime.fromtimestamp(line.at // 1000, UTC):%Y-%m-%d %H:%M:%S}.{line.at % 1000:03d}"
    amount = "" if line.op == "network" else _write_amount(line)
    return (
        f"{at}  {line.mti or '-':<4}  {line.op:<13}  {line.outcome:<10}"
        f"  {line.response_code or '-':<4}  {line.rrn or '-':<12}  {line.stan or '-':<6}"
        f"  {amount:>12}"
    ).rstrip()


def _write_amount(line: "LedgerLine") -> str:
    from switch.domain.money import CURRENCY_NAMES, format_minor

    return format_minor(
        line.amount_minor, line.currency if line.currency in CURRENCY_NAMES else "156"
    )


def _run(path: Path, address: str, delay_ms: int, late_ms: int) -> None:
    import asyncio

    from switch.adapters.loop import run_loop
    from switch.demo.issuer_simulator import IssuerPace, start_issuer

    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise usage_failure(f"{address!r} is not an address; write it like 127.0.0.1:8590")

    async def main() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            simulator = await start_issuer(
                host, int(port), path, IssuerPace(delay_ms=delay_ms, late_ms=late_ms)
            )
        except OSError as error:
            raise CommandFailure(
                f"cannot listen on {address}: {error.strerror}; choose another --address",
                EXIT_IN_USE,
            ) from error
        click.echo(f"issuer simulator on {simulator.address}, ledger {path}; Ctrl-C stops it")
        await stopped.wait()
        await simulator.close()

    try:
        run_loop(main(), uvloop=True)
    except OSError as error:
        raise CommandFailure(f"the issuer stopped: {error}", EXIT_FAULT) from error
