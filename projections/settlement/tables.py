"""Writes settlement rows: lines and postings appended, totals summed before they are added."""

from datetime import date
from typing import Final

from projections.database import Connection, transpose
from projections.position import Place
from projections.settlement.lines import (
    APPROVAL,
    REFUND,
    REVERSAL,
    VOID,
    LineRow,
    PostingRow,
    apply,
)
from switch.eventlog.journal import JournalRecord

TotalKey = tuple[date, str, str, str, str, str]

_KINDS: Final = (APPROVAL, VOID, REFUND, REVERSAL)
_KEYS: Final = ("settlement_date", "acquirer", "merchant_id", "terminal_id", "batch", "currency")
SUMS: Final = (
    *(f"{kind}_count" for kind in _KINDS),
    *(f"{kind}_minor" for kind in _KINDS),
    "gross_minor",
    "fee_minor",
    "net_minor",
)
_TYPES: Final = ("date", *("text" for _ in _KEYS[1:]), *("bigint" for _ in SUMS))
_ADD_TOTALS: Final = (
    f"INSERT INTO totals ({', '.join((*_KEYS, *SUMS))}) "  # noqa: S608 - names of our own
    f"SELECT * FROM unnest({', '.join(f'${n}::{kind}[]' for n, kind in enumerate(_TYPES, 1))}) "
    f"ON CONFLICT ({', '.join(_KEYS)}) DO UPDATE SET "
    + ", ".join(f"{name} = totals.{name} + excluded.{name}" for name in SUMS)
)


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
        await connection.execute(_ADD_TOTALS, *transpose(totals, len(_TYPES)))


def sum_lines(lines: list[LineRow]) -> dict[TotalKey, list[int]]:
    """Sum lines by key, in the order of SUMS."""
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
        sums = totals.setdefault(key, [0] * len(SUMS))
        kind = _PLACES[line.kind]
        sums[kind] += 1
        sums[len(_KINDS) + kind] += line.gross_minor
        sums[-3] += line.gross_minor
        sums[-2] += line.fee_minor
        sums[-1] += line.net_minor
    return totals


_PLACES: Final = {kind: place for place, kind in enumerate(_KINDS)}
