"""`switch replay`: the recorded steps of a payment through today's code."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from switch.cli.client import data_option
from switch.cli.failure import EXIT_FAULT, EXIT_NO, EXIT_WRONG, CommandFailure, usage_failure

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from switch.cli.replay_walk import PartitionReplay, RegistryTimeline, ReplayedRecord
    from switch.domain.payment.rules import DecisionRules
    from switch.eventlog.journal import JournalEvent
    from switch.eventlog.port import EventLog, PartitionLog, StoredRecord

READ_RECORDS: Final = 2_000
KEPT_DIFFERENCES_MAX: Final = 20
PROGRESS_RECORDS: Final = 100_000


class PartitionCounts(NamedTuple):
    """What replaying a whole partition came to."""

    partition: int
    record_count: int
    void_count: int
    decided_count: int
    different_count: int


class Found(NamedTuple):
    """What is to be printed: the compared records, and counts of the partitions gone through."""

    records: "list[tuple[int, ReplayedRecord]]"  # with their partition
    counts: list[PartitionCounts]


@click.command()
@click.argument("rrn", required=False)
@click.option("--all", "is_all", is_flag=True, help="Every record of every partition instead.")
@click.option("--log", "log_url", help="kafka://... of an instance that does not run.")
@click.option("--config", "file", type=click.Path(path_type=Path), help="The instance's settings.")
@data_option
@click.option(
    "--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True
)
def replay(
    *,
    rrn: str | None,
    is_all: bool,
    log_url: str | None,
    file: Path | None,
    data_dir: Path,
    style: str,
) -> None:
    """
    Decide the recorded steps of a payment again, by today's code, and compare.

    Reads the log only, whether the instance runs or not. Exit codes: 0 every decision comes out
    the same, 7 one does not, 1 no such payment, 3 no log there.
    """
    if (rrn is None) != is_all:
        raise usage_failure("name a payment by its RRN, or give --all")
    rules = _load_rules(file)
    found = asyncio.run(_replay(data_dir, log_url, rrn or "", rules))
    if rrn and not found.records:
        raise CommandFailure(f"no record of a payment {rrn} in the journal", EXIT_NO)
    if style == "json":
        _print_json(found, rrn)
    elif rrn:
        _print_payment(found, rrn)
    else:
        _print_counts(found)
    if any(not record.is_same for _, record in found.records):
        click.get_current_context().exit(EXIT_WRONG)


def _load_rules(file: Path | None) -> "DecisionRules":
    """Take the rules that are in force now; decisions rest on them as much as on the code."""
    from switch.apps.instance import make_partition_settings
    from switch.apps.settings_sources import SettingsError, load_settings

    try:
        settings = load_settings(file=file, environment=os.environ).settings
    except SettingsError as error:
        raise usage_failure(str(error)) from error
    return make_partition_settings(settings, settings.log.partition_count).rules


# -- reading ----------------------------------------------------------------------------------


async def _replay(data_dir: Path, log_url: str | None, rrn: str, rules: "DecisionRules") -> Found:
    from switch.cli.replay_walk import ReplayFault
    from switch.eventlog.journal import UnknownEvent
    from switch.eventlog.port import LogUnavailable, PositionOutOfRange

    log = await _open(data_dir, log_url)
    try:
        return await _walk(log, rrn, rules)
    except (LogUnavailable, PositionOutOfRange, UnknownEvent, ReplayFault) as error:
        raise CommandFailure(str(error), EXIT_FAULT) from error
    finally:
        await log.close()


async def _open(data_dir: Path, log_url: str | None) -> "EventLog":
    from switch.cli.reading import open_instance_log, open_log_for_reading

    if log_url is None:
        return await open_instance_log(data_dir)
    return await open_log_for_reading(log_url)


async def _walk(log: "EventLog", rrn: str, rules: "DecisionRules") -> Found:
    """Fix the journals' ends first, then read the registry: it then holds all they refer to."""
    from switch.cli.replay_walk import PartitionReplay

    found = Found([], [])
    partitions = _list_partitions(rrn, log.partition_count)
    opened = [await log.open_partition("journal", partition) for partition in partitions]
    ends = [await one.end() for one in opened]
    registry = await _read_registry(log)
    for partition, journal, end in zip(partitions, opened, ends, strict=True):
        replaying = PartitionReplay(partition, log.partition_count, rules, registry)
        await _walk_partition(found, partition, replaying, _read(journal, end), rrn)
    return found


