"""
Events of terminals themselves, as the journal keeps them for ever.

A record begins with the fact that was decided upon (asked, or a time that has come) and goes on
with the decisions. A tag, once written, never changes its meaning.
"""

from switch.domain.payment.events import Event
from switch.domain.payment.requests import Answer
from switch.domain.registry.entities import SealedWorkingKeys
from switch.domain.terminal.requests import BatchTotals, TerminalRequest, UploadItem


class TerminalAsked(Event, frozen=True, kw_only=True, tag="terminal-asked.v1"):
    """
    Fact: a terminal asked something about itself.

    `rrn` is made of this record's place, as a payment's. `offered` are the working keys that were
    made for a sign-on, sealed; `fault` is the reason (of the catalogue) why none could be, and
    `fault_detail` completes it.
    """

    rrn: str
    request: TerminalRequest
    at: int
    offered: SealedWorkingKeys | None = None
    fault: str = ""
    fault_detail: str = ""


class TerminalSignedOn(Event, frozen=True, kw_only=True, tag="terminal-signed-on.v1"):
    """
    Decision: the terminal may pay in `batch`; `key_version` names the keys offered by the fact.

    0: it was given none, for it makes no MACs. Older keys verify until the new ones are proven.
    """

    acquirer: str
    merchant_id: str
    terminal_id: str
    batch: str
    answer: Answer
    key_version: int = 0


class TerminalSignedOff(Event, frozen=True, kw_only=True, tag="terminal-signed-off.v1"):
    """Decision: no new payment until it signs on again; its keys still prove what it owes."""

    acquirer: str
    merchant_id: str
    terminal_id: str
    answer: Answer


class ScriptNoticeTaken(Event, frozen=True, kw_only=True, tag="script-notice-taken.v1"):
    """Decision: what became of an issuer's commands to the chip is on record."""

    idempotency_key: str
    fingerprint: str
    answer: Answer


class BatchClosed(Event, frozen=True, kw_only=True, tag="batch-closed.v1"):
    """
    Decision: the terminal has closed a batch; `totals` are the switch's, and what it is told.

    `next_batch` is the open one from now on, empty if the closed one was not it. `running_count`
    payments of the batch had no outcome yet: they stay in it, and one that is approved later
    becomes a case (docs/adr/0017-what-runs-when-its-batch-closes.md).
    """

    acquirer: str
    merchant_id: str
    terminal_id: str
    batch: str
    stan: str
    fingerprint: str
    totals: BatchTotals
    claimed: BatchTotals
    is_balanced: bool
    answer: Answer
    next_batch: str = ""
    running_count: int = 0


class UploadTaken(Event, frozen=True, kw_only=True, tag="batch-upload-taken.v1"):
    """Decision: these transactions of a closed batch are on record as the terminal has them."""

    acquirer: str
    merchant_id: str
    terminal_id: str
    batch: str
    answer: Answer
    items: tuple[UploadItem, ...] = ()


class UploadCompared(Event, frozen=True, kw_only=True, tag="batch-upload-compared.v1"):
    """
    Decision: the upload is over and was compared; each difference is a case in this record.

    `item_count` is how many transactions the terminal says it sent.
    """

    acquirer: str
    merchant_id: str
    terminal_id: str
    batch: str
    answer: Answer
    item_count: int
    uploaded_count: int
    difference_count: int = 0


class UploadOverdue(Event, frozen=True, kw_only=True, tag="batch-upload-overdue.v1"):
    """Fact: a batch closed unbalanced, and its upload did not come in time."""

    acquirer: str
    merchant_id: str
    terminal_id: str
    batch: str
    at: int


class BatchChangedLate(Event, frozen=True, kw_only=True, tag="batch-changed-late.v1"):
    """Fact: a payment was approved after its batch had been closed without it."""

    acquirer: str
    merchant_id: str
    terminal_id: str
    batch: str
    rrn: str
    at: int


class BatchCutOff(Event, frozen=True, kw_only=True, tag="batch-cut-off.v1"):
    """
    Decision: a clearing day ended, so what an open batch has come to is closed for settlement.

    `totals` is everything in the batch at the end of `settlement_date` (YYYY-MM-DD), earlier days
    included. Its terminal does not hear of it: its 0500 is compared with the whole batch.
    """

    acquirer: str
    merchant_id: str
    terminal_id: str
    batch: str
    settlement_date: str
    totals: BatchTotals
    at: int


TerminalEvent = (
    TerminalAsked
    | TerminalSignedOn
    | TerminalSignedOff
    | ScriptNoticeTaken
    | BatchClosed
    | UploadTaken
    | UploadCompared
    | UploadOverdue
    | BatchChangedLate
    | BatchCutOff
)
