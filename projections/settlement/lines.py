"""Settlement arithmetic: an event gives a line and postings that balance it (docs/rules.md 8)."""

from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

from projections.position import Place
from switch.domain.payment.events import AdviceAccepted, PaymentApproved, PaymentReversed
from switch.domain.payment.originals import VOIDS
from switch.domain.payment.payment import SettlementLine
from switch.domain.transactions import TransactionType
from switch.eventlog.journal import JournalEvent

APPROVAL: Final = "approval"  # a sale, a completion, an advice
VOID: Final = "void"
REFUND: Final = "refund"
REVERSAL: Final = "reversal"  # of any of them; of a void, it takes the money again

SCHEME_RECEIVABLE: Final = "scheme_receivable"  # what the card scheme owes us, by clearing date
MERCHANT_PAYABLE: Final = "merchant_payable"  # what we owe the merchant
FEE_INCOME: Final = "fee_income"


class PostingsUnbalanced(Exception):
    """The entries of one event do not sum to zero: a bug, or a line that no handler would write."""


class LineRow(NamedTuple):
    """A row of `lines`, in the order of its columns."""

    partition: int
    journal_offset: int
    event_index: int
    rrn: str
    kind: str
    at_ms: int
    acquirer: str
    merchant_id: str
    terminal_id: str
    batch: str
    agent_id: str
    settlement_date: date
    currency: str
    gross_minor: int
    fee_minor: int
    net_minor: int
    transaction: str


class PostingRow(NamedTuple):
    """A row of `postings`: a debit is positive, a credit negative."""

    partition: int
    journal_offset: int
    event_index: int
    entry: int
    rrn: str
    account: str
    owner: str
    settlement_date: date
    currency: str
    amount_minor: int


class SettlementRows(NamedTuple):
    """What one event means for settlement."""

    line: LineRow
    postings: tuple[PostingRow, ...]


def apply(event: JournalEvent, place: Place, index: int, at_ms: int) -> SettlementRows | None:
    """
    Return the rows of one event, None for the many that move no money.

    Raises:
        PostingsUnbalanced: the entries do not sum to zero.
    """
    match event:
        case (
            PaymentApproved(rrn=rrn, line=SettlementLine() as line)
            | AdviceAccepted(rrn=rrn, line=SettlementLine() as line)
        ):
            return _settle(line, kind_of(line), rrn, place, index, at_ms)
        case PaymentReversed(rrn=rrn, line=SettlementLine() as line):
            return _settle(line, REVERSAL, rrn, place, index, at_ms)
        case _:
            return None


def kind_of(line: SettlementLine) -> str:
    """Name the effect that the line of an approval has."""
    if line.transaction in VOIDS:
        return VOID
    return REFUND if line.transaction is TransactionType.REFUND else APPROVAL


def _settle(  # noqa: PLR0917 - one private caller
    line: SettlementLine, kind: str, rrn: str, place: Place, index: int, at_ms: int
) -> SettlementRows:
    day = read_day(line.settlement_date)
    row = LineRow(
        place.partition,
        place.offset,
        index,
        rrn,
        kind,
        at_ms,
        line.acquirer,
        line.merchant_id,
        line.terminal_id,
        line.batch,
        line.agent_id,
        day,
        line.currency,
        line.gross_minor,
        line.fee_minor,
        line.net_minor,
        line.transaction.value,
    )
    entries = make_entries(line)
    if sum(amount for _, _, amount in entries):
        raise PostingsUnbalanced(f"event {place.partition}/{place.offset}/{index} of {rrn}")
    return SettlementRows(
        row,
        tuple(
            PostingRow(
                place.partition,
                place.offset,
                index,
                entry,
                rrn,
                account,
                owner,
                day,
                line.currency,
                amount,
            )
            for entry, (account, owner, amount) in enumerate(entries)
        ),
    )


def make_entries(line: SettlementLine) -> list[tuple[str, str, int]]:
    """
    Write one line as (account, owner, amount), debit positive; nothing is posted for zero.

    What a void, a refund or a reversal gives back is negative, so its entries mirror those of the
    sale by arithmetic: a refund of 40.00 that returns a fee of 0.24 takes 39.76 from what the
    merchant is owed, 0.24 from our income and 40.00 from what the scheme owes us.
    """
    entries = (
        (SCHEME_RECEIVABLE, line.acquirer, line.gross_minor),
        (MERCHANT_PAYABLE, line.merchant_id, -line.net_minor),
        (FEE_INCOME, line.acquirer, -line.fee_minor),
    )
    return [entry for entry in entries if entry[2]]


@lru_cache(maxsize=64)  # a journal names few days at a time
def read_day(text: str) -> date:
    """Read YYYY-MM-DD."""
    return date.fromisoformat(text)
