import pytest

from loadtest.bench_kafka_rate import bench_rate
from loadtest.kafka_part import KafkaBenchOptions
from loadtest.kafka_stand import Broker


@pytest.mark.process
async def test_switch_and_bare_pipe_are_measured_beside_each_other_and_the_audit_is_clean(
    kafka_bootstrap,
):
    options = KafkaBenchOptions(
        terminals=24, seconds=2.0, rate=30.0, p99_ms_max=5_000, partitions=2, has_projector=False
    )
    bench = await bench_rate(Broker(kafka_bootstrap), options, lambda _text: None)
    assert bench.audit.violations == ()
    assert bench.audit.approvals > 20
    assert bench.search.best.faults == bench.pipe_search.best.faults == {}
    assert bench.to_pipe == pytest.approx(1.0, abs=0.2)
    sizes = bench.record_sizes
    assert min(sizes.inbound, sizes.routed, sizes.outcome, sizes.reply) > 200
