import json
import os

import pytest

from switch.demo.tour_instance import TourFault, TourInstance, wait_for


def test_a_wait_ends_with_what_was_found_or_with_none():
    looks = iter([None, "", "found"])
    assert wait_for(lambda: next(looks), 5, poll_s=0) == "found"
    assert wait_for(lambda: None, 0, poll_s=0) is None


def test_the_settings_of_whoever_runs_the_tour_do_not_reach_the_instance(tmp_path):
    instance = TourInstance(tmp_path, "", {"PATH": "p", "SWITCH__LOG__PARTITION_COUNT": "9"})
    environment = instance._environment
    assert environment["PATH"] == "p"
    assert "SWITCH__LOG__PARTITION_COUNT" not in environment
    addresses = [value for name, value in environment.items() if name.endswith("_ADDRESS")]
    assert addresses
    assert all(value == "127.0.0.1:0" for value in addresses)


def test_an_instance_that_never_started_stops_at_once_and_listens_nowhere(tmp_path):
    instance = TourInstance(tmp_path, "", {})
    instance.stop()
    instance.kill()
    assert instance.pid == 0
    with pytest.raises(TourFault, match="unionpay-pos"):
        instance.address("unionpay-pos")


@pytest.mark.process
def test_an_instance_that_ends_by_itself_is_told_with_its_last_words(tmp_path):
    instance = TourInstance(tmp_path, "nonsense://here", os.environ)
    with pytest.raises(TourFault, match="nonsense"):
        instance.start(lambda _: None)
    instance.stop()


@pytest.mark.process
def test_an_instance_is_started_killed_and_started_again(tmp_path):
    instance = TourInstance(tmp_path, "", os.environ)
    said = []
    try:
        instance.start(said.append)
        first = instance.pid
        assert instance.address("unionpay-pos")[1] > 0
        assert instance.log_url.startswith("sqlite://")
        instance.kill()
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
        assert json.loads((instance.data_dir / "addresses.json").read_text())["pid"] == first
        instance.start(said.append)
        assert instance.pid != first
    finally:
        instance.stop()
    assert not (instance.data_dir / "addresses.json").exists()
    assert any("partitions claimed" in line for line in said)
    assert not any("{" in line for line in said)
