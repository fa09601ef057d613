"""`switch issuer`: the demo issuer by itself, and its ledger for people."""

import signal
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from switch.cli.failure import EXIT_FAULT, EXIT_IN_USE, EXIT_NO, CommandFailure, usage_failure

if TYPE_CHECKING:
    from switch.demo.issuer_line import LedgerLine

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
    help="When answers that come too late come.",
)
@click.option(
    "--pin-check/--no-pin-check",
    "checks_pin",
    default=True,
    help="Decline a PIN other than 123456, under the demo's zone key, with 55.",
)
@click.pass_context
def issuer(
    ctx: click.Context,
    *,
    folder: Path,
    address: str,
    delay_ms: int,
    late_ms: int,
    checks_pin: bool,
) -> None:
    """
    Run the issuer simulator (iso1987-ascii, 2-byte length) until Ctrl-C.

    The last two digits of the amount choose the answer: 51 55 61 declined, 91 96 cannot,
    93 approves another amount, 94 answers twice, 97 too late, 98 never, the rest approved.

    Refunds and advices of 98 are ignored twice, then taken. A void is declined at 85,
    answered too late at 87 and never at 88. 66.66 leaves its first three reversals unanswered.
    """
    ctx.obj = folder / _LEDGER_NAME
    if ctx.invoked_subcommand is None:
        _run(ctx.obj, address, delay_ms, late_ms, checks_pin=checks_pin)


@issuer.command()
@click.option("--rrn", help="Only this payment and what changed it.")
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
    """
    Print what the issuer received and did.

    One line a message; on a narrow terminal two.

    `moved` is what the message took from the cardholder, or gave back; `hold` what it changed of
    what is held on the card.
    """
    import msgspec

    from switch.cli.screen import WIDE, make_console
    from switch.demo.issuer_ledger import read_ledger

    path = folder / _LEDGER_NAME if folder else path
    if not path.exists():
        raise usage_failure(f"there is no {path}; name the data folder with --data")
    lines = _pick(read_ledger(path), rrn) if rrn else list(read_ledger(path))
    if style == "json":
        for line in lines:
            click.echo(msgspec.json.encode(line))
        return
    if not lines:
        raise CommandFailure(f"the issuer never heard of {rrn or 'any payment'}", EXIT_NO)
    gap = "  " if make_console().width >= WIDE else "\n  "  # a narrow terminal gets two lines each
    click.secho(
        f"{'time (UTC)':<23}  {'MTI':<4}  {'what':<13}  {'outcome':<10}  DE39  {'RRN':<12}"
        f"{gap}{'STAN':<6}  {'amount':>12}  {'moved':>17}",
        bold=True,
    )
    for line in lines:
        click.echo(_write(line, gap))


def _pick(lines: "Iterable[LedgerLine]", rrn: str) -> "list[LedgerLine]":
    """Take the lines of a payment, of those that quote it, and of those that quote these."""
    rrns = {rrn}
    picked = []
    for line in lines:
        if line.rrn in rrns or line.original_rrn in rrns:
            rrns.add(line.rrn)
            picked.append(line)
    return picked


def _write(line: "LedgerLine", gap: str) -> str:
    from datetime import UTC, datetime

    at = f"{datetime.fromtimestamp(line.at // 1000, UTC):%Y-%m-%d %H:%M:%S}.{line.at % 1000:03d}"
    amount = "" if line.op == "network" else _write_amount(line, line.amount_minor)
    moves = [_write_amount(line, line.moved_minor)] if line.moved_minor else []
    moves += [f"hold {_write_amount(line, line.held_minor)}"] if line.held_minor else []
    original = f"  of {line.original_rrn}" if line.original_rrn else ""
    return (
        f"{at}  {line.mti or '-':<4}  {line.op:<13}  {line.outcome:<10}"
        f"  {line.response_code or '-':<4}  {line.rrn or '-':<12}{gap}{line.stan or '-':<6}"
        f"  {amount:>12}  {', '.join(moves):>17}{original}"
    ).rstrip()


def _write_amount(line: "LedgerLine", minor: int) -> str:
    from switch.domain.money import CURRENCY_NAMES, format_minor

    currency = line.currency if line.currency in CURRENCY_NAMES else "156"
    return f"{'-' if minor < 0 else ''}{format_minor(abs(minor), currency)}"


def _run(path: Path, address: str, delay_ms: int, late_ms: int, *, checks_pin: bool) -> None:
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
            pace = IssuerPace(delay_ms=delay_ms, late_ms=late_ms)
            simulator = await start_issuer(host, int(port), path, pace, checks_pin=checks_pin)
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
