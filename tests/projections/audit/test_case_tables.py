import asyncpg

from projections.audit.case_tables import CaseFolds
from projections.audit.cases import FOLDED
from projections.migrations import read_migrations
from projections.position import Place
from switch.domain.cases.events import CaseNoted
from switch.eventlog.journal import decode_record


async def test_the_rows_of_cases_go_on_from_those_in_the_database(dsn, make_log, fill):
    log = make_log(2_000)
    await fill(dsn, log)
    connection = await asyncpg.connect(dsn)
    found = await connection.fetch("SELECT state, count(*) AS count FROM audit.cases GROUP BY 1")
    states = {row["state"]: row["count"] for row in found}
    assert set(states) >= {"open", "resolved", "closed"}
    await connection.execute("SET search_path TO audit")
    whole = await connection.fetch("SELECT * FROM cases ORDER BY case_id")
    await connection.execute("DELETE FROM cases")
    for half in (slice(None, 1_000), slice(1_000, None)):
        for partition in range(2):
            folds = CaseFolds()
            for offset, value in log.partitions["journal", partition].records[half]:
                record = decode_record(value)
                for event in record.events:
                    if type(event) in FOLDED:
                        at_ms = getattr(event, "at", record.at)
                        folds.add(event, Place(partition, offset), at_ms)
            await folds.write(connection)
    assert await connection.fetch("SELECT * FROM cases ORDER BY case_id") == whole
    await connection.close()


async def test_no_case_no_statement():
    await CaseFolds().write(None)  # would fail at the first use of the connection


async def test_cases_that_an_older_program_left_are_found_in_the_events(dsn, make_log, fill):
    """Run the very statement of the migration over events that have no cases yet."""
    await fill(dsn, make_log(1_200))
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "audit"})
    await connection.execute("DELETE FROM cases")
    sql = next(one.sql for one in read_migrations("audit") if one.name == "cases")
    await connection.execute(sql[sql.index("INSERT INTO cases") :])
    found = await connection.fetch("SELECT DISTINCT kind FROM cases")
    assert {row["kind"] for row in found} >= {"reversal-not-found", "inbound-parked", "not-served"}
    row = await connection.fetchrow("SELECT * FROM cases WHERE kind = 'not-served' LIMIT 1")
    assert row["rrn"]
    assert row["merchant_id"]
    await connection.close()


def test_what_concerns_a_case_that_was_never_opened_makes_no_row():
    folds = CaseFolds()
    noted = CaseNoted(case_id="c", by="a", at=2, text="t", command_id="1")
    folds.add(noted, Place(0, 1), 2)
    assert folds.fold({}) == []
