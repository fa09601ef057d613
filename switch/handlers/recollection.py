"""A payment folded again from the journal, as far as its answer (docs/rules.md 1: the RRN)."""

from typing import Final

from msgspec.structs import replace

from switch.domain.payment.events import PaymentRequested
from switch.domain.payment.payment import Payment, Phase
from switch.domain.payment.state import FOLDS, open_payment
from switch.eventlog.journal import JournalRecord

SETTLED_WITHIN_MS: Final = 15 * 60_000  # a payment has its answer long before
OPENED_WITHIN_COUNT: Final = 10_000  # records; a stray record may have shifted the opening one


class Recollection:
    """
    Takes valid records from the offset that an RRN names, until the payment has its answer.

    `payment` is then what can be changed: an approved payment. It stays None for one that was
    declined, reversed or left unknown. What was done to it later is not looked for: a partition
    remembers every payment that was touched for as long as it can be changed.
    """

    def __init__(self, rrn: str) -> None:
        self._rrn = rrn
        self._folded: Payment | None = None
        self._record_count = 0
        self.payment: Payment | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the payment's first record was met."""
        return self._folded is not None

    def feed(self, record: JournalRecord) -> bool:
        """Take the next record that may concern the payment; True once all is known."""
        self._record_count += 1
        folded = self._folded
        if folded is None:
            if self._record_count > OPENED_WITHIN_COUNT:
                return True
        elif record.at - folded.opened_at > SETTLED_WITHIN_MS:
            return True
        for event in record.events:
            if isinstance(event, PaymentRequested):
                if event.rrn == self._rrn:
                    self._folded = open_payment(event)
            elif self._folded is not None and getattr(event, "rrn", "") == self._rrn:
                fold = FOLDS.get(type(event))
                self._folded = fold(self._folded, event) if fold else self._folded
        return self._conclude()

    def _conclude(self) -> bool:
        folded = self._folded
        if folded is None or folded.phase in {Phase.REQUESTED, Phase.ROUTED, Phase.REPEATING}:
            return False
        if folded.phase is Phase.APPROVED:
            self.payment = replace(folded, advice_open=False)  # else it would be remembered
        return True
