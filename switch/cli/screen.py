"""How tables look: one console, one way to write times and amounts."""

import sys
from datetime import UTC, datetime
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from switch.domain.money import CURRENCY_NAMES, format_minor

PIPE_WIDTH: Final = 160  # a pipe has no width of its own; tables should not be squeezed into 80
WIDE: Final = 120  # from here on a case file fits side by side; below, it is written downwards
_MINUTE_MS: Final = 60_000


def make_console() -> Console:
    """Make a console on standard output: colours on a terminal, plain and wide in a pipe."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=PIPE_WIDTH)


def make_table(title: str = "") -> Table:
    """Make an empty table in the one style that all commands have; it fits 80 columns."""
    return Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),  # with the box's own blank: two between columns
    )


def write_amount(minor: int | None, currency: str) -> str:
    """Write an amount with its decimals, or for None its currency's name."""
    if minor is None:
        return CURRENCY_NAMES.get(currency, currency)
    return format_minor(minor, currency) if currency in CURRENCY_NAMES else str(minor)


def write_time(at_ms: int) -> str:
    """Write a time of day in UTC to the millisecond."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{at:%H:%M:%S}.{at_ms % 1000:03d}"


def write_moment(at_ms: int) -> str:
    """Write date and time in UTC to the second, empty for 0."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}Z" if at_ms else ""


def write_gap(gap_ms: int) -> str:
    """Write the time since the step before: ms below a minute, then minutes."""
    if abs(gap_ms) < _MINUTE_MS:
        return f"+{gap_ms} ms"
    return f"+{gap_ms / _MINUTE_MS:.1f} min"
