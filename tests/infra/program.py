"""What the files of infra/ are held against: the program's own settings, commands and metrics."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import yaml

from switch.adapters.telemetry import METRICS
from switch.apps.settings import Settings
from switch.apps.settings_sources import load_settings
from switch.cli.main import main

INFRA = Path(__file__).resolve().parents[2] / "infra"
ROLES = ("gateway", "handler", "registrar", "projector")
METRIC_NAMES = {metric.name for metric in METRICS}
IMAGE = "payment-switch"


def read_settings(environment: Mapping[str, object]) -> Settings:
    """Take an environment as the program would: an unknown name or a value that cannot be fails."""
    assert all(isinstance(value, str) for value in environment.values()), environment
    assert all(name.startswith("SWITCH__") for name in environment), environment
    return load_settings(environment=dict(environment)).settings


def check_command(words: Sequence[str]) -> dict[str, object]:
    """Parse `switch WORDS...` as the program would, without running it; return the options."""
    context = click.Context(main, info_name="switch")
    command: click.Command = main
    rest = list(words)
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None, words
        command, parent = found, context
        context = command.make_context(name, list(rest), parent=parent)
        rest = [*context._protected_args, *context.args] if isinstance(command, click.Group) else []
    return context.params


def read_yaml(path: Path) -> list[dict]:
    """Return every document of a file."""
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]


def check_image(image: str) -> None:
    """An image is named with its version, and without the host of a registry."""
    name, _, version = image.partition(":")
    assert version not in ("", "latest"), image
    assert "." not in name.partition("/")[0], image
