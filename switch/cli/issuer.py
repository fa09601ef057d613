"""`switch issuer`: the demo issuer by itself, and its ledger for people."""

import signal
from pathlib import Path

import click

from switch.cli.failure import EXIT_FAULT, EXIT_IN_USE, CommandFailure, usage_failure

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
    r"""
    Run the issuer simulator (iso1987-ascii, 2-byte length) until Ctrl-C.

    \b
    The last two digits of the amount choose the answer: 51 55 61 declined, 91 96 cannot,
    93 approves another amount, 94 answers twice, 97 too late, 98 never, the rest approved.
    66.66 leaves its first three reversals unanswered.
    """
    ctx.obj = folder / _LEDGER_NAME
    if ctx.invoked_subcommand is None:
        _run(ctx.obj, address, delay_ms, late_ms)


@issuer.command()
@click.option("--rrn", help="Only this payment.")
@click.option("--format", "style", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def ledger(path: Path, rrn: str | None, style: str) -> None:
    """Print what the issuer received and did, one line a message."""
    import msgspec

    from switch.demo.issuer_ledger import read_ledger

    if not path.exists():
        raise usage_failure(f"there is no {path}; name the data folder with --data")
    for line in read_ledger(path):
        if rrn and line.rrn != rrn:
            continue
        if style == "json":
            click.echo(msgspec.json.encode(line))
            continue
        amount = f"{line.amount_minor / 100:.2f}" if line.op != "network" else ""
        click.echo(
            f"{line.at}  {line.mti or '-':<4}  {line.op:<13} {line.outcome:<10}"
            f" {line.response_code or '-':<2}  rrn {line.rrn or '-':<12} stan {line.stan or '-':<6}"
            f" {amount:>12}"
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
