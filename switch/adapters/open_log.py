"""Open the event log that a URL names."""

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from switch.adapters.kafka_log import KafkaLog
from switch.adapters.sqlite_log import SqliteLog
from switch.eventlog.port import EventLog, LogUnavailable


async def open_log(
    url: str, *, partition_count: int | None = None, read_only: bool = False
) -> EventLog:
    """
    Open `sqlite:///PATH` or `kafka://HOST:PORT[,HOST:PORT...][?prefix=...&replication=...]`.

    With `partition_count` the log is made if there is none, and refused if it has another count;
    with None it must be there. `read_only` follows an embedded log that another process writes.

    Raises:
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
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        prefix = options.pop("prefix", "switch-")
        replication = options.pop("replication", "1")
        if options or not replication.isdecimal():
            raise LogUnavailable(f"only prefix=TEXT and replication=NUMBER may follow in {url}")
        return await KafkaLog.connect(
            parts.netloc,
            partition_count=None if read_only else partition_count,
            prefix=prefix,
            replication_factor=int(replication),
        )
    raise LogUnavailable(f"{url!r} names no log: sqlite:///PATH or kafka://HOST:PORT is wanted")
