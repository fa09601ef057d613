import pytest
from msgspec.structs import replace

from switch.domain.payment.batch_order import is_neighbouring_batch, is_of_these_days, precedes
from switch.domain.payment.rules import DecisionRules

RULES = DecisionRules()
NOON = 1_700_020_800_000  # 15 November 2023, noon in China
DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("batch", "other", "want"),
    [
        ("000002", "000001", True),
        ("000002", "000003", True),
        ("000002", "000004", False),
        ("000001", "999999", True),
        ("1115", "1114", True),
        ("0301", "0229", True),
        ("0101", "1231", True),
        ("1115", "1015", False),
        ("1315", "1415", False),
        ("1115", "001115", False),
        ("", "", False),
    ],
)
def test_which_batches_are_neighbours(batch, other, want):
    assert is_neighbouring_batch(batch, other) is want
    assert is_neighbouring_batch(other, batch) is want


@pytest.mark.parametrize(
    ("batch", "other", "want"),
    [
        ("000001", "000002", True),
        ("000002", "000002", False),
        ("000003", "000002", False),
        ("999999", "000001", True),
        ("000001", "999999", False),
        ("1114", "x", False),
    ],
)
def test_a_batch_precedes_those_of_the_half_round_after_it(batch, other, want):
    assert precedes(batch, other) is want


@pytest.mark.parametrize(
    ("mmdd", "want"),
    [
        ("1116", True),
        ("1115", True),
        ("1110", True),
        ("1109", False),
        ("1108", False),
        ("1118", False),
        ("1315", False),
        ("0000", False),
        ("", False),
    ],
)
def test_a_day_is_of_these_days_while_all_its_keys_are_remembered(mmdd, want):
    assert is_of_these_days(mmdd, NOON, RULES) is want


def test_a_day_of_the_old_year_is_of_these_days_in_the_new_one():
    new_year = NOON + 47 * DAY_MS
    assert is_of_these_days("1231", new_year, RULES)
    assert is_of_these_days("0101", new_year - DAY_MS, RULES)


def test_a_key_that_could_be_forgotten_is_never_of_these_days():
    rules = replace(RULES, payment_memory_ms=7 * DAY_MS)
    for hours in range(7 * 24, 20 * 24, 5):
        assert not is_of_these_days("1115", NOON + hours * 3_600_000, rules)
