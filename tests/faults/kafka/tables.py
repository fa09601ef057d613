"""The projector's tables against an own fold of the journal (invariant 9)."""

from collections import Counter

import asyncpg

from tests.faults.kafka.violation import Violation


async def compare_tables(dsn, journal):
    """Return where the tables say something else than the journal."""
    connection = await asyncpg.connect(dsn)
    try:
        # one snapshot of both schemas: rows and positions belong together
        async with connection.transaction(isolation="repeatable_read"):
            return [
                *await _compare_payments(connection, journal),
                *await _compare_lines(connection, journal),
                *await _compare_totals(connection, journal),
                *await _compare_positions(connection, journal),
            ]
    finally:
        await connection.close()


async def dump_tables(dsn):
    """Return every row of every table of ours as text: (table, bytes)."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "SELECT schemaname || '.' || tablename AS name"
            " FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        return [
            (row["name"], "\n".join(r[0] for r in await _read(connection, row["name"])).encode())
            for row in tables
        ]
    finally:
        await connection.close()


async def _read(connection, table):
    return await connection.fetch(f"SELECT each::text FROM {table} AS each")


async def _find_schemas(connection, table):
    """A rebuild keeps the tables under another name; the newest is in use."""
    rows = await connection.fetch(
        "SELECT table_schema FROM information_schema.tables WHERE table_name = $1", table
    )
    return [row["table_schema"] for row in rows]


async def _compare_payments(connection, journal):
    rows = await _fetch(connection, "payments", "SELECT * FROM {}.payments")
    told = {
        row["rrn"]: (
            row["idempotency_key"],
            row["state"],
            row["response_code"],
            row["authorization_id"],
            row["amount_minor"],
            row["case_count"],
        )
        for row in rows
    }
    known = {
        rrn: (
            story.key,
            story.state,
            story.response_code,
            story.authorization_id,
            story.approved_minor,
            len(story.case_kinds),
        )
        for rrn, story in journal.stories.items()
    }
    for rrn in sorted(told.keys() | known.keys()):
        if told.get(rrn) != known.get(rrn):
            shown = f"table {told.get(rrn)}, journal {known.get(rrn)}"
            return [Violation(9, "payment-row-differs", rrn, shown)]
    return []


async def _compare_lines(connection, journal):
    rows = await _fetch(connection, "lines", "SELECT * FROM {}.lines")
    told = Counter(
        (
            r["rrn"],
            r["partition"],
            r["journal_offset"],
            r["event_index"],
            r["gross_minor"],
            r["fee_minor"],
        )
        for r in rows
    )
    known = Counter(
        (story.rrn, *line) for story in journal.stories.values() for line in story.lines
    )
    if told == known:
        return []
    shown = f"only in the table {told - known}, only in the journal {known - told}"
    return [Violation(9, "settlement-lines-differ", "lines", shown[:500])]


async def _compare_totals(connection, journal):
    rows = await _fetch(
        connection,
        "totals",
        "SELECT merchant_id, sum(gross_minor) AS gross, sum(fee_minor) AS fee FROM {}.totals"
        " GROUP BY merchant_id",
    )
    told = {r["merchant_id"]: (int(r["gross"]), int(r["fee"])) for r in rows}
    known = {}
    for story in journal.stories.values():
        for *_, gross, fee in story.lines:
            so_far = known.get(story.merchant_id, (0, 0))
            known[story.merchant_id] = so_far[0] + gross, so_far[1] + fee
    if told == known:
        return []
    return [Violation(9, "totals-differ", "totals", f"table {told}, journal {known}"[:500])]


async def _compare_positions(connection, journal):
    """Each position is behind the last record, and counts what the journal holds."""
    ends, voids = Counter(), Counter()
    for decision in journal.decisions:
        ends[decision.partition] = decision.offset + 1
        voids[decision.partition] += decision.is_void
    found = []
    for schema in await _find_schemas(connection, "position"):
        for row in await connection.fetch(f'SELECT * FROM "{schema}".position'):
            partition = row["partition"]
            told = row["next_offset"], row["void_count"]
            if told != (ends[partition], voids[partition]):
                shown = f"{told}, journal {ends[partition], voids[partition]}"
                found.append(Violation(9, "position-differs", f"{schema} {partition}", shown))
    return found


async def _fetch(connection, table, query):
    schemas = await _find_schemas(connection, table)
    assert schemas, f"no table {table}"
    return await connection.fetch(query.format(f'"{max(schemas)}"'))
