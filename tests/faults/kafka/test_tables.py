"""The comparison of tables with the journal finds each kind of difference, on a real PostgreSQL."""

import asyncio

import asyncpg
import pytest

from switch.adapters.embedded_postgres import EmbeddedPostgres
from tests.faults.kafka.made_history import MERCHANT, Run, key_of
from tests.faults.kafka.story import Journal
from tests.faults.kafka.tables import compare_tables, dump_tables

TABLES = """
DROP SCHEMA IF EXISTS audit CASCADE; DROP SCHEMA IF EXISTS settlement CASCADE;
CREATE SCHEMA audit; CREATE SCHEMA settlement;
CREATE TABLE audit.payments (rrn text, idempotency_key text, state text, response_code text,
    authorization_id text, amount_minor bigint, case_count integer);
CREATE TABLE settlement.lines (rrn text, partition smallint, journal_offset bigint,
    event_index smallint, gross_minor bigint, fee_minor bigint);
CREATE TABLE settlement.totals (merchant_id text, gross_minor bigint, fee_minor bigint);
CREATE TABLE audit.position (partition smallint, next_offset bigint, void_count bigint);
CREATE TABLE settlement.position (partition smallint, next_offset bigint, void_count bigint);
"""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    with EmbeddedPostgres(tmp_path_factory.mktemp("tables") / "pg") as server:
        yield server


@pytest.fixture
def journal():
    run = Run()
    run.sale()
    run.append({"type": "position-noted.v1"}, claim_id="c0")
    return Journal(run.journal)


def fill(journal):
    (rrn, story), end = next(iter(journal.stories.items())), len(journal.decisions)
    (line,) = story.lines
    return [
        ("audit.payments", (rrn, key_of("000001"), "approved", "00", "123456", 100, 0)),
        ("settlement.lines", (rrn, *line)),
        ("settlement.totals", (MERCHANT, 100, 1)),
        ("audit.position", (3, end, 1)),
        ("settlement.position", (3, end, 1)),
    ]


async def compare(dsn, journal, change=""):
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(TABLES)
        for table, values in fill(journal):
            marks = ", ".join(f"${number}" for number in range(1, len(values) + 1))
            await connection.execute(f"INSERT INTO {table} VALUES ({marks})", *values)
        if change:
            await connection.execute(change)
    finally:
        await connection.close()
    return [found.kind for found in await compare_tables(dsn, journal)]


def test_tables_that_are_what_the_journal_says_are_found_so(postgres, journal):
    assert asyncio.run(compare(postgres.dsn, journal)) == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("UPDATE audit.payments SET state = 'reversing'", "payment-row-differs"),
        ("UPDATE audit.payments SET authorization_id = '9'", "payment-row-differs"),
        ("DELETE FROM audit.payments", "payment-row-differs"),
        ("INSERT INTO audit.payments SELECT 'x' || rrn FROM audit.payments", "payment-row-differs"),
        ("UPDATE settlement.lines SET fee_minor = 2", "settlement-lines-differ"),
        (
            "INSERT INTO settlement.lines SELECT * FROM settlement.lines",
            "settlement-lines-differ",
        ),
        ("UPDATE settlement.totals SET gross_minor = 200", "totals-differ"),
        ("UPDATE audit.position SET next_offset = next_offset - 1", "position-differs"),
        ("UPDATE settlement.position SET void_count = 0", "position-differs"),
    ],
)
def test_a_difference_is_found(postgres, journal, change, kind):
    assert asyncio.run(compare(postgres.dsn, journal, change)) == [kind]


def test_every_row_is_dumped_as_text(postgres, journal):
    asyncio.run(compare(postgres.dsn, journal))
    dumped = dict(asyncio.run(dump_tables(postgres.dsn)))
    assert key_of("000001").encode() in dumped["audit.payments"]
    assert dumped.keys() == {table for table, _ in fill(journal)}
