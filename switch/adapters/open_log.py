"""Open the event log that a URL names."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from switch.adapters.kafka_client import LOOSE_PACE_MAX_S, PACE_MAX_S
from switch.adapters.kafka_log import KafkaLog
from switch.adapters.kafka_security import NO_SECURITY, KafkaSecurity
from switch.adapters.kafka_topic_check import TopicWishes
from switch.adapters.kafka_writer import APPEND_DEADLINE_MS
from switch.adapters.sqlite_log import SqliteLog
from switch.eventlog.port import EventLog, LogSettingWrong

EMBEDDED_SCHEME: Final = "sqlite:"
PREFIX: Final = "switch-"  # of the topics, unless the URL names another
PREFIX_LENGTH_MAX: Final = 200  # Kafka takes names of 249, the log's own name included
PORT_MAX: Final = 65_535
PORT_DIGITS_MAX: Final = 5
_PREFIX: Final = re.compile(rf"[A-Za-z0-9._-]{{0,{PREFIX_LENGTH_MAX}}}")


async def open_log(
    url: str,
    *,
    partition_count: int | None = None,
    read_only: bool = False,
    topics: TopicWishes | None = None,
    security: KafkaSecurity = NO_SECURITY,
    append_deadline_ms: int = APPEND_DEADLINE_MS,
) -> EventLog:
    """
    Open `sqlite:///PATH` or `kafka://HOST:PORT[,HOST:PORT...][?prefix=NAME]`.

    With `partition_count` the log is made if there is none, and refused if it has another count;
    with None it must be there. `read_only` follows an embedded log that another process writes.
    `topics` is for whoever serves from Kafka: topics that would lose money are refused, missing
    ones made if `topics` says so; without it they are opened as they are. Without an answer from
    Kafka within `append_deadline_ms` an append is unknown.

    Raises:
        LogSettingWrong: the URL names no log, or `security` cannot be used.
        LogUnavailable: the log cannot be opened; the message says why and what to do.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite" and not parts.netloc and parts.path:
        return SqliteLog(
            Path(unquote(parts.path)),
            partition_count=None if read_only else partition_count,
            read_only=read_only,
        )
    if parts.scheme == "kafka" and parts.netloc:
        bootstrap, prefix = parse_kafka_url(url)
        return await KafkaLog.connect(
            bootstrap,
            partition_count=None if read_only else partition_count,
            prefix=prefix,
            topics=topics,
            security=security,
            append_deadline_ms=append_deadline_ms,
            pace_max_s=LOOSE_PACE_MAX_S if read_only else PACE_MAX_S,
        )
    raise _no_log(url)


def parse_kafka_url(url: str) -> tuple[str, str]:
    """
    Return brokers and topic prefix that a `kafka://` URL names.

    Raises:
        LogSettingWrong: it names none, or more than these.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc:  # the address is told to whoever asks, and in every fault
        raise LogSettingWrong(
            "the URL of the log holds a name or a password: they are set by log.sasl_username and"
            " log.sasl_password"
        )
    brokers = [broker.rpartition(":") for broker in parts.netloc.split(",")]
    is_named = all(name and _is_port(port) for name, _, port in brokers)
    if parts.scheme != "kafka" or not is_named or parts.path not in ("", "/"):
        raise _no_log(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    prefix = options.pop("prefix", PREFIX)
    if options:
        raise LogSettingWrong(
            f"only prefix=NAME may follow in {url}; copies are set by log.replication_factor"
        )
    if not _PREFIX.fullmatch(prefix):
        raise LogSettingWrong(
            f"no topic can be called {prefix!r}: prefix=NAME takes letters of A to Z, digits, '.',"
            f" '_' and '-', {PREFIX_LENGTH_MAX} at most"
        )
    return parts.netloc, prefix


def _is_port(text: str) -> bool:
    is_number = text.isascii() and text.isdecimal() and len(text) <= PORT_DIGITS_MAX
    return is_number and 0 < int(text) <= PORT_MAX


def _no_log(url: str) -> LogSettingWrong:
    return LogSettingWrong(
        f"{url!r} names no log: kafka://HOST:PORT[,HOST:PORT...][?prefix=NAME], with ports of 1 to"
        f" {PORT_MAX}, or sqlite:///PATH is wanted"
    )
