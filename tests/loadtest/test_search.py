import pytest

from loadtest.search import LEVEL_COUNT_MAX, Level, search_rate


def level(rate, *, p99_ms=10.0, share=1.0, faults=None):
    return Level(
        rate_per_s=rate,
        answered_per_s=rate * share,
        p50_ms=1.0,
        p99_ms=p99_ms,
        faults=faults or {},
        client_us_per_payment=40.0,
    )


async def search(capacity, **bounds):
    async def run_level(rate):
        return level(rate, p99_ms=10.0 if rate <= capacity else 500.0)

    limits = {"low_per_s": 1_000, "high_per_s": 16_000, "p99_ms_max": 50, **bounds}
    return await search_rate(run_level, **limits)


@pytest.mark.parametrize("capacity", [1_000, 1_900, 3_333, 5_000, 7_999, 12_345, 16_000])
async def test_the_best_rate_is_found_within_the_precision(capacity):
    result = await search(capacity)
    assert result.best is not None
    assert capacity * 0.9 <= result.best.rate_per_s <= capacity


async def test_nothing_holds_below_the_lowest_rate():
    result = await search(500)
    assert result.best is None
    assert {each.rate_per_s for each in result.levels} == {1_000}


async def test_the_search_does_not_go_beyond_its_highest_rate():
    result = await search(1_000_000)
    assert result.best is not None
    assert max(each.rate_per_s for each in result.levels) <= 16_000


async def test_the_search_ends():
    result = await search(12_345, precision=0.0001)
    assert len(result.levels) <= LEVEL_COUNT_MAX + 1


async def test_one_bad_moment_is_no_verdict():
    moments = iter([500.0])

    async def run_level(rate):
        return level(rate, p99_ms=next(moments, 10.0))

    result = await search_rate(run_level, low_per_s=1_000, high_per_s=2_000, p99_ms_max=50)
    assert result.best is not None
    assert result.best.rate_per_s >= 1_900


@pytest.mark.parametrize(
    "bad", [{"p99_ms": 51.0}, {"share": 0.98}, {"faults": {"sale: no answer": 1}}]
)
def test_a_level_holds_only_if_everything_does(bad):
    assert level(100).holds(p99_ms_max=50)
    assert not level(100, **bad).holds(p99_ms_max=50)
