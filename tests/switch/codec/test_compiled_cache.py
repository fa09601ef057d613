import pytest

from switch.codec.compiled_cache import (
    GENERATION_COUNT_MAX,
    SIGHTED_COUNT_MAX,
    SIGHTINGS_BEFORE_COMPILING,
    CompiledCache,
)


@pytest.fixture
def compiled():
    return []


@pytest.fixture
def cache(compiled):
    def compile_key(key):
        compiled.append(key)
        return str(key)

    return CompiledCache(compile_key)


def sight(cache, key, count=SIGHTINGS_BEFORE_COMPILING):
    for _ in range(count):
        cache.note_sighting(key)


def test_a_key_is_compiled_once_it_was_seen_often(cache, compiled):
    sight(cache, 1, SIGHTINGS_BEFORE_COMPILING - 1)
    assert compiled == []
    assert cache.find_hot(1) is None
    cache.note_sighting(1)
    assert compiled == [1]
    assert cache.find_hot(1) == "1"


def test_a_flood_of_keys_compiles_nothing_and_is_forgotten(cache, compiled):
    for key in range(10 * SIGHTED_COUNT_MAX):
        cache.note_sighting(key)
    assert compiled == []
    assert len(cache._sightings) <= SIGHTED_COUNT_MAX


def test_the_number_of_functions_is_bounded(cache):
    for key in range(10 * GENERATION_COUNT_MAX):
        sight(cache, key)
    assert len(cache) <= 2 * GENERATION_COUNT_MAX


def test_what_is_in_use_outlives_a_flood_without_compiling_again(cache, compiled):
    sight(cache, "used")
    for key in range(10 * GENERATION_COUNT_MAX):
        sight(cache, key)
        assert cache.find_hot("used") or cache.recall("used")
    assert compiled.count("used") == 1


def test_what_is_not_in_use_is_dropped(cache):
    sight(cache, "idle")
    for key in range(2 * GENERATION_COUNT_MAX):
        sight(cache, key)
    assert cache.find_hot("idle") is None
    assert cache.recall("idle") is None
