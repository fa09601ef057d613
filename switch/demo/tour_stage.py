"""What every step of the tour works with: instance, terminal, the two books and the clock."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from switch.demo.tour_instance import Say, TourInstance, wait_for
from switch.demo.tour_journal import JournalLine, find_rrn, has_event, list_lines
from switch.demo.tour_ledger import LedgerEntry, entries_of, judge, read_entries
from switch.demo.tour_report import StepReport
from switch.demo.tour_terminal import TourTerminal
from switch.domain.identifiers import parse_rrn
from switch.eventlog.port import StoredRecord
from switch.terminal.outcome import PosOutcome
from switch.terminal.receipt import render_receipt

# The embedded or the Kafka journal of one partition, whole; told the log's URL.
ReadJournal = Callable[[str, int], Sequence[StoredRecord]]
CountPartitions = Callable[[str], int]

JOURNAL_POLL_S: Final = 0.2
SOON_S: Final = 5.0  # what takes milliseconds, on a machine that is busy with something else
RETURN_S: Final = 30.0  # the demo's time-out, its longest issuer delay, and room


class TourStage:
    """One instance under observation."""

    def __init__(
        self,
        instance: TourInstance,
        terminal: TourTerminal,
        read_journal: ReadJournal,
        count_partitions: CountPartitions,
        say: Say,
    ) -> None:
        self.instance = instance
        self.terminal = terminal
        self.say = say
        self.rrns: list[str] = []
        self._read_journal = read_journal
        self._count_partitions = count_partitions

    # -- the two books

    def read_ledger(self) -> list[LedgerEntry]:
        """Read the issuer's whole ledger."""
        try:
            return read_entries(self.instance.ledger_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []

    def list_journal(self, rrn: str) -> list[JournalLine]:
        """Read what the journal holds about a payment."""
        if not rrn:
            return []
        partition, _ = parse_rrn(rrn)
        return list_lines(partition, self._read_journal(self.instance.log_url, partition), rrn)

    def find_rrn_of_last_payment(self) -> str:
        """Find the RRN that the terminal was never told, by its trace number in the journal."""
        url, state = self.instance.log_url, self.terminal.state
        for partition in range(self._count_partitions(url)):
            records = self._read_journal(url, partition)
            if rrn := find_rrn(records, state.terminal_id, self.terminal.last_stan):
                return rrn
        return ""

    # -- waiting

    def wait_rrn(self) -> str:
        """Wait until the last payment is in the journal."""
        return wait_for(self.find_rrn_of_last_payment, SOON_S, JOURNAL_POLL_S) or ""

    def wait_event(self, rrn: str, tag: str, within_s: float = SOON_S) -> bool:
        """Wait until the journal holds an event about a payment."""

        def look() -> bool:
            return has_event(self.list_journal(rrn), tag)

        return bool(wait_for(look, within_s, JOURNAL_POLL_S))

    def wait_debit(self, amount_minor: int) -> str:
        """Wait until a debit of this amount is in the issuer's ledger; return its RRN."""

        def look() -> str:
            found = [
                entry.rrn
                for entry in self.read_ledger()
                if entry.op == "debit"
                and entry.amount_minor == amount_minor
                and entry.rrn not in self.rrns
            ]
            return found[0] if found else ""

        return wait_for(look, SOON_S) or ""

    # -- telling

    def report(self, notes: "StepNotes") -> StepReport:
        """Ask the three witnesses and judge; the verdict is the ledger's alone."""
        rrn = notes.rrn
        notes.check(bool(rrn), "no RRN was learned, so nothing can be looked up")
        if rrn and rrn not in self.rrns:
            self.rrns.append(rrn)
        entries = entries_of(self.read_ledger(), rrn)
        return StepReport(
            number=notes.number,
            title_en=notes.title_en,
            title_zh=notes.title_zh,
            story=tuple(notes.story),
            rrn=rrn,
            outcomes=tuple(notes.outcomes),
            receipt=render_receipt(notes.outcomes[-1]) if notes.outcomes else "",
            journal=tuple(self.list_journal(rrn)),
            ledger=tuple(entries),
            verdict=judge(entries),
            expected=notes.expected,
            complaints=tuple(notes.complaints),
            seconds=time.monotonic() - notes.started_at,
        )


class StepNotes:
    """What is written down while a step happens."""

    def __init__(self, number: int, title_en: str, title_zh: str, expected: str) -> None:
        self.number = number
        self.title_en = title_en
        self.title_zh = title_zh
        self.expected = expected
        self.rrn = ""
        self.story: list[str] = []
        self.outcomes: list[PosOutcome] = []
        self.complaints: list[str] = []
        self.started_at = time.monotonic()

    def tell(self, sentence: str) -> None:
        """Add a sentence of the story."""
        self.story.append(sentence)

    def hear(self, outcome: PosOutcome) -> PosOutcome:
        """Add what the terminal came to know; its RRN, if it has one, is the step's."""
        self.outcomes.append(outcome)
        self.rrn = outcome.rrn or self.rrn
        return outcome

    def check(self, holds: bool, complaint: str) -> None:  # noqa: FBT001 - reads as an assertion
        """Add a complaint unless this holds."""
        if not holds:
            self.complaints.append(complaint)
