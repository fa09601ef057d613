"""The tour's view of the event log, read beside the process that writes it; topics of its own."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import click

from switch.adapters.open_log import open_log
from switch.cli.failure import usage_failure
from switch.demo.tour_instance import TourFault
from switch.eventlog.port import EventLog, LogUnavailable, PositionOutOfRange, StoredRecord

PREFIX: Final = "switch-"  # of Kafka topics, where the URL names none
READ_RECORDS: Final = 1_000
READ_TIMEOUT_S: Final = 20.0

FoundT = TypeVar("FoundT")


def read_journal(url: str, partition: int) -> list[StoredRecord]:
    """
    Read one partition of the journal as it is now.

    Raises:
        TourFault: it cannot be read.
    """

    async def read(log: EventLog) -> list[StoredRecord]:
        opened = await log.open_partition("journal", partition)
        found: list[StoredRecord] = []
        offset, end = 0, await opened.end()
        while offset < end:
            records = await opened.read(offset, count_max=READ_RECORDS, wait_ms=0)
            if not records:
                break
            found += records
            offset = records[-1].offset + 1
        return found

    return _use_log(url, read)


def count_partitions(url: str) -> int:
    """
    Return how many partitions the journal has.

    Raises:
        TourFault: the log cannot be opened.
    """

    async def count(log: EventLog) -> int:
        return log.partition_count

    return _use_log(url, count)


def _use_log(url: str, use: Callable[[EventLog], Awaitable[FoundT]]) -> FoundT:
    async def run() -> FoundT:
        async with asyncio.timeout(READ_TIMEOUT_S):
            log = await open_log(url, read_only=True)
            try:
                return await use(log)
            finally:
                await log.close()

    try:
        return asyncio.run(run())
    except TimeoutError as error:
        raise TourFault(f"the journal at {url} did not answer in {READ_TIMEOUT_S:.0f} s") from error
    except (LogUnavailable, PositionOutOfRange) as error:
        raise TourFault(f"the journal cannot be read: {error}") from error


def name_own_topics(url: str) -> str:
    """
    Give the tour topics of its own, beside those of whoever else uses this broker.

    Raises:
        CommandFailure: not a Kafka URL (exit code 2).
    """
    parts = urlsplit(url)
    if parts.scheme != "kafka" or not parts.netloc:
        raise usage_failure(f"--log takes kafka://HOST:PORT, not {url!r}")
    options = dict(parse_qsl(parts.query))
    options["prefix"] = f"{options.get('prefix', PREFIX)}tour-{secrets.token_hex(4)}-"
    return urlunsplit(parts._replace(query=urlencode(options)))


def remove_own_topics(url: str) -> None:
    """Remove the topics that `name_own_topics` named; say so if they may be left."""
    from switch.adapters.kafka_topics import remove_topics

    parts = urlsplit(url)
    prefix = dict(parse_qsl(parts.query))["prefix"]
    try:
        asyncio.run(remove_topics(parts.netloc, prefix=prefix))
    except LogUnavailable as error:
        click.echo(f"switch: topics {prefix}* may be left: {error}", err=True)
