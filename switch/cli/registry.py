"""`switch registry`: load, list and show merchants, agents, terminals, routes."""

import json
from pathlib import Path
from typing import Any, Final

import click

from switch.cli.client import InstanceClient, data_option, path_of
from switch.cli.failure import usage_failure
from switch.domain.registry.view import KINDS

TOML: Final = "application/toml"
format_option = click.option(
    "--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True
)


@click.group()
def registry() -> None:
    """
    Merchants, agents, terminals, issuers, routes: what every payment is checked against; operators.

    A terminal's id is ACQUIRER:TERMINAL_ID.
    """


@registry.command(short_help="Load a TOML file: all of it, or nothing and every error.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@data_option
@format_option
def load(file: Path, data_dir: Path, style: str) -> None:
    """
    Load FILE (TOML): all of it, or nothing and every error (exit code 1).

    Loading the same file again changes nothing. An entry that the file does not name stays as it
    is; one that it names is to be as the file says, so a field left out is empty (keys are kept).
    docs/registry-file.md explains its tables.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise usage_failure(f"cannot read {file}: {error.strerror}") from error
    result = InstanceClient(data_dir).post("/v1/registry/load", content, TOML)
    if style == "json":
        click.echo(json.dumps(result))
        return
    count = result["change_count"]
    said = f"{count} events written" if count else "nothing to change"
    click.echo(f"{file}: {said}; the registry is at position {result['position']}")
    for merchant_id, fields in result.get("incomplete", {}).items():
        click.echo(
            f"merchant {merchant_id} lacks {', '.join(fields)}: its payments are declined "
            "(merchant-config-incomplete) until the file states it whole",
            err=True,
        )


@registry.command(name="list")
@click.argument("kind", type=click.Choice(KINDS), required=False, metavar="[KIND]")
@data_option
@format_option
def list_(kind: str | None, data_dir: Path, style: str) -> None:
    """
    List one KIND of entities, or all of them.

    KIND is acquirers, agents, groups, merchants, terminals, issuers, links, routes, clients or
    operators.
    """
    client = InstanceClient(data_dir)
    rows = {
        each: client.get(path_of("v1", "registry", each))[each]
        for each in ([kind] if kind else KINDS)
    }
    if style == "json":
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for each, entities in rows.items():
        if entities or kind:
            _print_table(each, entities)
    if not any(rows.values()) and not kind:
        click.echo("the registry is empty; `switch registry load FILE` fills it")


@registry.command()
@click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
@click.argument("entity_id", metavar="ID")
@data_option
@format_option
def show(kind: str, entity_id: str, data_dir: Path, style: str) -> None:
    """
    Show everything about one entity; keys by their check value only.

    `switch registry list KIND` names the ids; a terminal's is ACQUIRER:TERMINAL_ID.
    """
    entity = InstanceClient(data_dir).get(path_of("v1", "registry", kind, entity_id))
    if style == "json":
        click.echo(json.dumps(entity, ensure_ascii=False, indent=2))
        return
    width = max(len(name) for name in entity)
    for name, value in entity.items():
        click.echo(f"{name:<{width}}  {_write(value)}")


def _print_table(kind: str, entities: list[dict[str, Any]]) -> None:
    from switch.cli.screen import make_console, make_table, print_table
    from switch.domain.registry.queries import LIST_FIELDS

    table = make_table(f"{len(entities)} {kind}")
    for name in LIST_FIELDS[kind]:
        table.add_column(name.replace("_", " "), overflow="fold", no_wrap=name == "id")
    for entity in entities:
        table.add_row(*(_write(entity.get(name)) for name in LIST_FIELDS[kind]))
    print_table(make_console(), table)


def _write(value: object) -> str:
    """Write a value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_write(part)}" for name, part in value.items())
    return "" if value is None else str(value)
