"""`switch up`: every role in one process group."""

import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from switch.cli.failure import (
    EXIT_FAULT,
    EXIT_FOREIGN_FOLDER,
    EXIT_IN_USE,
    EXIT_USAGE,
    CommandFailure,
    usage_failure,
)

if TYPE_CHECKING:
    from switch.apps.demo import DemoWorld
    from switch.apps.up import Ready

_EXIT_CODES: Final = {
    "in-use": EXIT_IN_USE,
    "foreign-folder": EXIT_FOREIGN_FOLDER,
    "setting": EXIT_USAGE,
    "fault": EXIT_FAULT,
}


@click.command()
@click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of log, keys and database; made if it is not there.",
)
@click.option("--demo", is_flag=True, help="Short deadlines, demo merchants, issuer simulator.")
@click.option("--config", "file", type=click.Path(path_type=Path), help="Settings file (TOML).")
@click.option("--log", "log_url", help="kafka://HOST:PORT[,...][?prefix=NAME]; else embedded.")
def up(data_dir: Path, demo: bool, file: Path | None, log_url: str | None) -> None:
    """
    Run gateway, handlers, registrar, projections and HTTP in one process group.

    Ctrl-C (or SIGTERM) stops it within 5 s and loses nothing.
    """
    started_at = time.monotonic()
    from switch.adapters.loop import raise_open_files, run_loop
    from switch.adapters.telemetry import configure_logging
    from switch.apps.demo import load_demo_world
    from switch.apps.settings_sources import SettingsError, load_settings
    from switch.apps.up import Up, UpRefused

    options: dict[str, object] = {"log.url": log_url} if log_url else {}
    world = load_demo_world() if demo else None
    try:
        settings = load_settings(
            file=file,
            environment=os.environ,
            options=options,
            is_demo=demo,
        ).settings
    except SettingsError as error:
        raise usage_failure(str(error)) from error
    configure_logging(
        log_format=settings.telemetry.log_format, log_level=settings.telemetry.log_level
    )
    raise_open_files(settings.runtime.open_files_count_min)

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - started_at:6.1f} s  {text}")
        sys.stdout.flush()

    def show_ready(ready: "Ready") -> None:
        # counted as the lines above count: from the command's start, imports included
        _show_ready(ready._replace(seconds=time.monotonic() - started_at))

    async def run() -> None:
        await Up(settings, data_dir, demo=world, say=say, on_ready=show_ready).run()

    try:
        run_loop(run(), uvloop=settings.runtime.uvloop)
    except UpRefused as refused:
        raise CommandFailure(str(refused), _EXIT_CODES[refused.kind]) from refused
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
