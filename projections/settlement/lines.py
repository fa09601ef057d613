"""Settlement arithmetic: an event gives a line and postings that balance it (docs/rules.md 8)."""

from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

from projections.position import Place
from switch.domain.payment.events import PaymentApproved, PaymentReversed
from switch.domain.payment.payment import SettlementLine
from switch.eventlog.journal import JournalEvent

APPROVAL: Final = "approval"
REVERSAL: Final = "reversal"

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
        case PaymentApproved(rrn=rrn, line=SettlementLine() as line):
            return _settle(line, APPROVAL, rrn, place, index, at_ms)
        case PaymentReversed(rrn=rrn, line=SettlementLine() as line):
            return _settle(line, REVERSAL, rrn, place, index, at_ms)
        case _:
            return None


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

    A reversal's line is the negative of its original's, so its entries mirror them by arithmetic.
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