def _list_partitions(rrn: str, partition_count: int) -> list[int]:
    from switch.domain.identifiers import parse_rrn

    if not rrn:
        return list(range(partition_count))
    try:
        partition, _ = parse_rrn(rrn)
    except ValueError as error:
        raise usage_failure(f"{rrn!r} is no RRN of this switch: {error}") from error
    return [partition] if partition < partition_count else []


async def _read_registry(log: "EventLog") -> "RegistryTimeline":
    from switch.cli.replay_walk import RegistryTimeline

    timeline = RegistryTimeline()
    partition = await log.open_partition("registry", 0)
    async for offset, value in _read(partition, await partition.end()):
        timeline.feed(offset, value)
    return timeline


async def _walk_partition(
    found: Found,
    partition: int,
    replaying: "PartitionReplay",
    records: "AsyncIterator[StoredRecord]",
    rrn: str,
) -> None:
    record_count = decided_count = different_count = 0
    async for offset, value in records:
        replayed = replaying.take(offset, value, rrn=rrn)
        record_count += 1
        if record_count % PROGRESS_RECORDS == 0 and sys.stderr.isatty():
            click.echo(f"partition {partition}: {record_count} records", err=True)
        if replayed is None:
            continue
        decided_count += replayed.decided is not None or bool(replayed.fault)
        different_count += not replayed.is_same
        if rrn or (not replayed.is_same and len(found.records) < KEPT_DIFFERENCES_MAX):
            found.records.append((partition, replayed))
    void_count = replaying.reader.void_count
    found.counts.append(
        PartitionCounts(partition, record_count, void_count, decided_count, different_count)
    )


async def _read(partition: "PartitionLog", end: int) -> "AsyncIterator[StoredRecord]":
    offset = 0
    while offset < end:
        records = await partition.read(offset, count_max=READ_RECORDS, wait_ms=0)
        if not records:
            return
        for record in records:
            if record.offset < end:
                yield record
        offset = records[-1].offset + 1


# -- printing ---------------------------------------------------------------------------------


def _print_json(found: Found, rrn: str | None) -> None:
    import msgspec

    records = [_as_json(partition, record) for partition, record in found.records]
    same = all(record.is_same for _, record in found.records)
    content: dict[str, object]
    if rrn:
        content = {"rrn": rrn, "same": same, "steps": records}
    else:
        counts = [one._asdict() for one in found.counts]
        content = {"same": same, "partitions": counts, "differences": records}
    click.echo(msgspec.json.format(msgspec.json.encode(content)))


def _as_json(partition: int, replayed: "ReplayedRecord") -> dict[str, object]:
    import msgspec

    from switch.cli.log import hide_secrets
    from switch.cli.replay_walk import list_differences

    decided = replayed.decided
    content = {
        "partition": partition,
        "offset": replayed.offset,
        "epoch": replayed.epoch,
        "at": replayed.record.at,
        "registry_position": replayed.record.registry_position,
        "fact": msgspec.to_builtins(replayed.record.events[0]),
        "recorded": msgspec.to_builtins(replayed.recorded),
        "decided": None if decided is None else msgspec.to_builtins(decided),
        "same": replayed.is_same,
        "differences": [] if decided is None else list_differences(replayed.recorded, decided),
        "fault": replayed.fault,
    }
    hidden = hide_secrets(content)
    assert isinstance(hidden, dict)
    return hidden


