"""`switch log`: the raw event log, for people; card data and keys are hidden."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from switch.cli.client import data_option
from switch.cli.failure import EXIT_FAULT, EXIT_NO, CommandFailure, usage_failure

if TYPE_CHECKING:
    from switch.eventlog.journal_reader import JournalReader, RecordReader
    from switch.eventlog.port import EventLog, PartitionLog
    from switch.eventlog.registry_record import RegistryRecord

READ_RECORDS: Final = 1_000
LOGS: Final = ("journal", "inbound", "registry")
HIDDEN_WORDS: Final = ("sealed", "key_hash", "icc_data", "pin_block", "track")
HIDDEN_NAMES: Final = frozenset({"pan", "mac", "expiration_date"})


class Shown(NamedTuple):
    """One record as it is shown; `epoch` is -1 in a log without claims."""

    offset: int
    epoch: int
    is_void: bool
    fault: str
    content: object


@click.group()
def log() -> None:
    """The raw event log, card data masked."""


@log.command(short_help="Print records of one partition; void ones are marked.")
@click.option("--partition", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--from", "first", type=click.IntRange(min=0), default=0, help="First offset.")
@click.option("--to", "last", type=click.IntRange(min=0), help="Last offset (default: the end).")
@click.option("--log", "name", type=click.Choice(LOGS), default="journal", show_default=True)
@data_option
@click.option(
    "--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True
)
def cat(
    *, partition: int, first: int, last: int | None, name: str, data_dir: Path, style: str
) -> None:
    """Print records of one partition as they are stored; void records are marked."""
    count = asyncio.run(_cat(data_dir, name, partition, (first, last), style))
    if not count:
        raise CommandFailure(f"{name} partition {partition} has no record there", EXIT_NO)


async def _cat(
    data_dir: Path, name: str, partition: int, span: tuple[int, int | None], style: str
) -> int:
    from switch.cli.reading import open_instance_log
    from switch.eventlog.port import LogUnavailable, PositionOutOfRange

    opened = await open_instance_log(data_dir)
    try:
        known = 1 if name == "registry" else opened.partition_count
        if partition >= known:
            raise usage_failure(f"{name} has partitions 0 to {known - 1}")
        count = 0
        async for shown in _read(opened, name, partition, span):
            _print(shown, style)
            count += 1
    except (LogUnavailable, PositionOutOfRange) as error:
        raise CommandFailure(str(error), EXIT_FAULT) from error
    else:
        return count
    finally:
        await opened.close()


async def _read(
    log: "EventLog", name: str, partition: int, span: tuple[int, int | None]
) -> AsyncIterator[Shown]:
    """Read a partition from its start, which the void rule needs, and give what is asked for."""
    from switch.eventlog.journal import UnknownEvent

    first, last = span
    reader = _make_reader(name)
    opened = await log.open_partition(name, partition)
    offset = 0 if reader is not None else await _find_start(opened, first)
    end = await opened.end()
    if last is not None:
        end = min(end, last + 1)
    while offset < end:
        records = await opened.read(offset, count_max=READ_RECORDS, wait_ms=0)
        if not records:
            return
        for place, value in records:
            fault = ""
            if reader is not None:
                try:
                    reader.feed(place, value)
                except UnknownEvent as error:
                    fault = str(error)
            if first <= place < end:
                epoch = -1 if reader is None else reader.epoch
                is_void = reader is not None and not fault and reader.last_was_void
                yield Shown(place, epoch, is_void, fault, hide_secrets(_parse(value)))
        offset = records[-1].offset + 1


async def _find_start(opened: "PartitionLog", first: int) -> int:
    """Begin at `first`, or where the log begins now: old inbound records are removed."""
    from switch.eventlog.port import PositionOutOfRange

    try:
        await opened.read(first, count_max=1, wait_ms=0)
    except PositionOutOfRange as error:
        raise CommandFailure(str(error), EXIT_NO) from error
    return first


def _make_reader(name: str) -> "JournalReader | RecordReader[RegistryRecord] | None":
    from switch.eventlog.journal_reader import JournalReader, RecordReader
    from switch.eventlog.registry_record import decode_registry_record

    if name == "journal":
        return JournalReader()
    return RecordReader(decode_registry_record) if name == "registry" else None


def _parse(value: bytes) -> object:
    import msgspec

    try:
        return msgspec.json.decode(value)
    except msgspec.MsgspecError:
        return {"unreadable": f"{len(value)} bytes that are no JSON"}


def hide_secrets(content: object) -> object:
    """Replace sealed blobs, digests of keys and whatever else is not for eyes."""
    if isinstance(content, dict):
        return {
            name: f"<{len(value)} hidden>"
            if _is_secret(str(name)) and isinstance(value, str)
            else hide_secrets(value)
            for name, value in content.items()
        }
    if isinstance(content, list):
        return [hide_secrets(each) for each in content]
    return content


def _is_secret(name: str) -> bool:
    return name in HIDDEN_NAMES or any(word in name for word in HIDDEN_WORDS)


def _print(shown: Shown, style: str) -> None:
    import msgspec

    if style == "json":
        line = {
            "offset": shown.offset,
            "epoch": shown.epoch,
            "is_void": shown.is_void,
            **({"fault": shown.fault} if shown.fault else {}),
            "record": shown.content,
        }
        click.echo(msgspec.json.encode(line))
        return
    content = shown.content if isinstance(shown.content, dict) else {}
    events = content.get("events")
    rest = {key: value for key, value in content.items() if key != "events"}
    epoch = f"  epoch {shown.epoch}" if shown.epoch >= 0 else ""
    mark = click.style("  VOID", fg="red", bold=True) if shown.is_void else ""
    if shown.fault:
        mark = click.style(f"  {shown.fault}", fg="red", bold=True)
    head = click.style(f"{shown.offset:>8}", bold=True)
    click.echo(f"{head}{epoch}{mark}  {_text(rest)}")
    for event in events if isinstance(events, list) else []:
        kind = event.get("type", "?") if isinstance(event, dict) else "?"
        fields = {k: v for k, v in event.items() if k != "type"} if isinstance(event, dict) else {}
        click.echo(f"          {click.style(kind, fg='cyan', dim=shown.is_void)}  {_text(fields)}")


def _text(content: object) -> str:
    import msgspec

    return msgspec.json.encode(content).decode()
