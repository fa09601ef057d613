import pytest

from loadtest.bare_pipe import RecordSizes
from loadtest.bench_pipe import bench_pipe


@pytest.mark.process
async def test_the_bare_pipe_carries_payments_to_the_issuer_and_back():
    bench = await bench_pipe(
        terminals=8,
        seconds=1.0,
        p99_ms_max=5_000,
        sizes=RecordSizes(),
        low_per_s=40,
        high_per_s=40,
    )
    assert bench.search.best is not None
    assert bench.search.best.faults == {}