def _print_payment(found: Found, rrn: str) -> None:
    from rich.text import Text

    from switch.cli.screen import make_console

    console = make_console()
    console.print()
    console.print(Text.assemble(("Payment ", "bold"), (rrn, "bold"), "  decided again"))
    _print_records(console, found)
    decided = sum(record.decided is not None or bool(record.fault) for _, record in found.records)
    different = sum(not record.is_same for _, record in found.records)
    if different:
        console.print(f"{different} of {decided} decisions come out different", style="bold red")
    else:
        console.print(f"all {decided} decisions come out the same", style="bold green")


def _print_counts(found: Found) -> None:
    from switch.cli.screen import make_console, make_table

    console = make_console()
    table = make_table()
    for name in ("partition", "records", "void", "decided again", "different"):
        table.add_column(name, justify="right")
    for one in found.counts:
        style = "red" if one.different_count else ""
        table.add_row(*(str(number) for number in one), style=style)
    console.print(table)
    different = sum(one.different_count for one in found.counts)
    if not different:
        console.print("every decision comes out the same", style="bold green")
        return
    console.print(f"{different} decisions come out different; the first:", style="bold red")
    _print_records(console, found)


def _print_records(console: "Console", found: Found) -> None:
    from switch.cli.screen import WIDE

    if console.width >= WIDE:
        console.print(_make_table(found))
    else:
        _print_downwards(console, found)


def _make_table(found: Found) -> "Table":
    from rich.text import Text

    from switch.cli.screen import make_table, write_time

    table = make_table()
    table.add_column("step", justify="right")
    table.add_column("partition/offset", no_wrap=True)
    table.add_column("time (UTC)", no_wrap=True)
    for name in ("what happened", "recorded decision", "today's decision", ""):
        table.add_column(name, overflow="fold")
    for step, (partition, replayed) in enumerate(found.records, 1):
        today, verdict = _judge(replayed)
        table.add_row(
            str(step),
            f"{partition}/{replayed.offset}",
            write_time(replayed.record.at),
            Text(_describe(replayed.record.events[:1])),
            Text(_describe(replayed.recorded)),
            today,
            verdict,
        )
    return table


def _print_downwards(console: "Console", found: Found) -> None:
    """Write each step over several lines: for a terminal too narrow for columns."""
    from rich.table import Table
    from rich.text import Text

    from switch.cli.screen import write_time

    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column()
    for step, (partition, replayed) in enumerate(found.records, 1):
        today, verdict = _judge(replayed)
        about = Text(_describe(replayed.record.events[:1]), "bold")
        if replayed.recorded:
            about.append("\nrecorded: ", "not bold dim")
            about.append(_describe(replayed.recorded), "not bold")
        about.append("\ntoday: ", "not bold dim")
        about.append_text(today if verdict.plain != "same" else verdict)
        place = f"{partition}/{replayed.offset}"
        grid.add_row(str(step), place, write_time(replayed.record.at), about)
    console.print(grid)


def _judge(replayed: "ReplayedRecord") -> "tuple[Text, Text]":
    """Put today's decision in words, and whether it is the recorded one."""
    from rich.text import Text

    from switch.cli.replay_walk import list_differences

    today = Text("nothing to decide", "not bold dim")
    verdict = Text("-", "dim")
    if replayed.fault:
        today = Text(f"raises {replayed.fault}", "red")
    elif replayed.decided is not None:
        today = Text(_describe(replayed.decided) or "no event follows", "not bold")
    if not replayed.is_same:
        verdict = Text("different", "bold red")
        if replayed.decided is not None:
            for each in list_differences(replayed.recorded, replayed.decided):
                today.append(f"\n{each}", "red")
    elif replayed.decided is not None:
        verdict = Text("same", "not bold green")
    return today, verdict


def _describe(events: "tuple[JournalEvent, ...]") -> str:
    import msgspec

    from projections.queries.steps import describe

    lines = []
    for event in events:
        content = msgspec.to_builtins(event)
        words = describe(content["type"], msgspec.json.encode(content).decode())
        rest = ", ".join(part for part in (words.rule, words.told_terminal) if part)
        lines.append(f"{words.title} ({rest})" if rest else words.title)
    return "\n".join(lines)
