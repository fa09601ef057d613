"""`switch up`: every role in one process group."""

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from switch.cli.running import RunOptions, make_say, read_settings, run_options, run_to_end

if TYPE_CHECKING:
    from switch.apps.demo import DemoWorld
    from switch.apps.up import Ready


@click.command()
@run_options
def up(
    data_dir: Path, *, demo: bool, file: Path | None, log_url: str | None, single_broker: bool
) -> None:
    """
    Run gateway, handlers, registrar, projections and HTTP in one process group.

    Without --log the log is embedded in the data folder. --demo also runs the issuer simulator.
    Ctrl-C (or SIGTERM) stops it within 5 s and loses nothing.
    """
    started_at = time.monotonic()
    say = make_say()
    settings = read_settings(RunOptions(data_dir, demo, file, log_url, single_broker))
    from switch.apps.demo import load_demo_world
    from switch.apps.up import Up

    world = load_demo_world() if demo else None

    def show_ready(ready: "Ready") -> None:
        # counted as the lines above count: from the command's start, imports included
        _show_ready(ready._replace(seconds=time.monotonic() - started_at))

    async def run() -> None:
        await Up(settings, data_dir, demo=world, say=say, on_ready=show_ready).run()

    run_to_end(settings, run)
    click.echo("stopped; nothing is lost, `switch up` goes on from here")


def _show_ready(ready: "Ready") -> None:
    addresses = ready.addresses
    click.echo(f"\nready after {ready.seconds:.1f} s\n")
    shown = {
        "terminals": f"{addresses.get('unionpay-pos', '-')}  unionpay-pos (2-byte length, TPDU)",
        "": f"{addresses.get('iso1987-ascii', '-')}  iso1987-ascii (2-byte length)",
        "HTTP": f"http://{addresses['http']}/",
        "issuer": str(addresses.get("issuer", "as configured")),
        "log": str(addresses["log"]),
        "data folder": str(ready.data_dir),
    }
    if ready.demo:
        shown["API key"] = ready.demo.api_key
    for name, text in shown.items():
        click.echo(f"  {name:<12} {text}")
    if ready.demo:
        _show_commands(ready, ready.demo)
    click.echo("\nCtrl-C stops it.")
    sys.stdout.flush()


def _show_commands(ready: "Ready", demo: "DemoWorld") -> None:
    from switch.apps.demo import DEMO_PAN

    program = Path(sys.argv[0]).resolve()
    words = [str(program)] if program.name == "switch" else [sys.executable, "-m", "switch"]
    switch = shlex.join(words)
    data = shlex.join(["--data", str(ready.data_dir)])
    order = (
        f'{{"merchant_id": "{demo.merchant_id}", "amount_minor": 1234, "currency": "CNY",'
        f' "card": {{"pan": "{DEMO_PAN}", "expiry": "12/30"}}}}'
    )
    click.echo("\nworth trying, from any shell:\n")
    click.echo(f"  {switch} pos sale --amount 12.34 {data}")
    click.echo(f"  {switch} pos sale --amount 1.98 {data}   # an issuer that never answers")
    click.echo(
        f"  curl -s http://{ready.addresses['http']}/v1/payments -H 'Authorization: Bearer"
        f" {demo.api_key}' -H 'Idempotency-Key: try-1' -d '{order}'"
    )
