import asyncpg

from projections.audit.tables import AuditBatch
from projections.position import Place
from projections.settlement.tables import SettlementBatch
from switch.domain.payment.events import PaymentRequested
from switch.eventlog.journal import decode_record


def test_a_void_record_leaves_event_rows_but_moves_no_payment(make_log):
    batch = AuditBatch()
    stored = make_log(100, partition_count=1).partitions["journal", 0].records
    for offset, value in stored:
        batch.add(decode_record(value), Place(0, offset, is_void=True))
    assert len(batch.events) > 100
    assert all(row.is_void for row in batch.events)
    assert not batch._folds


def test_steps_of_a_payment_whose_opening_is_not_known_make_no_row(make_log):
    batch = AuditBatch()
    for offset, value in make_log(100, partition_count=1).partitions["journal", 0].records:
        record = decode_record(value)
        if not isinstance(record.events[0], PaymentRequested):
            batch.add(record, Place(0, offset))
    assert batch._folds
    assert batch._fold(sorted(batch._folds), {}) == ([], [])


async def test_an_empty_batch_writes_nothing():
    await AuditBatch().write(None)  # would fail at the first use of the connection
    await SettlementBatch().write(None)


async def test_a_fold_goes_on_from_the_row_in_the_database(dsn, make_log, fill):
    await fill(dsn, make_log(300))
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("SELECT state, money_state FROM audit.payments")
    states = {(row["state"], row["money_state"]) for row in rows}
    assert ("approved", "debited") in states
    assert ("reversed", "returned") in states
    assert ("case", "unknown") in states
    voids = await connection.fetchval("SELECT count(*) FROM audit.events WHERE is_void")
    counted = await connection.fetchval("SELECT sum(void_count) FROM audit.position")
    assert voids == counted > 0
    await connection.close()
