"""What one step of the tour has to tell, and what all of it comes to."""

import msgspec

from switch.demo.tour_journal import JournalLine
from switch.demo.tour_ledger import LedgerEntry
from switch.terminal.outcome import PosOutcome


class StepReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    One step: the three witnesses side by side, and the verdict on the issuer's ledger.

    `outcomes` are what the terminal came to know, in order; the last one is its receipt.
    `complaints` names whatever is not as it must be; empty if all is well.
    """

    number: int
    title_en: str
    title_zh: str
    story: tuple[str, ...]
    rrn: str
    outcomes: tuple[PosOutcome, ...]
    receipt: str
    journal: tuple[JournalLine, ...]
    ledger: tuple[LedgerEntry, ...]
    verdict: str
    expected: str
    complaints: tuple[str, ...]
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether the step came out as it must."""
        return self.verdict == self.expected and not self.complaints


class TourReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole tour; `complaints` are those that belong to no single step."""

    is_good: bool
    log: str
    steps: tuple[StepReport, ...]
    complaints: tuple[str, ...]
    seconds: float
