import asyncpg

from projections.queries.payments import LIMIT_MAX, list_last_payments


async def test_the_last_payments_come_newest_first(dsn, make_log, fill):
    await fill(dsn, make_log(1_500))
    connection = await asyncpg.connect(dsn)
    found = await list_last_payments(connection, 5)
    newest = await connection.fetchval("SELECT max(opened_at_ms) FROM audit.payments")
    assert len(found) == 5
    assert found[0].opened_at_ms == newest
    assert found == sorted(found, key=lambda row: (row.opened_at_ms, row.rrn), reverse=True)
    assert len(await list_last_payments(connection, 10**9)) == LIMIT_MAX
    await connection.close()
