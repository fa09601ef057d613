"""`switch config`: what is configured, and where each value comes from."""

import json
import os
from pathlib import Path

import click

from switch.cli.failure import usage_failure


@click.group()
def config() -> None:
    """Show settings: their values in force, or all of them explained."""


@config.command()
@click.option("--config", "file", type=click.Path(path_type=Path), help="Settings file (TOML).")
@click.option("--demo", is_flag=True, help="As `switch up --demo` would take them.")
@click.option(
    "--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True
)
def show(file: Path | None, demo: bool, style: str) -> None:
    """Print the effective settings with their origin, secrets hidden."""
    from switch.apps.settings_sources import (
        SettingsError,
        list_fields,
        load_settings,
        read_value,
        shown_value,
    )

    try:
        effective = load_settings(file=file, environment=os.environ, is_demo=demo)
    except SettingsError as error:
        raise usage_failure(str(error)) from error
    rows = []
    for field in list_fields():
        value = read_value(effective.settings, field.name)
        rows.append((field.name, value, shown_value(field, value), effective.origins[field.name]))
    if style == "json":
        secret = {field.name for field in list_fields() if field.is_secret}
        click.echo(
            json.dumps(
                {
                    name: {
                        "value": shown if name in secret and value else value,
                        "origin": origin,
                    }
                    for name, value, shown, origin in rows
                },
                indent=2,
            )
        )
        return
    name_width = max(len(row[0]) for row in rows)
    value_width = max(len(row[2]) for row in rows)
    for name, _, shown, origin in rows:
        click.echo(f"{name:<{name_width}}  {shown:<{value_width}}  {origin}")


@config.command()
def document() -> None:
    """Print docs/configuration.md."""
    from switch.apps.settings_document import write_document

    click.echo(write_document(), nl=False)
