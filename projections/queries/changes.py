"""What other transactions did to a payment: its voids, refunds, completions, adjustments."""

from typing import Final

from projections.audit.payments import PaymentRow
from projections.database import Connection, fetch_rows

CHANGES_MAX: Final = 200  # of one payment; the switch lets it be changed 100 times

_CHANGES: Final = (
    f"SELECT {', '.join(PaymentRow.__struct_fields__)} FROM audit.payments "  # noqa: S608 - ours
    "WHERE original_rrn <> '' AND original_rrn = $1 "
    f"ORDER BY opened_at_ms, rrn LIMIT {CHANGES_MAX}"
)


async def list_changes(connection: Connection, rrn: str) -> list[PaymentRow]:
    """Return the transactions that were let through to change a payment, in order."""
    return await fetch_rows(connection, PaymentRow, _CHANGES, rrn)
