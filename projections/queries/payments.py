"""Lists of payments."""

from typing import Final

from projections.audit.payments import PaymentRow
from projections.database import Connection, fetch_rows

LIMIT_MAX: Final = 500

_LAST: Final = (
    f"SELECT {', '.join(PaymentRow.__struct_fields__)} FROM audit.payments "  # noqa: S608 - ours
    "ORDER BY opened_at_ms DESC, rrn DESC LIMIT $1"
)


async def list_last_payments(connection: Connection, limit: int = 20) -> list[PaymentRow]:
    """Return the payments that were asked for last, newest first."""
    return await fetch_rows(connection, PaymentRow, _LAST, min(limit, LIMIT_MAX))
