import pytest

from loadtest.bench_kafka_growth import bench_growth, bench_snapshot
from loadtest.kafka_part import KafkaBenchOptions
from loadtest.kafka_stand import Broker

pytestmark = [pytest.mark.process, pytest.mark.long]


async def test_a_partition_is_taken_over_from_its_start_and_from_a_snapshot(kafka_bootstrap):
    options = KafkaBenchOptions(events=4_000, rate=30.0)
    bench = await bench_snapshot(Broker(kafka_bootstrap), options, lambda _text: None)
    assert bench.journal_records == 1 + 2_000
    assert min(bench.take_over_s, bench.snapshot_take_over_s, bench.snapshot_s) > 0


async def test_a_payment_costs_something_at_both_ends(kafka_bootstrap):
    options = KafkaBenchOptions(events=20_000, rate=50.0, seconds=2.0)
    bench = await bench_growth(Broker(kafka_bootstrap), options, lambda _text: None)
    assert bench.short.journal_events < bench.long.journal_events
    assert not any(level.faults for level in (*bench.short.levels, *bench.long.levels))
    assert bench.long.handler_us_per_payment > 50
