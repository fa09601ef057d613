from datetime import date

import asyncpg
import pytest

from projections.queries.settlement import list_days, read_balances, read_totals, sum_totals

DAY = date(2026, 11, 22)


@pytest.fixture
async def connection(dsn, make_log, fill):
    await fill(dsn, make_log(600))
    opened = await asyncpg.connect(dsn)
    yield opened
    await opened.close()


async def test_a_days_totals_are_the_sums_of_its_lines(connection):
    totals = await read_totals(connection, DAY)
    assert len({one.merchant_id for one in totals}) == 8  # four in each of two partitions
    [total] = sum_totals(totals).values()
    lines = await connection.fetchrow(
        "SELECT count(*) AS lines, sum(gross_minor) AS gross, sum(fee_minor) AS fee, "
        "sum(net_minor) AS net FROM settlement.lines WHERE settlement_date = $1",
        DAY,
    )
    counts = (total.approval_count, total.void_count, total.refund_count, total.reversal_count)
    assert all(counts)
    assert sum(counts) == lines["lines"]
    assert total.gross_minor == (
        total.approval_minor + total.void_minor + total.refund_minor + total.reversal_minor
    )
    assert max(total.void_minor, total.refund_minor, total.reversal_minor) < 0
    assert (total.gross_minor, total.fee_minor, total.net_minor) == (
        lines["gross"],
        lines["fee"],
        lines["net"],
    )


async def test_one_merchant_can_be_asked_for(connection):
    totals = await read_totals(connection, DAY)
    wanted = totals[3].merchant_id
    of_merchant = [one for one in totals if one.merchant_id == wanted]
    assert await read_totals(connection, DAY, merchant_id=wanted) == of_merchant
    assert await read_totals(connection, DAY, merchant_id="nobody") == []


async def test_the_balances_of_a_day_sum_to_zero_and_agree_with_the_totals(connection):
    balances = {one.account: one.amount_minor for one in await read_balances(connection, DAY)}
    [total] = sum_totals(await read_totals(connection, DAY)).values()
    assert sum(balances.values()) == 0
    assert balances == {
        "scheme_receivable": total.gross_minor,
        "merchant_payable": -total.net_minor,
        "fee_income": -total.fee_minor,
    }


async def test_days_with_lines_are_listed_latest_first(connection):
    days = await list_days(connection)
    assert [one.settlement_date for one in days] == [date(2026, 11, 23), DAY]
    assert all(one.effect_count for one in days)
