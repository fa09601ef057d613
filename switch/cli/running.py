"""How a command becomes a process that serves: its options, settings, and how it ends."""

import os
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

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
    from switch.apps.settings import Settings

CommandT = TypeVar("CommandT", bound=Callable[..., Any])
_EXIT_CODES: Final = {
    "in-use": EXIT_IN_USE,
    "foreign-folder": EXIT_FOREIGN_FOLDER,
    "setting": EXIT_USAGE,
    "fault": EXIT_FAULT,
}


class RunOptions(NamedTuple):
    """What every process is started with."""

    data_dir: Path
    demo: bool
    file: Path | None
    log_url: str | None
    single_broker: bool


def run_options(command: CommandT) -> CommandT:
    """Add the options of RunOptions to a command."""
    for option in reversed(
        (
            click.option(
                "--data",
                "data_dir",
                type=click.Path(path_type=Path, file_okay=False),
                required=True,
                help="Data folder of this process; made if it is not there.",
            ),
            click.option("--demo", is_flag=True, help="Short deadlines, demo merchants."),
            click.option(
                "--config", "file", type=click.Path(path_type=Path), help="Settings file (TOML)."
            ),
            click.option("--log", "log_url", help="kafka://HOST:PORT[,...][?prefix=NAME]."),
            click.option(
                "--single-broker",
                is_flag=True,
                help="Accept topics with one copy (log.single_broker).",
            ),
        )
    ):
        command = option(command)
    return command


def read_settings(options: RunOptions) -> "Settings":
    """
    Read the settings, and set up logging and the limit of open files by them.

    Raises:
        CommandFailure: a setting is wrong (exit code 2).
    """
    from switch.adapters.loop import raise_open_files
    from switch.adapters.telemetry import configure_logging
    from switch.apps.settings_sources import SettingsError, load_settings

    named: dict[str, object] = {"log.url": options.log_url} if options.log_url else {}
    if options.single_broker:
        named["log.single_broker"] = True
    try:
        settings = load_settings(
            file=options.file, environment=os.environ, options=named, is_demo=options.demo
        ).settings
    except SettingsError as error:
        raise usage_failure(str(error)) from error
    configure_logging(
        log_format=settings.telemetry.log_format, log_level=settings.telemetry.log_level
    )
    raise_open_files(settings.runtime.open_files_count_min)
    return settings


def make_say() -> Callable[[str], None]:
    """Make what prints a line with the seconds since now before it."""
    started_at = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - started_at:6.1f} s  {text}")
        sys.stdout.flush()

    return say


def run_to_end(settings: "Settings", make: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """
    Run the event loop until the process is asked to stop.

    Raises:
        CommandFailure: it cannot start, or could not go on.
    """
    from switch.adapters.loop import run_loop
    from switch.apps.launch import StartRefused

    try:
        run_loop(make(), uvloop=settings.runtime.uvloop)
    except StartRefused as refused:
        raise CommandFailure(str(refused), _EXIT_CODES[refused.kind]) from refused
