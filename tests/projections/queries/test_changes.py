import asyncpg

from projections.queries.changes import list_changes


async def test_the_changes_of_a_payment_are_those_that_name_it(dsn, make_log, fill):
    await fill(dsn, make_log(1_500))
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch(
        "SELECT rrn, original_rrn FROM audit.payments WHERE original_rrn <> ''"
    )
    assert rows
    for original_rrn in {row["original_rrn"] for row in rows}:
        changes = await list_changes(connection, original_rrn)
        wanted = {row["rrn"] for row in rows if row["original_rrn"] == original_rrn}
        assert {change.rrn for change in changes} == wanted
        assert [change.opened_at_ms for change in changes] == sorted(
            change.opened_at_ms for change in changes
        )
    await connection.close()


async def test_a_payment_that_nothing_was_done_to_has_no_changes(dsn, make_log, fill):
    await fill(dsn, make_log(200))
    connection = await asyncpg.connect(dsn)
    assert await list_changes(connection, "") == []
    assert await list_changes(connection, "999999999999") == []
    await connection.close()
