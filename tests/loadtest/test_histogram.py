import msgspec
from hypothesis import given
from hypothesis import strategies as st

from loadtest.histogram import Histogram, HistogramSnapshot, bucket_of, highest_of

latencies = st.integers(min_value=0, max_value=(1 << 32) - 1)


def filled(values):
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


def test_small_values_have_a_bucket_each():
    assert [highest_of(bucket_of(value)) for value in range(256)] == list(range(256))


@given(latencies)
def test_a_bucket_is_never_wider_than_one_percent_of_its_value(value):
    highest = highest_of(bucket_of(value))
    assert value <= highest <= value * 1.01


@given(latencies, latencies)
def test_buckets_rise_with_their_values(one, other):
    low, high = sorted((one, other))
    assert bucket_of(low) <= bucket_of(high)


@given(st.lists(latencies, min_size=1), st.floats(min_value=0.01, max_value=1))
def test_a_quantile_does_not_flatter_and_is_within_one_percent(values, share):
    ordered = sorted(values)
    exact = ordered[max(-(-int(share * len(values) * 10**9) // 10**9) - 1, 0)]
    assert exact * 0.99 <= filled(values).quantile_us(share) <= max(values)


@given(st.lists(latencies), st.lists(latencies))
def test_merged_histograms_equal_one_that_saw_everything(left, right):
    merged = filled(left)
    merged.merge(filled(right))
    assert merged.snapshot() == filled(left + right).snapshot()


@given(st.lists(latencies))
def test_a_histogram_survives_json(values):
    histogram = filled(values)
    text = msgspec.json.encode(histogram.snapshot())
    restored = Histogram.restore(msgspec.json.decode(text, type=HistogramSnapshot))
    assert restored.snapshot() == histogram.snapshot()
    assert restored.count == len(values)


def test_an_empty_histogram_answers_zero():
    assert Histogram().quantile_us(0.99) == 0
    assert Histogram().mean_us() == 0.0


def test_what_lies_outside_the_range_counts_at_its_ends():
    histogram = filled([-5, 1 << 40])
    assert histogram.quantile_us(0.5) == 0
    assert histogram.max_us == (1 << 32) - 1


def test_known_quantiles_of_one_to_a_thousand():
    histogram = filled(range(1, 1001))
    assert 500 <= histogram.quantile_us(0.5) <= 503
    assert 990 <= histogram.quantile_us(0.99) <= 999
    assert histogram.mean_us() == 500.5
