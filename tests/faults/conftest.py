"""Instances under attack: every one in a folder of its own, ended by its pid."""

import pytest

from tests.faults.load import Load
from tests.faults.stand import SHORT_TIMES, STEADY_SWITCH_TIMES, Stand


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    """One running instance for all tests of a module."""
    made = Stand(tmp_path_factory.mktemp("stand"), STEADY_SWITCH_TIMES)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def own_stand(tmp_path):
    """Make instances that are a test's own; they are not started yet."""
    made = []

    def make(settings=SHORT_TIMES, folder=tmp_path):
        made.append(Stand(folder, settings))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def load_on():
    """Make terminals that pay without a pause."""
    made = []

    def make(stand, seed):
        made.append(Load(stand, seed))
        return made[-1]

    yield make
    for each in made:
        each.close()
