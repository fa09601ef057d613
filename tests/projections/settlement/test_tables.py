import asyncpg

from projections.migrations import migrate, read_migrations
from projections.position import Place
from projections.settlement.tables import SUMS, SettlementBatch, sum_lines
from switch.eventlog.journal import decode_record


def records(log):
    return [decode_record(stored.value) for stored in log.partitions["journal", 0].records]


def test_totals_are_the_sums_of_the_lines(make_log):
    batch = SettlementBatch()
    for offset, record in enumerate(records(make_log(800, partition_count=1))):
        batch.add(record, Place(0, offset))
    totals = sum_lines(batch.lines)
    added = {name: sum(sums[at] for sums in totals.values()) for at, name in enumerate(SUMS)}
    for name in ("gross_minor", "fee_minor", "net_minor"):
        assert added[name] == sum(getattr(line, name) for line in batch.lines)
    assert {line.kind for line in batch.lines} == {"approval", "void", "refund", "reversal"}
    for kind in ("approval", "void", "refund", "reversal"):
        lines = [line for line in batch.lines if line.kind == kind]
        assert added[f"{kind}_count"] == len(lines) > 0
        assert added[f"{kind}_minor"] == sum(line.gross_minor for line in lines)


def test_a_void_record_settles_nothing(make_log):
    batch = SettlementBatch()
    for offset, record in enumerate(records(make_log(100, partition_count=1))):
        batch.add(record, Place(0, offset, is_void=True))
    assert not batch.lines
    assert not batch.postings


async def test_totals_of_an_older_program_get_their_kinds(dsn):
    connection = await asyncpg.connect(dsn)
    migrations = read_migrations("settlement")
    await migrate(connection, "settlement", migrations[:2])
    key = "'2026-11-22', 'a', 'm', 't', '000001'"
    for number, (kind, gross) in enumerate((("approval", 500), ("reversal", -200))):
        await connection.execute(
            f"INSERT INTO lines VALUES (0, {number}, 0, '1', '{kind}', 7, 'a', 'm', 't', '000001',"
            f" '', '2026-11-22', '156', {gross}, 0, {gross})"
        )
    await connection.execute(f"INSERT INTO totals VALUES ({key}, '156', 1, 1, 300, 0, 300)")
    await migrate(connection, "settlement", migrations)
    row = await connection.fetchrow("SELECT * FROM totals")
    assert (row["approval_minor"], row["reversal_minor"], row["gross_minor"]) == (500, -200, 300)
    assert (row["void_count"], row["refund_count"], row["void_minor"]) == (0, 0, 0)
    assert await connection.fetchval("SELECT DISTINCT transaction FROM lines") == "sale"
    await connection.close()
