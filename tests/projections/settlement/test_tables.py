from projections.position import Place
from projections.settlement.tables import SettlementBatch, sum_lines
from switch.eventlog.journal import decode_record


def records(log):
    return [decode_record(stored.value) for stored in log.partitions["journal", 0].records]


def test_totals_are_the_sums_of_the_lines(make_log):
    batch = SettlementBatch()
    for offset, record in enumerate(records(make_log(400, partition_count=1))):
        batch.add(record, Place(0, offset))
    totals = sum_lines(batch.lines)
    assert sum(sums[0] + sums[1] for sums in totals.values()) == len(batch.lines) > 50
    for column, name in ((2, "gross_minor"), (3, "fee_minor"), (4, "net_minor")):
        expected = sum(getattr(line, name) for line in batch.lines)
        assert sum(sums[column] for sums in totals.values()) == expected
    assert {line.kind for line in batch.lines} == {"approval", "reversal"}


def test_a_void_record_settles_nothing(make_log):
    batch = SettlementBatch()
    for offset, record in enumerate(records(make_log(100, partition_count=1))):
        batch.add(record, Place(0, offset, is_void=True))
    assert not batch.lines
    assert not batch.postings
