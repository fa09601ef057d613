import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.domain.card import (
    bin_of,
    holds_card_number,
    holds_issued_number,
    is_issued_number,
    mask_pan,
    passes_luhn,
)

DIGITS = st.text(alphabet="0123456789", max_size=40)


@given(DIGITS)
def test_a_mask_never_shows_more_than_ten_digits_and_keeps_the_length(digits):
    masked = mask_pan(digits)
    assert len(masked) == len(digits)
    assert sum(char != "*" for char in masked) <= 10


def test_first_six_and_last_four_are_shown():
    assert mask_pan("6200000000000005") == "620000******0005"


@pytest.mark.parametrize("digits", ["", "1", "123456789012", "1" * 20])
def test_what_cannot_be_a_pan_is_hidden_whole(digits):
    assert mask_pan(digits) == "*" * len(digits)


@pytest.mark.parametrize(
    "pan",
    ["6200000000000005", "6205500000000000004", "4111111111111111", "378282246310005"],
)
def test_public_test_cards_pass_luhn(pan):
    assert passes_luhn(pan)


@pytest.mark.parametrize("pan", ["6222040000030012", "5555555551234567"])
def test_a_wrong_check_digit_fails_luhn(pan):
    assert not passes_luhn(pan)


def test_routing_sees_eight_digits_of_a_long_pan_and_six_of_a_short_one():
    assert bin_of("6200000000000005") == "62000000"
    assert bin_of("378282246310005") == "378282"


@pytest.mark.parametrize(
    "text",
    [
        "6200000000000005",
        "card 6200 0000 0000 0005 called",
        "4111-1111-1111-1111",
        "x4222222222222",
        "4111.1111.1111.1111",
        "4111\u00a01111\u00a01111\u00a01111",
        "４１１１１１１１１１１１１１１１",
        "1000 6200 0000 0000 0005",
        "room 123 4111 1111 1111 1111 100.00",
        "4111-1111-1111-1111/0428, 20.00",
        "4111\t1111\t1111\t1111 123",
        "4111 - 1111 - 1111 - 1111",
    ],
)
def test_a_card_number_in_free_text_is_seen(text):
    assert holds_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "RRN 010000000042",
        "called the bank at 10:15",
        "6200000000000006",
        "898110154110001",
        "010000000042, 010000000043: 100.00 and 20.00",
        "2026-11-23 10:15, terminal 00000001",
    ],
)
def test_other_numbers_are_let_through(text):
    assert not holds_card_number(text)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("6200000000000005", True),
        ("order 4111 1111 1111 1111", True),
        ("1756300000005", False),  # right check digit, but no card begins with 1
        ("898110154110009", False),
        ("6200000000000006", False),
    ],
)
def test_a_name_is_taken_for_a_card_number_if_it_begins_as_one(text, want):
    assert holds_issued_number(text) is want


def test_only_13_to_19_digits_are_a_card_number():
    assert is_issued_number("4222222222222")
    assert not is_issued_number("42")
    assert not is_issued_number("4" * 20)
