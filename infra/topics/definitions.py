"""The topics as `switch topics create` makes them, for those who let other tools make them."""

import json
import shlex
from collections.abc import Mapping
from typing import Final

from switch.adapters.kafka_topic_check import (
    TopicWishes,
    make_topic_settings,
    topic_name,
    wanted_counts,
)
from switch.adapters.open_log import PREFIX
from switch.apps.log_settings import LogSettings, make_topic_wishes

_WRITTEN: Final = (
    "Written by `make docs`: what `switch topics create` makes with the default settings.",
    "The count of partitions is fixed for ever; `switch topics check` looks at what is there.",
)


def list_topics(log: LogSettings) -> Mapping[str, tuple[int, Mapping[str, str]]]:
    """Return topic -> (partition count, settings)."""
    wishes = make_topic_wishes(log, makes=True)
    return {
        topic_name(PREFIX, name): (count, make_topic_settings(name, wishes))
        for name, count in wanted_counts(log.partition_count).items()
    }


def write_commands(log: LogSettings) -> str:
    """Return a shell script of kafka-topics commands."""
    copies = _copy_count(make_topic_wishes(log, makes=True))
    lines = ["#!/bin/sh", *(f"# {line}" for line in _WRITTEN)]
    lines += ["# BOOTSTRAP: host:port of a broker; CLIENT: a client's properties file", "set -eu"]
    for name, (count, settings) in list_topics(log).items():
        words = ["--create", "--if-not-exists", "--topic", name]
        words += ["--partitions", str(count), "--replication-factor", copies]
        lines.append(
            'kafka-topics.sh --bootstrap-server "$BOOTSTRAP" --command-config "$CLIENT"'
            f" {shlex.join(words)}"
        )
        lines[-1] += "".join(f" \\\n  --config {key}={value}" for key, value in settings.items())
    return "\n".join(lines) + "\n"


def write_resources(log: LogSettings) -> str:
    """Return the topics as Strimzi's resources (YAML)."""
    copies = _copy_count(make_topic_wishes(log, makes=True))
    documents = []
    for name, (count, settings) in list_topics(log).items():
        lines = [
            "apiVersion: kafka.strimzi.io/v1",
            "kind: KafkaTopic",
            "metadata:",
            f"  name: {name}",
            "  labels: {strimzi.io/cluster: kafka}",
            "spec:",
            f"  partitions: {count}",
            f"  replicas: {copies}",
            "  config:",
            *(f"    {key}: {json.dumps(value)}" for key, value in settings.items()),
        ]
        documents.append("\n".join(lines) + "\n")
    return "".join(f"# {line}\n" for line in _WRITTEN) + "---\n".join(documents)


def _copy_count(wishes: TopicWishes) -> str:
    return str(wishes.copy_count)
