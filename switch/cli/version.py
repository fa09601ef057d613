"""`switch version`."""

import platform

import click

import switch


@click.command()
def version() -> None:
    """Print the version of the switch and of the Python that runs it."""
    click.echo(f"switch {switch.__version__} (Python {platform.python_version()})")
