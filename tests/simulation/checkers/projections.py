"""Invariants 7 and 9: a projection is the fold of the log, whatever its batches and crashes."""

from collections import Counter
from collections.abc import Iterator

from projections.audit.tables import AuditBatch
from projections.position import Place
from projections.settlement.lines import LineRow, PostingRow
from projections.settlement.tables import SettlementBatch
from tests.simulation.checkers.trails import Journal
from tests.simulation.checkers.violation import Violation

FRESH = {"settlement": SettlementBatch, "audit": AuditBatch}


def check_projection(projector, simulation, journal: Journal) -> Iterator[Violation]:
    database = projector.database
    for index, position in database.positions.items():
        end = simulation.log.partition("journal", index).end
        if position.next_offset != end:
            shown = f"partition {index} at {position.next_offset} of {end}"
            yield Violation(9, "projection-not-at-end", f"{projector.kind}: {shown}")
    rows, folded = fold_at_once(projector.kind, simulation)
    if Counter(database.rows) != Counter(rows):
        lost, extra = _differ(database.rows, rows)
        shown = f"{projector.kind}: {len(lost)} rows lost {lost[:1]}, {len(extra)} too many"
        yield Violation(9, "projection-differs", f"{shown} {extra[:1]}")
    if projector.kind == "settlement":
        yield from _check_settlement(database, journal)
    elif database.folded != folded:
        yield Violation(9, "projection-differs", "audit: a payment's row")


def _differ(rows, expected) -> tuple[list, list]:
    left = list(expected)
    extra = []
    for row in rows:
        if row in left:
            left.remove(row)
        else:
            extra.append(row)
    return left, extra


def fold_at_once(kind: str, simulation) -> tuple[list, dict]:
    """Fold the whole log in one batch, with the void rule applied by hand."""
    batch = FRESH[kind]()
    for index in range(simulation.options.partition_count):
        claim_id, epoch = None, -1
        for offset, landed in enumerate(simulation.log.partition("journal", index).records):
            if landed is None:
                continue
            record = simulation.decode_record(landed.value)
            if type(record.events[0]).__name__ == "PartitionClaimed":
                claim_id, epoch = record.claim_id, offset
            is_void = record.claim_id != claim_id
            batch.add(record, Place(index, offset, epoch, is_void))
    if kind == "settlement":
        return [*batch.lines, *batch.postings], {}
    opened, _ = batch._fold(sorted(batch._folds), {})
    return batch.events, {row.rrn: row for row in opened}


def _check_settlement(database, journal: Journal) -> Iterator[Violation]:
    """Add postings and lines up by hand, from the rows and from the raw journal."""
    sums: dict[tuple, int] = {}
    totals: dict[str, list[int]] = {}
    for row in database.rows:
        if isinstance(row, PostingRow):
            event = row[:3]
            sums[event] = sums.get(event, 0) + row.amount_minor
        elif isinstance(row, LineRow):
            total = totals.setdefault(row.rrn, [0, 0])
            total[0] += row.gross_minor
            total[1] += row.fee_minor
    for event, total in sums.items():
        if total:
            yield Violation(7, "postings-unbalanced", f"{event} leaves {total}")
    for trail in journal.trails.values():
        gross = sum(line["gross_minor"] for line in trail.lines)
        fee = sum(line["fee_minor"] for line in trail.lines)
        if totals.get(trail.rrn, [0, 0]) != [gross, fee]:
            shown = f"journal {gross}/{fee}, rows {totals.get(trail.rrn)}"
            yield Violation(9, "settlement-differs", shown, trail.rrn, trail.key)
