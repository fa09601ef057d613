"""How tables look: one console, one way to write times and amounts."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich import box
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from switch.domain.money import CURRENCY_NAMES, format_minor

PIPE_WIDTH: Final = 160  # a pipe has no width of its own; tables should not be squeezed into 80
WIDE: Final = 120  # from here on a case file fits side by side; below, it is written downwards
GAP: Final = 2  # blanks between two columns
UNBOUNDED: Final = 10_000  # wider than any row
_MINUTE_MS: Final = 60_000


def make_console() -> Console:
    """
    Make a console on standard output: colours on a terminal, plain and wide in a pipe.

    Brackets are no markup: what people wrote into a note or a name is printed as it is.
    """
    if sys.stdout.isatty():
        return Console(highlight=False, markup=False)
    return Console(highlight=False, markup=False, width=PIPE_WIDTH)


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


def print_table(console: Console, table: Table) -> None:
    """
    Print a table; if a row does not fit the console's width, each row over several lines.

    So no amount is cut off and no name is broken, however narrow the console is.
    """
    unbounded = console.options.update(width=UNBOUNDED)
    if Measurement.get(console, unbounded, table).maximum <= console.width:
        console.print(table)
        return
    lines = _share_out([_measure_column(console, column) for column in table.columns], console)
    if table.title:
        console.print(Text(str(table.title), "bold"))
    heading = _write_row([column.header for column in table.columns], table, lines)
    heading.stylize("bold")
    console.print(heading)
    console.print("─" * console.width)
    cells = zip(*(column.cells for column in table.columns), strict=True)
    for row, content in zip(table.rows, cells, strict=True):
        text = _write_row(content, table, lines)
        text.stylize(row.style or "")
        console.print(text, overflow="fold")
    console.print()


def _measure_column(console: Console, column: Column) -> int:
    """Say how wide a column is if nothing in it is broken."""
    unbounded = console.options.update(width=UNBOUNDED)
    cells = (column.header, *column.cells)
    return max(console.measure(_join_lines(cell), options=unbounded).maximum for cell in cells)


def _join_lines(cell: RenderableType) -> Text:
    """Write a cell in one line: of several, all that is over its column's width would be lost."""
    text = cell if isinstance(cell, Text) else Text(str(cell))
    return Text(" ").join(text.split())


def _share_out(widths: list[int], console: Console) -> list[list[tuple[int, int]]]:
    """Share the columns (index, width) out among lines; all but the first line are indented."""
    lines: list[list[tuple[int, int]]] = [[]]
    left = console.width
    for index, width in enumerate(widths):
        if lines[-1] and width > left:
            lines.append([])
            left = console.width - GAP
        lines[-1].append((index, width))
        left -= width + GAP
    return lines


def _write_row(
    cells: Sequence[RenderableType], table: Table, lines: list[list[tuple[int, int]]]
) -> Text:
    """Write one row over its lines, each cell as wide as its column; no line is empty."""
    written: list[Text] = []
    for line in lines:
        text = Text(" " * GAP if line is not lines[0] else "")
        for index, width in line:
            part = _join_lines(cells[index])
            part.align("right" if table.columns[index].justify == "right" else "left", width)
            text.append(part).append(" " * GAP)
        text.rstrip()
        if text.plain:
            written.append(text)
    return Text("\n").join(written)


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
