from loadtest.kafka_part import LOW_PER_S, WARM_UP_PER_S, KafkaBenchOptions, find_best
from loadtest.search import Level


def level(rate_per_s, p99_ms):
    return Level(
        rate_per_s=rate_per_s,
        answered_per_s=rate_per_s,
        p50_ms=1,
        p99_ms=p99_ms,
        faults={},
        client_us_per_payment=40,
    )


async def play(rate_per_s):
    return level(rate_per_s, rate_per_s / 20)


async def test_a_rate_that_is_asked_for_is_the_only_one_tried():
    told = []
    result = await find_best(play, KafkaBenchOptions(rate=1_000), told.append)
    assert [each.rate_per_s for each in result.levels] == [1_000]
    assert result.best == result.levels[0]
    assert "p99 50.0 ms" in told[0]


async def test_a_rate_that_does_not_hold_is_told_but_not_the_best():
    result = await find_best(play, KafkaBenchOptions(rate=3_000), lambda _text: None)
    assert (result.best, len(result.levels)) == (None, 1)


async def test_without_one_the_highest_that_holds_is_searched():
    result = await find_best(play, KafkaBenchOptions(), lambda _text: None)
    assert 1_800 <= result.best.rate_per_s <= 2_000


async def test_a_search_begins_with_a_warm_broker():
    rates = []

    async def note(rate_per_s):
        rates.append(rate_per_s)
        return level(rate_per_s, rate_per_s / 20)

    result = await find_best(note, KafkaBenchOptions(), lambda _text: None)
    assert rates[:4] == [WARM_UP_PER_S] * 3 + [LOW_PER_S]
    assert [each.rate_per_s for each in result.levels] == rates[3:], "a warm-up is no level"
