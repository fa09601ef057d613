import pytest

from loadtest.audit import run_audit
from loadtest.bare_pipe import RecordSizes
from loadtest.bench import compare, describe_machine
from loadtest.bench_names import NAMES
from loadtest.bench_pipe import PipeBench
from loadtest.bench_switch import EmbeddedBench
from loadtest.search import Level, SearchResult
from loadtest.trail import Journal


def search_of(rate):
    if rate is None:
        return SearchResult(best=None, levels=())
    best = Level(
        rate_per_s=rate,
        answered_per_s=rate,
        p50_ms=1,
        p99_ms=2,
        faults={},
        client_us_per_payment=40,
    )
    return SearchResult(best=best, levels=(best,))


@pytest.mark.parametrize(
    ("switch_rate", "pipe_rate", "want"),
    [(5_000, 8_000, 0.625), (None, 8_000, None), (5_000, None, None)],
)
def test_the_switch_is_compared_with_the_bare_pipe_of_the_same_run(switch_rate, pipe_rate, want):
    embedded = EmbeddedBench(
        p99_ms_max=50,
        search=search_of(switch_rate),
        record_sizes=RecordSizes(),
        audit=run_audit(Journal(), (), ()),
    )
    pipe = PipeBench(p99_ms_max=50, record_sizes=RecordSizes(), search=search_of(pipe_rate))
    assert compare(embedded, pipe) == want


def test_figures_name_their_machine():
    machine = describe_machine()
    assert machine["cores"] >= 1
    assert machine["python"].startswith("3.")


def test_the_pipe_runs_after_the_switch_whose_record_sizes_it_takes():
    assert NAMES.index("embedded") < NAMES.index("pipe")
