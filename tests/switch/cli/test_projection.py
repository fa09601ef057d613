import json

import pytest
from click.testing import CliRunner

from projections.catalogue import PROJECTIONS
from switch.cli.main import main
from switch.cli.projection import NAMES


def invoke(instance, *arguments):
    data = ("--data", str(instance.data_dir))
    return CliRunner().invoke(main, ["projection", *arguments, *data])


def test_the_names_are_those_of_the_catalogue():
    assert tuple(PROJECTIONS) == NAMES


def test_status_shows_position_end_and_lag(readable_instance):
    result = invoke(readable_instance, "status")
    assert result.exit_code == 0, result.output
    assert "settlement" in result.output
    for one in json.loads(invoke(readable_instance, "status", "--format", "json").stdout):
        assert one["is_made"]
        for at in one["partitions"]:
            assert (at["next_offset"], at["end_offset"], at["lag_count"]) == (500, 500, 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_rebuild_ends_equal_to_the_live_tables(readable_instance, name):
    result = invoke(readable_instance, "rebuild", name)
    assert result.exit_code == 0, result.output
    assert "1000 records replayed" in result.stdout
    assert "equal to the live tables; in force" in result.stdout
    assert not result.stderr
    report = json.loads(invoke(readable_instance, "rebuild", name, "--format", "json").stdout)
    assert report["is_switched"]
    assert report["compared"] == "all"


def test_an_unknown_projection_ends_with_2(readable_instance):
    assert invoke(readable_instance, "rebuild", "nothing").exit_code == 2
