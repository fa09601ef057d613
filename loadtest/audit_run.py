"""The audit over an instance's data folder: wait until it has settled, compare, scan."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from loadtest.audit import AuditReport, Violation, run_audit
from loadtest.journal_file import JournalFile, JournalFileError
from loadtest.ledger import read_ledger
from loadtest.pan_scan import PanScanner
from loadtest.told import Told
from loadtest.trail import Journal

LEDGER_FILE: Final = "issuer-ledger.jsonl"
_POLL_S: Final = 0.5
_QUIET_POLLS: Final = 2  # the journal must have stood still this often


class AuditImpossible(Exception):
    """A witness is missing or unreadable; the message says which and why."""


async def audit_directory(
    directory: Path,
    told: Sequence[Told],
    *,
    settle_timeout_s: float,
    on_wait: Callable[[int], None] = lambda _count: None,
) -> AuditReport:
    """
    Wait until every unknown outcome has ended (or the time is up), then compare the witnesses.

    Raises:
        AuditImpossible: a witness is missing or unreadable.
    """
    try:
        with JournalFile(directory) as file:

            async def feed(journal: Journal) -> None:
                journal.feed_all(file.read_new())

            journal = await read_settled(feed, settle_timeout_s, on_wait)
        ledger = read_ledger(directory / LEDGER_FILE)
    except (JournalFileError, OSError, msgspec.DecodeError) as error:
        raise AuditImpossible(f"the audit lacks a witness: {error}") from error
    return run_audit(journal, ledger, told)


async def read_settled(
    feed: Callable[[Journal], Awaitable[None]],
    settle_timeout_s: float,
    on_wait: Callable[[int], None] = lambda _count: None,
) -> Journal:
    """Feed a journal until it stands still and every unknown outcome has ended, or time is up."""
    journal, give_up_at = Journal(), time.monotonic() + settle_timeout_s
    quiet_count = 0
    while True:
        count_before = journal.record_count
        await feed(journal)
        unsettled_count = journal.count_unsettled()
        quiet_count = quiet_count + 1 if journal.record_count == count_before else 0
        settled = not unsettled_count and quiet_count >= _QUIET_POLLS
        if settled or time.monotonic() >= give_up_at:
            return journal
        on_wait(unsettled_count)
        await asyncio.sleep(_POLL_S)


def scan_directory(
    directory: Path, known_pans: Sequence[str], *, published_pans: Sequence[str] = ()
) -> tuple[Violation, ...]:
    """Look for card numbers in every file below a folder (invariant 11)."""
    scanner = PanScanner(known_pans, published_pans=published_pans)
    return tuple(
        Violation(
            invariant=11,
            kind="card-number-in-clear",
            rrn="",
            key="",
            evidence=(f"{found.path} at byte {found.position}: {found.masked} ({found.how})",),
        )
        for found in scanner.scan_tree(directory)
    )
