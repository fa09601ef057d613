import pytest

from loadtest.scenario import (
    SCENARIO_DIRECTORY,
    ScenarioError,
    find_scenario,
    load_scenario,
    parse_scenario,
)

SMALLEST = 'name = "x"\nsteps = [{ rate_per_s = 5, duration_s = 1 }]\n'


def test_the_smallest_scenario_is_a_name_and_a_step():
    scenario = parse_scenario(SMALLEST, "here")
    assert scenario.steps[0].rate_per_s == 5
    assert scenario.objectives.error_count_max == 0


@pytest.mark.parametrize("name", sorted(path.stem for path in SCENARIO_DIRECTORY.glob("*.toml")))
def test_every_saved_scenario_can_be_loaded_and_names_itself(name):
    assert load_scenario(name).name == name


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("terminal = 5", "terminal"),
        ("terminals = 0", "terminals"),
        ("terminals = 'many'", "terminals"),
        ("mac_check_share = 1.5", "mac_check_share"),
        ("amount_minor_min = 1", "amount_minor_min"),
        ("amount_minor_max = 5", "amount_minor_min"),
        ("arrivals = 'odd'", "arrivals"),
        ("waiting_count_max = 0", "waiting_count_max"),
        ("[mix]\nrepeats = 1.5", "mix"),
        ("[mix]\nrepeats = 0.6\nconflicts = 0.6", "mix"),
        ("[mix]\nrepeat = 0.1", "repeat"),
        ("[objectives]\np99_ms = 1", "p99_ms"),
    ],
)
def test_a_wrong_line_is_refused_with_its_name(line, told):
    with pytest.raises(ScenarioError, match=told) as raised:
        parse_scenario(SMALLEST + line, "night.toml")
    assert str(raised.value).startswith("night.toml: ")


def test_too_many_payments_are_refused():
    text = 'name = "x"\nsteps = [{ rate_per_s = 50000, duration_s = 3600 }]'
    with pytest.raises(ScenarioError, match="at most"):
        parse_scenario(text, "here")


def test_no_steps_are_refused():
    with pytest.raises(ScenarioError, match="step"):
        parse_scenario('name = "x"\nsteps = []', "here")


def test_a_scenario_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(ScenarioError, match=r"smoke.*steady"):
        find_scenario("nowhere")


def test_a_scenario_is_found_by_path(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SMALLEST)
    assert load_scenario(str(path)).name == "x"
