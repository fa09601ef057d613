"""Writes the rows of cases: folded over those that are there."""

from typing import Final

from msgspec.structs import astuple

from projections.audit.cases import CaseRow, apply, case_id_of
from projections.database import Connection, fetch_rows
from projections.position import Place
from switch.eventlog.journal import JournalEvent

_COLUMNS: Final = CaseRow.__struct_fields__
_FIND: Final = f"SELECT {', '.join(_COLUMNS)} FROM cases WHERE case_id = ANY($1::text[])"  # noqa: S608 - ours


class CaseFolds:
    """What a run of records says about cases, written together."""

    def __init__(self) -> None:
        self._folds: dict[str, list[tuple[JournalEvent, Place, int]]] = {}

    def add(self, event: JournalEvent, place: Place, at_ms: int) -> None:
        """Take one event of a case, of a valid record."""
        self._folds.setdefault(case_id_of(event, place), []).append((event, place, at_ms))

    async def write(self, connection: Connection) -> None:
        """Write everything inside the caller's db transaction."""
        if not self._folds:
            return
        case_ids = sorted(self._folds)
        found = await fetch_rows(connection, CaseRow, _FIND, case_ids)
        rows = self.fold({row.case_id: row for row in found})
        # cases are few: to write a changed one anew is as good as to change it
        await connection.execute("DELETE FROM cases WHERE case_id = ANY($1::text[])", case_ids)
        await connection.copy_records_to_table(
            "cases", records=[astuple(row) for row in rows], columns=_COLUMNS
        )

    def fold(self, known: dict[str, CaseRow]) -> list[CaseRow]:
        """Return the rows as they are afterwards."""
        rows = []
        for case_id in sorted(self._folds):
            row = known.get(case_id)
            for event, place, at_ms in self._folds[case_id]:
                row = apply(row, event, place, at_ms)
            if row is not None:
                rows.append(row)
        return rows
