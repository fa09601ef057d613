import pytest

from switch.handlers.folded import Folded


class Sum(Folded):
    """The smallest fold."""

    def __init__(self, total):
        self.total = total


class Other(Sum):
    """Another one with the same content."""


def test_two_folds_are_equal_by_content():
    assert Sum(1) == Sum(1)
    assert Sum(1) != Sum(2)
    assert Sum(1) != Other(1)


def test_a_fold_is_no_key():
    with pytest.raises(TypeError):
        hash(Sum(1))
