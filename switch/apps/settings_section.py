"""What every section of the settings is made of: a table with bounded, described fields."""

from typing import Final

import msgspec
from msgspec import Meta

ENVIRONMENT_PREFIX: Final = "SWITCH__"  # of the variables that settings are read from


def meta(text: str, *, ge: int | None = None, le: int | None = None) -> Meta:
    """Say what a setting means and why its default is what it is; with its bounds."""
    return Meta(description=text, ge=ge, le=le)


def secret(text: str) -> Meta:
    """Describe a setting whose value is never shown."""
    return Meta(description=text, extra={"secret": True})


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the settings file."""
