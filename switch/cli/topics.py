"""`switch topics`: make Kafka's topics, and see whether any of them would lose money."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import click

from switch.cli.failure import EXIT_FAULT, EXIT_WRONG, CommandFailure, usage_failure

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from switch.adapters.kafka_security import KafkaSecurity
    from switch.adapters.kafka_topic_check import TopicFault, TopicFound, TopicWishes

CommandT = TypeVar("CommandT", bound=Callable[..., object])
ResultT = TypeVar("ResultT")


class _Cluster(NamedTuple):
    """Where the topics are, and how they are to be."""

    bootstrap: str
    prefix: str
    partition_count: int
    wishes: "TopicWishes"
    security: "KafkaSecurity"


def _cluster_options(command: CommandT) -> CommandT:
    for option in reversed(
        (
            click.option("--log", "log_url", help="kafka://HOST:PORT[,...][?prefix=NAME]."),
            click.option(
                "--data",
                "data_dir",
                type=click.Path(path_type=Path, file_okay=False),
                help="Take the log that the process with this data folder uses.",
            ),
            click.option(
                "--config", "file", type=click.Path(path_type=Path), help="Settings file (TOML)."
            ),
            click.option("--partitions", type=int, help="Of inbound and journal, for ever."),
            click.option("--replication", type=int, help="Copies of each record, 2 or more."),
            click.option("--single-broker", is_flag=True, help="Accept one copy (one broker)."),
            click.option(
                "--format",
                "style",
                type=click.Choice(["table", "json"]),
                default="table",
                show_default=True,
            ),
        )
    ):
        command = option(command)
    return command


@click.group()
def topics() -> None:
    """Topics on Kafka: inbound, journal, registry, replies, snapshots, status."""


@topics.command(short_help="Make the topics that are missing.")
@_cluster_options
def create(style: str, **given: object) -> None:
    """
    Make the topics that are missing, leave the others as they are, and check all.

    Exit code 7: one of them would lose money; what is wrong and what to do is told of each.
    """
    cluster = _find_cluster(given)

    async def make() -> list[str]:
        from switch.adapters.kafka_topics import create_topics

        return await create_topics(
            cluster.bootstrap,
            prefix=cluster.prefix,
            partition_count=cluster.partition_count,
            wishes=cluster.wishes,
            security=cluster.security,
        )

    _report(cluster, _run(make), style)


@topics.command(short_help="See whether any topic would lose money.")
@_cluster_options
def check(style: str, **given: object) -> None:
    """
    Look at the topics and make nothing: the same look that every process takes at its start.

    Exit code 7: one of them would lose money; what is wrong and what to do is told of each.
    """
    _report(_find_cluster(given), [], style)


def _find_cluster(given: dict[str, object]) -> _Cluster:
    from switch.adapters.open_log import parse_kafka_url
    from switch.apps.log_settings import make_kafka_security, make_topic_wishes
    from switch.apps.settings_sources import SettingsError, load_settings
    from switch.eventlog.port import LogUnavailable

    names = {
        "log_url": "log.url",
        "partitions": "log.partition_count",
        "replication": "log.replication_factor",
    }
    options = {setting: given[name] for name, setting in names.items() if given[name] is not None}
    if given["single_broker"]:
        options["log.single_broker"] = True
    file, data_dir = given["file"], given["data_dir"]
    assert file is None or isinstance(file, Path)
    if "log.url" not in options and isinstance(data_dir, Path):
        options["log.url"] = _read_log_url(data_dir)
    try:
        log = load_settings(file=file, environment=os.environ, options=options).settings.log
        if not log.url:
            raise usage_failure(
                "which log? Name it with --log kafka://HOST:PORT, with --data and the folder of a"
                " process that runs over it, or with the setting log.url"
            )
        bootstrap, prefix = parse_kafka_url(log.url)
    except SettingsError as error:
        raise usage_failure(str(error)) from error
    except LogUnavailable as error:
        raise usage_failure(
            f"{error}: name the log with --log, --data or the setting log.url"
        ) from error
    return _Cluster(
        bootstrap,
        prefix,
        log.partition_count,
        make_topic_wishes(log, makes=True),
        make_kafka_security(log),
    )


def _read_log_url(data_dir: Path) -> str:
    from switch.apps.addresses import read_addresses

    return str((read_addresses(data_dir) or {}).get("log", ""))


def _run(ask: "Callable[[], Coroutine[None, None, ResultT]]") -> ResultT:
    from switch.eventlog.port import LogSettingWrong, LogUnavailable

    try:
        return asyncio.run(ask())
    except LogSettingWrong as error:
        raise usage_failure(str(error)) from error
    except LogUnavailable as error:
        raise CommandFailure(str(error), EXIT_FAULT) from error


def _report(cluster: _Cluster, made: "Sequence[str]", style: str) -> None:
    """Print every topic and what is wrong with it; fail if anything is."""

    async def look() -> "tuple[list[TopicFound], list[TopicFault]]":
        from switch.adapters.kafka_topics import look_at_topics

        return await look_at_topics(
            cluster.bootstrap,
            prefix=cluster.prefix,
            partition_count=cluster.partition_count,
            wishes=cluster.wishes,
            security=cluster.security,
        )

    found, faults = _run(look)
    if style == "json":
        _print_json(found, faults, made)
    else:
        _print_table(found, faults, made)
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise CommandFailure(f"{count}: nothing is served from here", EXIT_WRONG)


def _print_json(
    found: "Sequence[TopicFound]", faults: "Sequence[TopicFault]", made: "Sequence[str]"
) -> None:
    content = {
        "topics": [
            {
                "topic": one.name,
                "log": one.log,
                "made": one.name in made,
                "partition_count": one.partition_count,
                "replication_factor": min(one.copy_counts, default=0),
                "settings": _select_settings(one),
                "start_offsets": list(one.start_offsets),
            }
            for one in found
        ],
        "faults": [
            {"topic": fault.topic, "reason": fault.reason, "remedy": fault.remedy}
            for fault in faults
        ],
    }
    click.echo(json.dumps(content, indent=2))


def _select_settings(one: "TopicFound") -> dict[str, str]:
    from switch.adapters.kafka_topic_check import SHOWN_SETTINGS

    return {name: one.settings.get(name, "") for name in SHOWN_SETTINGS}


def _print_table(
    found: "Sequence[TopicFound]", faults: "Sequence[TopicFault]", made: "Sequence[str]"
) -> None:
    from switch.cli.screen import make_console, make_table, print_table

    table = make_table()
    for heading in ("topic", "", "partitions", "copies", "in sync", "cleanup", "kept"):
        table.add_column(heading)
    for one in found:
        settings = one.settings
        table.add_row(
            one.name,
            "made" if one.name in made else "",
            str(one.partition_count),
            str(min(one.copy_counts, default=0)),
            settings.get("min.insync.replicas", ""),
            settings.get("cleanup.policy", ""),
            _write_retention(settings),
        )
    console = make_console()
    if found:
        print_table(console, table)
    if faults:
        from switch.adapters.kafka_topic_check import write_faults

        console.print(write_faults(faults), style="red", soft_wrap=True)
    else:
        click.secho("well: no topic would lose money", fg="green")


def _write_retention(settings: "Mapping[str, str]") -> str:
    from switch.adapters.kafka_topic_check import HOUR_MS, MINUTE_MS

    if settings.get("cleanup.policy") == "compact":
        return "newest of each key"
    kept_ms = settings.get("retention.ms", "")
    if kept_ms in ("", "-1"):
        return "for ever"
    ms = int(kept_ms)
    return f"{ms / HOUR_MS:g} h" if ms >= HOUR_MS else f"{ms / MINUTE_MS:g} min"
