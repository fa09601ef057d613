import pytest

from loadtest.bench_kafka_takeover import Spread, bench_takeover, spread
from loadtest.kafka_part import KafkaBenchOptions
from loadtest.kafka_stand import Broker


def test_rounds_are_summed_up_by_median_and_worst():
    assert spread([30, 10, 20]) == Spread(median_ms=20, max_ms=30, all_ms=(10, 20, 30))


@pytest.mark.long
@pytest.mark.process
async def test_a_handler_is_killed_and_one_is_stopped(kafka_bootstrap):
    options = KafkaBenchOptions(terminals=48, rate=40.0, partitions=2, rounds=1)
    bench = await bench_takeover(Broker(kafka_bootstrap), options, lambda _text: None)
    assert bench.killed.max_ms > bench.handed_over.max_ms
