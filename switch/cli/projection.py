"""`switch projection`: how far the read models are, and building one anew."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from switch.cli.client import data_option
from switch.cli.failure import EXIT_FAULT, EXIT_IN_USE, EXIT_NO, CommandFailure

if TYPE_CHECKING:
    from projections.database import Connection
    from projections.queries.progress import Progress
    from projections.rebuild import RebuildReport

NAMES: Final = ("settlement", "audit")
style_option = click.option(
    "--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True
)


@click.group()
def projection() -> None:
    """Projections: read models in PostgreSQL, always rebuildable from the journal."""


@projection.command(short_help="How far each projection is, and how far behind.")
@data_option
@style_option
def status(data_dir: Path, style: str) -> None:
    """Show each projection's position in the journal and how far it is behind."""
    from switch.cli.reading import read_database

    async def ask(connection: "Connection") -> "tuple[list[Progress], dict[int, int]]":
        from projections.queries.progress import read_progress

        found = await read_progress(connection)
        return found, await _read_ends(data_dir)

    found, ends = read_database(data_dir, ask)
    if style == "json":
        import msgspec

        click.echo(msgspec.json.encode([_shape(one, ends) for one in found]))
    else:
        _print_status(found, ends)


async def _read_ends(data_dir: Path) -> dict[int, int]:
    """Return the journal's end by partition; none if the log cannot be read now."""
    from switch.cli.reading import open_instance_log
    from switch.eventlog.port import LogUnavailable

    try:
        log = await open_instance_log(data_dir)
    except CommandFailure as error:
        click.secho(f"the journal cannot be read: {error.message}", fg="yellow", err=True)
        return {}
    try:
        ends = {}
        for partition in range(log.partition_count):
            opened = await log.open_partition("journal", partition)
            ends[partition] = await opened.end()
            await opened.close()
    except LogUnavailable as error:
        click.secho(f"the journal cannot be read: {error}", fg="yellow", err=True)
        return {}
    finally:
        await log.close()
    return ends


def _shape(one: "Progress", ends: dict[int, int]) -> dict[str, object]:
    partitions = [
        {
            "partition": at.partition,
            "next_offset": at.next_offset,
            "end_offset": ends.get(at.partition),
            "lag_count": _lag(at.next_offset, ends.get(at.partition)),
            "void_count": at.void_count,
            "generation": at.generation,
            "epoch": at.epoch,
            "at_ms": at.at_ms,
        }
        for at in one.positions
    ]
    return {"name": one.name, "is_made": one.is_made, "partitions": partitions}


def _lag(next_offset: int, end_offset: int | None) -> int | None:
    return None if end_offset is None else max(0, end_offset - next_offset)


def _print_status(found: "list[Progress]", ends: dict[int, int]) -> None:
    from switch.cli.screen import make_console, make_table, print_table, write_moment

    table = make_table()
    table.add_column("projection", no_wrap=True)
    for name in ("partition", "position", "end", "lag", "void", "gen"):
        table.add_column(name, justify="right")
    table.add_column("last record", no_wrap=True)
    for one in found:
        if not one.is_made:
            table.add_row(one.name, "no tables yet", style="yellow")
        for index, at in enumerate(one.positions):
            lag = _lag(at.next_offset, ends.get(at.partition))
            table.add_row(
                "" if index else one.name,
                str(at.partition),
                str(at.next_offset),
                str(ends.get(at.partition, "?")),
                "?" if lag is None else str(lag),
                str(at.void_count),
                str(at.generation),
                write_moment(at.at_ms),
                style="yellow" if lag else "",
            )
        table.add_section()
    print_table(make_console(), table)


@projection.command(short_help="Build one anew, compare, switch.")
@click.argument("name", type=click.Choice(NAMES), metavar="NAME")
@data_option
@click.option(
    "--accept-differences", is_flag=True, help="Put the new tables in force even if they differ."
)
@style_option
def rebuild(name: str, data_dir: Path, accept_differences: bool, style: str) -> None:
    """
    Build NAME (settlement, audit) anew from the journal; equal to the live tables, it takes over.

    Readers and the running projector go on meanwhile.
    """
    from switch.cli.reading import read_database

    async def ask(connection: "Connection") -> "RebuildReport":
        return await _rebuild(connection, name, data_dir, accept_differences)

    report = read_database(data_dir, ask)
    if style == "json":
        import msgspec

        click.echo(msgspec.json.encode(report))
    else:
        _print_report(report)
    if not report.is_switched:
        raise CommandFailure(
            f"the new tables differ from the live ones ({', '.join(report.differing)}); the live "
            "ones stay in force. To put the new ones in force, add --accept-differences",
            EXIT_NO,
        )


async def _rebuild(
    connection: "Connection", name: str, data_dir: Path, accept_differences: bool
) -> "RebuildReport":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from projections.applying import RecordUnreadable
    from projections.catalogue import PROJECTIONS
    from projections.rebuild import RebuildBusy
    from projections.rebuild import rebuild as rebuild_tables
    from switch.cli.reading import open_instance_log
    from switch.eventlog.port import LogUnavailable, PositionOutOfRange

    log = await open_instance_log(data_dir)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    bar = Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,  # into a file it would write an empty line
    )
    task = bar.add_task(f"replaying into {name}", total=None)
    try:
        logs = {p: await log.open_partition("journal", p) for p in range(log.partition_count)}
        with bar:
            return await rebuild_tables(
                PROJECTIONS[name],
                connection,
                logs,
                accept_differences=accept_differences,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    except RebuildBusy as error:
        raise CommandFailure(str(error), EXIT_IN_USE) from error
    except (RecordUnreadable, LogUnavailable, PositionOutOfRange) as error:
        raise CommandFailure(f"{error}; the live tables stay in force", EXIT_FAULT) from error
    finally:
        await log.close()


def _print_report(report: "RebuildReport") -> None:
    compared = {
        "all": "equal to the live tables",
        "appended": "equal to the live tables as far as those were",
        "nothing": "there were no tables before",
    }
    verdict = compared[report.compared]
    if report.differing:
        verdict = f"different from the live tables in {', '.join(report.differing)}"
    click.echo(
        f"{report.name}: {report.record_count} records replayed ({report.void_count} void); "
        f"{verdict}; {'in force' if report.is_switched else 'not in force'}"
    )
