from loadtest.histogram import Histogram
from loadtest.tally import Tally, summarize


def test_latencies_are_kept_by_kind_and_without_the_warm_up():
    tally = Tally()
    tally.record("authorization", 500, counts=True)
    tally.record("authorization", 9_000_000, counts=False)
    tally.record("repeat", 100, counts=True)
    assert {name: h.count for name, h in tally.latencies.items()} == {
        "authorization": 1,
        "repeat": 1,
    }


def test_faults_are_counted_by_what_they_are():
    tally = Tally()
    tally.faults["connection: lost"] += 2
    tally.faults["sale: no answer"] += 1
    assert tally.fault_count == 3


def test_a_summary_is_in_milliseconds():
    histogram = Histogram()
    for value in range(1, 1001):
        histogram.record(value * 1000)
    summary = summarize(histogram)
    assert summary.count == 1000
    assert 495 <= summary.p50_ms <= 505
    assert 985 <= summary.p99_ms <= 1000
    assert summary.max_ms == 1000
    assert summary.mean_ms == 500.5
    assert Histogram.restore(summary.histogram).count == 1000
