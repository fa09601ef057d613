"""`docs/configuration.md`, written from the settings themselves."""

from typing import Final

import msgspec

from switch.apps.settings import DEMO_OVERRIDES, Settings
from switch.apps.settings_sources import list_fields, shown_value, type_name

_HEAD: Final = """\
# Configuration

This page is written by `switch config document` from the settings themselves; a test keeps it true.

One TOML file (`--config FILE`), one table a section. Each setting can be overridden by an
environment variable `SWITCH__SECTION__KEY`, e.g. `SWITCH__TIMES__ISSUER_TIMEOUT_MS=30000`. A later
source wins: default, demo (`--demo`), file, environment, command line. A name that no setting has
stops the start. `switch config show` prints the values in force with their origin; secrets are
hidden.

The last word of a name is its unit; `bytes`, `count` and `ms` (milliseconds) are followed by `max`
or `min` where the setting is a bound.
"""


def write_document() -> str:
    """Return the whole page."""
    parts = [_HEAD]
    section = ""
    for field in list_fields():
        found, _, key = field.name.partition(".")
        if found != section:
            section = found
            parts.append(f"\n## `[{section}]`\n\n{_describe_section(section)}\n")
        demo = DEMO_OVERRIDES.get(field.name)
        default = shown_value(field._replace(is_secret=False), field.default)
        demo_note = f"; demo `{demo}`" if demo is not None else ""
        secret_note = "; secret" if field.is_secret else ""
        parts.append(
            f"\n`{key}` ({type_name(field)}, default `{default}`{demo_note}{secret_note})\n"
            f": {field.description}\n"
        )
    return "".join(parts)


def _describe_section(section: str) -> str:
    [struct] = [each.type for each in msgspec.structs.fields(Settings) if each.name == section]
    return str(struct.__doc__)
