"""Settlement as readers ask for it: by day."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec

from projections.database import Connection, fetch_rows


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """What one terminal's batch (or a sum of them) settles on one day, in minor units."""

    settlement_date: date
    acquirer: str
    merchant_id: str
    terminal_id: str
    batch: str
    currency: str
    approval_count: int
    void_count: int
    refund_count: int
    reversal_count: int
    approval_minor: int
    void_minor: int
    refund_minor: int
    reversal_minor: int
    gross_minor: int
    fee_minor: int
    net_minor: int


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """The postings of one account on one day; debit positive, credit negative."""

    account: str
    currency: str
    amount_minor: int


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """A day for which there are totals."""

    settlement_date: date
    effect_count: int


_TOTALS: Final = (
    f"SELECT {', '.join(Total.__struct_fields__)} FROM settlement.totals "  # noqa: S608 - ours
    "WHERE settlement_date = $1 AND ($2 = '' OR merchant_id = $2) "
    "ORDER BY acquirer, merchant_id, terminal_id, batch, currency"
)


async def read_totals(connection: Connection, day: date, *, merchant_id: str = "") -> list[Total]:
    """Return a day's totals by merchant, terminal, batch and currency, of one merchant or all."""
    return await fetch_rows(connection, Total, _TOTALS, day, merchant_id)


async def read_balances(connection: Connection, day: date) -> list[Balance]:
    """Return a day's balance of each account; they sum to zero per currency."""
    return await fetch_rows(
        connection,
        Balance,
        "SELECT account, currency, sum(amount_minor)::bigint AS amount_minor "
        "FROM settlement.postings WHERE settlement_date = $1 "
        "GROUP BY account, currency ORDER BY currency, account",
        day,
    )


async def list_days(connection: Connection, limit: int = 10) -> list[Day]:
    """Return the latest days that have totals."""
    return await fetch_rows(
        connection,
        Day,
        "SELECT settlement_date, sum(approval_count + void_count + refund_count"
        " + reversal_count)::bigint AS effect_count "
        "FROM settlement.totals GROUP BY settlement_date ORDER BY settlement_date DESC LIMIT $1",
        limit,
    )


def sum_totals(totals: Sequence[Total]) -> dict[str, Total]:
    """Add totals up by currency; names are empty in the sums."""
    sums: dict[str, Total] = {}
    for total in totals:
        known = sums.get(total.currency)
        sums[total.currency] = Total(
            settlement_date=total.settlement_date,
            acquirer="",
            merchant_id="",
            terminal_id="",
            batch="",
            currency=total.currency,
            **{
                name: getattr(total, name) + (getattr(known, name) if known else 0)
                for name in _SUMMED
            },
        )
    return sums


_SUMMED: Final = tuple(
    name for name in Total.__struct_fields__ if name.endswith(("_count", "_minor"))
)
