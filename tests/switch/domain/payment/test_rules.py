import datetime as dt

import pytest

from switch.domain.payment.rules import (
    DecisionRules,
    business_day,
    format_local_time,
    format_transmission_time,
    resolve_settlement_date,
    settlement_day,
)

RULES = DecisionRules()  # UTC+8, cut-over at 23:00


def _ms(text):
    return int(dt.datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("local", "day"),
    [
        ("2026-11-22T22:59:59+08:00", "2026-11-22"),
        ("2026-11-22T23:00:00+08:00", "2026-11-23"),
        ("2026-12-31T23:30:00+08:00", "2027-01-01"),
        ("2026-11-22T00:00:00+08:00", "2026-11-22"),
    ],
)
def test_after_cut_over_it_is_tomorrows_clearing_day(local, day):
    assert settlement_day(_ms(local), RULES).isoformat() == day


@pytest.mark.parametrize(
    ("issuer", "date", "warning"),
    [
        ("1122", "2026-11-22", ""),
        ("1123", "2026-11-23", ""),
        ("1121", "2026-11-21", ""),
        ("", "2026-11-22", ""),
        ("1125", "2026-11-22", "settlement-date-not-adjacent"),
        ("9999", "2026-11-22", "settlement-date-not-adjacent"),
    ],
)
def test_the_issuers_date_wins_within_one_day(issuer, date, warning):
    at = _ms("2026-11-22T12:00:00+08:00")
    assert resolve_settlement_date(issuer, at, RULES) == (date, warning)


def test_the_issuers_first_of_january_is_next_year():
    at = _ms("2026-12-31T12:00:00+08:00")
    assert resolve_settlement_date("0101", at, RULES) == ("2027-01-01", "")


def test_daily_limits_turn_at_local_midnight():
    before, after = _ms("2026-11-22T23:59:59+08:00"), _ms("2026-11-23T00:00:00+08:00")
    assert business_day(after, RULES) == business_day(before, RULES) + 1


def test_local_time_is_that_of_the_configured_zone():
    at = _ms("2026-11-22T00:30:00+00:00")
    assert format_local_time(at, RULES) == ("083000", "1122")


def test_transmission_time_is_utc():
    assert format_transmission_time(_ms("2026-11-22T08:30:15+08:00")) == "1122003015"
