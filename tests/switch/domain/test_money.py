import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.domain.money import (
    AMOUNT_MINOR_MAX,
    CURRENCY_EXPONENTS,
    CURRENCY_NAMES,
    Money,
    format_minor,
    parse_amount,
)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1234, "156", "12.34"),
        (5, "156", "0.05"),
        (-5, "156", "-0.05"),
        (1234, "392", "1234"),
        (1, "414", "0.001"),
        (0, "840", "0.00"),
    ],
)
def test_minor_units_are_written_with_the_currencys_decimals(minor, currency, text):
    assert format_minor(minor, currency) == text


@given(st.integers(0, AMOUNT_MINOR_MAX), st.sampled_from(sorted(CURRENCY_EXPONENTS)))
def test_an_amount_that_was_written_reads_back_the_same(minor, currency):
    assert parse_amount(format_minor(minor, currency), currency) == Money(minor, currency)


@pytest.mark.parametrize("text", ["", "1.234", "-1", "1e3", "1,00", "abc", "1.x", "९", "1" * 13])
def test_what_is_not_exactly_an_amount_is_refused(text):
    with pytest.raises(ValueError, match=r"amount|decimals|digits"):
        parse_amount(text, "156")


def test_every_currency_has_a_name():
    assert set(CURRENCY_NAMES) == set(CURRENCY_EXPONENTS)


def test_money_is_shown_as_people_write_it():
    assert str(Money(1234, "156")) == "12.34 CNY"
