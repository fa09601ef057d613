"""Writes settlement rows: lines and postings appended, totals summed before they are added."""

from datetime import date
from typing import Final

from projections.database import Connection, transpose
from projections.position import Place
from projections.settlement.lines import APPROVAL, LineRow, PostingRow, apply
from switch.eventlog.journal import JournalRecord

TotalKey = tuple[date, str, str, str, str, str]

_ADD_TOTALS: Final = """
INSERT INTO totals
SELECT * FROM unnest($1::date[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
    $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[])
ON CONFLICT (settlement_date, acquirer, merchant_id, terminal_id, batch, currency) DO UPDATE SET
    approval_count = totals.approval_count + excluded.approval_count,
    reversal_count = totals.reversal_count + excluded.reversal_count,
    gross_minor = totals.gross_minor + excluded.gross_minor,
    fee_minor = totals.fee_minor + excluded.fee_minor,
    net_minor = totals.net_minor + excluded.net_minor
"""
_TOTAL_WIDTH: Final = 11


class SettlementBatch:
    """The settlement rows of a run of records, written together."""

    def __init__(self) -> None:
        self.lines: list[LineRow] = []
        self.postings: list[PostingRow] = []

    def add(self, record: JournalRecord, place: Place) -> None:
        """Take one record; a void one has no effect."""
        if place.is_void:
            return
        for index, event in enumerate(record.events):
            rows = apply(event, place, index, record.at)
            if rows is not None:
                self.lines.append(rows.line)
                self.postings.extend(rows.postings)

    async def write(self, connection: Connection) -> None:
        """Write everything inside the caller's db transaction."""
        if not self.lines:
            return
        await connection.copy_records_to_table("lines", records=self.lines, columns=LineRow._fields)
        await connection.copy_records_to_table(
            "postings", records=self.postings, columns=PostingRow._fields
        )
        totals = [(*key, *sums) for key, sums in sorted(sum_lines(self.lines).items())]
        await connection.execute(_ADD_TOTALS, *transpose(totals, _TOTAL_WIDTH))


def sum_lines(lines: list[LineRow]) -> dict[TotalKey, list[int]]:
    """Sum lines by key: approvals, reversals, gross, fee, net."""
    totals: dict[TotalKey, list[int]] = {}
    for line in lines:
        key = (
            line.settlement_date,
            line.acquirer,
            line.merchant_id,
            line.terminal_id,
            line.batch,
            line.currency,
        )
        sums = totals.setdefault(key, [0, 0, 0, 0, 0])
        sums[0 if line.kind == APPROVAL else 1] += 1
        sums[2] += line.gross_minor
        sums[3] += line.fee_minor
        sums[4] += line.net_minor
    return totals
