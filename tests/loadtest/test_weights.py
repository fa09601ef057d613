import pytest

from loadtest.weights import KINDS, NAMES, SPENT, Scale, weigh


@pytest.mark.parametrize("name", NAMES)
def test_each_kind_weighs_something_and_not_too_much(name):
    weight = weigh(name, 60)
    assert weight.name == name
    assert 0 < weight.folded_bytes < 10_000
    assert 0 < weight.decided_bytes < 10_000


def test_a_number_is_far_lighter_than_a_payment():
    assert weigh(SPENT, 1_000).decided_bytes < 200


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("payment of an open batch", 60),
        ("open pre-authorization", 60),
        ("payment that was refunded in part", 60),
        ("tombstone with its reversal's stored answer", 0),
    ],
)
def test_what_is_weighed_is_what_is_left(name, left):
    scale = Scale(60)
    KINDS[name](scale)
    assert len(scale.partition.book) == left
