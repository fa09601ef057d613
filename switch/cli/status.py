"""`switch status`: every partition, projection and gateway, whoever of the processes is asked."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from switch.cli.client import DEFAULT_DATA, KEY_VARIABLE, InstanceClient
from switch.cli.failure import EXIT_FAULT, EXIT_WRONG, CommandFailure, usage_failure
from switch.cli.reading import open_log_for_reading

if TYPE_CHECKING:
    from rich.table import Table

    from switch.apps.status import SwitchStatus

_MS: Final = 1_000
_WELL: Final = frozenset({"serving", "running", "up", "taking", "claimed", "waiting", True})
# title of the table, member of the answer, its columns: heading, name
_TABLES: Final = (
    (
        "partitions",
        "partitions",
        (
            ("partition", "partition"),
            ("state", "state"),
            ("owner", "owner"),
            ("epoch", "epoch"),
            ("claimed", "claimed_at"),
            ("inbound", "inbound_position"),
            ("lag", "inbound_lag"),
            ("journal", "journal_end"),
            ("void", "void_records"),
            ("unknown", "unknown_payments"),
            ("forwards", "forwards_waiting"),
            ("cases", "open_cases"),
        ),
    ),
    (
        "projections",
        "projections",
        (
            ("projection", "projection"),
            ("state", "state"),
            ("lag", "lag_count"),
            ("position", "position"),
            ("last error", "error"),
            ("process", "process"),
        ),
    ),
    (
        "gateways",
        "gateways",
        (
            ("ordinal", "ordinal"),
            ("incarnation", "incarnation"),
            ("state", "state"),
            ("connections", "connections"),
            ("in flight", "in_flight"),
            ("process", "process"),
        ),
    ),
    (
        "registrars",
        "registrars",
        (("state", "state"), ("position", "position"), ("process", "process")),
    ),
    (
        "issuer links",
        "links",
        (
            ("link", "link"),
            ("state", "state"),
            ("in flight", "in_flight"),
            ("reason", "reason"),
            ("process", "process"),
        ),
    ),
    (
        "processes",
        "processes",
        (
            ("process", "process"),
            ("roles", "roles"),
            ("ready", "ready"),
            ("HTTP", "http"),
            ("pid", "pid"),
            ("version", "version"),
        ),
    ),
)


@click.command()
@click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="SWITCH_DATA",
    help=f"Data folder of any process of the switch.  [default: {DEFAULT_DATA}]",
)
@click.option(
    "--url", help="Ask this process, http://HOST:PORT, with the key in SWITCH_OPERATOR_KEY."
)
@click.option("--log", "log_url", help="Ask nobody: read the log, kafka://HOST:PORT[?prefix=NAME].")
@click.option(
    "--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True
)
def status(
    data_dir: Path | None,
    *,
    url: str | None,
    log_url: str | None,
    style: str,
) -> None:
    """
    Show every partition, projection, gateway and issuer link, and first what is not well.

    Any process of the switch can be asked: over Kafka each tells the others of itself. Exit code 7
    if something is not well.
    """
    found = _read_log(log_url) if log_url else _ask(data_dir, url)
    if style == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        _print(found)
    if found.faults:
        raise click.exceptions.Exit(EXIT_WRONG)


def _ask(data_dir: Path | None, url: str | None) -> "SwitchStatus":
    import msgspec

    from switch.apps.status import SwitchStatus

    key = os.environ.get(KEY_VARIABLE, "")
    client = InstanceClient(data_dir or Path(DEFAULT_DATA), operator_key=key, url=url or "")
    answer = client.get("/v1/status")
    try:
        return msgspec.convert(answer.get("switch"), SwitchStatus)
    except msgspec.ValidationError as error:
        raise CommandFailure(
            f"the process runs another version of this program: {error}", EXIT_FAULT
        ) from error


def _read_log(log_url: str) -> "SwitchStatus":
    from switch.adapters.open_log import EMBEDDED_SCHEME
    from switch.apps.status import keep_newest, merge_statuses
    from switch.apps.status_board import read_statuses
    from switch.eventlog.port import LogUnavailable

    if log_url.startswith(EMBEDDED_SCHEME):
        raise usage_failure("only processes over Kafka tell their status in the log: use --data")

    async def read() -> "SwitchStatus":
        event_log = await open_log_for_reading(log_url)
        try:
            said = await read_statuses(event_log)
        finally:
            await event_log.close()
        return merge_statuses(keep_newest(said, int(time.time() * _MS)), event_log.partition_count)

    try:
        return asyncio.run(read())
    except LogUnavailable as error:
        raise CommandFailure(str(error), EXIT_FAULT) from error


def _print(found: "SwitchStatus") -> None:
    from switch.cli.screen import make_console, print_table

    console = make_console()
    if found.faults:
        for fault in found.faults:
            click.secho(f"NOT WELL  {fault}", fg="red")
    else:
        click.secho("well: every partition is served, and every process is ready", fg="green")
    for title, member, columns in _TABLES:
        rows: Sequence[dict[str, Any]] = getattr(found, member)
        if rows:
            print_table(console, _make_table(title, columns, rows))


def _make_table(
    title: str, columns: Sequence[tuple[str, str]], rows: Sequence[dict[str, Any]]
) -> "Table":
    from rich.text import Text

    from switch.cli.screen import make_table

    table = make_table(title)
    for heading, _ in columns:
        table.add_column(heading, overflow="fold")
    for row in rows:
        cells = []
        for _, name in columns:
            cells.append(Text(_write(name, row.get(name)), style=choose_color(name, row)))
        table.add_row(*cells)
    return table


def choose_color(name: str, row: Mapping[str, Any]) -> str:
    """Choose a cell's color: green and red for states, yellow for what lags, else none."""
    value = row.get(name)
    if name in {"state", "ready"}:
        return "green" if value in _WELL and not row.get("reason") else "red"
    return "yellow" if name in {"inbound_lag", "lag_count"} and value else ""


def _write(name: str, value: object) -> str:
    from switch.cli.screen import write_moment

    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return "+".join(map(str, value))
    if isinstance(value, dict):
        return " ".join(f"{key}:{part}" for key, part in value.items())
    if name == "claimed_at" and isinstance(value, int):
        return write_moment(value)
    return str(value)
