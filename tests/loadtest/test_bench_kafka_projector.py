import pytest

from loadtest.bench_kafka_projector import bench_projector
from loadtest.kafka_part import KafkaBenchOptions
from loadtest.kafka_stand import Broker


@pytest.mark.process
async def test_a_projector_catches_up_and_then_keeps_up(kafka_bootstrap):
    options = KafkaBenchOptions(terminals=48, events=4_000, rate=30.0, seconds=2.0, partitions=2)
    bench = await bench_projector(Broker(kafka_bootstrap), options, lambda _text: None)
    assert bench.events_per_s > 500
    assert bench.level.faults == {}
    assert bench.lag_s_max >= bench.lag_s_median >= 0
