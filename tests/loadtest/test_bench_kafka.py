import pytest

from loadtest.bench_kafka import PARTS, bench_kafka
from loadtest.kafka_part import KafkaBenchOptions


@pytest.mark.process
def test_a_part_runs_alone_on_a_broker_of_its_own(kafka_libs):
    assert kafka_libs.is_dir()
    told = []
    options = KafkaBenchOptions(seconds=1.0, rate=20.0, partitions=2, has_projector=False)
    found = bench_kafka(("latency",), options, told.append)
    assert told[0] == "bench kafka latency ..."
    latency = found["latency"]
    assert latency.level.faults == {}
    assert {"broker", "gateway", "handler-1"} <= set(latency.level.switch_processes)
    assert latency.p99_ms_without_issuer >= latency.p50_ms_without_issuer > 0


def test_every_part_has_a_name():
    assert list(PARTS) == ["rate", "latency", "takeover", "snapshot", "projector", "growth"]
