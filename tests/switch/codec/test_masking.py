import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.codec.masking import mask_card_numbers, mask_pan


@pytest.mark.parametrize(
    ("digits", "shown"),
    [
        ("6200000000000005", "620000******0005"),
        ("6205500000000000004", "620550*********0004"),
        ("4222222222222", "422222***2222"),
        ("422222222222", "************"),
        ("62055000000000000040", "*" * 20),
        ("", ""),
        ("x", "*"),
    ],
)
def test_a_pan_shows_six_and_four_or_nothing(digits, shown):
    assert mask_pan(digits) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("card 6200000000000005.", "card 620000******0005."),
        ("7" + "6200000000000005", "*" * 17),  # a card number inside a longer one
        ("6200000000000005" * 2, "*" * 32),
        ("1234567890123", "1234567890123"),  # fails the Luhn check
        ("123456789012", "123456789012"),
        ("no digits", "no digits"),
    ],
)
def test_card_numbers_in_free_text_are_masked(text, shown):
    assert mask_card_numbers(text) == shown


def passes_luhn(digits):
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


@given(st.text("0123456789 a", max_size=60))
def test_no_card_number_is_left_anywhere(text):
    for run in re.findall(r"\d{13,}", mask_card_numbers(text)):
        assert len(run) <= 19
        for size in range(13, len(run) + 1):
            for start in range(len(run) - size + 1):
                assert not passes_luhn(run[start : start + size])
