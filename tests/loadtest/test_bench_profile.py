import cProfile

from loadtest.bench_profile import read_profile


def busy():
    return sum(range(100_000))


def test_the_functions_of_a_profile_are_told_a_payment(tmp_path):
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(4):
        busy()
    profile.disable()
    profile.dump_stats(tmp_path / "profile")
    functions = read_profile(tmp_path / "profile", 2)
    [found] = [use for use in functions if use.name.endswith(" busy")]
    assert found.calls == 2
    assert found.total_us >= found.own_us > 0
    assert functions[0].own_us == max(use.own_us for use in functions)
