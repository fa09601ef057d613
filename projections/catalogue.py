"""The projections there are, and what their tables promise."""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from projections.audit.tables import AuditBatch
from projections.database import Connection
from projections.position import Place
from projections.settlement.tables import SettlementBatch
from switch.eventlog.journal import JournalRecord


class Batch(Protocol):
    """The rows of a run of records: collected purely, written in one db transaction."""

    def add(self, record: JournalRecord, place: Place) -> None:
        """Take one record, in the order of its partition."""
        ...

    async def write(self, connection: Connection) -> None:
        """Write the rows inside the caller's db transaction, after its position check."""
        ...


class Projection(NamedTuple):
    """
    One read model; `name` is also its schema in the database.

    `appended` tables have a row for each event or effect, keyed by journal offset; `folded` ones
    have rows that change.
    """

    name: str
    new_batch: Callable[[], Batch]
    appended: tuple[str, ...]
    folded: tuple[str, ...]


SETTLEMENT: Final = Projection("settlement", SettlementBatch, ("lines", "postings"), ("totals",))
AUDIT: Final = Projection("audit", AuditBatch, ("events",), ("payments", "cases"))
PROJECTIONS: Final = {projection.name: projection for projection in (SETTLEMENT, AUDIT)}
