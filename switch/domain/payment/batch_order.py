"""Batch numbers, and the days that stand in for them where a dialect has none: both come round."""

from typing import Final

from switch.domain.payment.rules import DecisionRules, format_local_time

_BATCH_MAX: Final = 999_999
_DAY_DIGITS: Final = 4  # MMDD; a batch number has six
_MONTH_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAYS: Final = sum(_MONTH_DAYS)
_DAY_MS: Final = 86_400_000
_AHEAD_DAYS_MAX: Final = 2  # tomorrow, where it is tomorrow already; the 29th of February is none


def is_neighbouring_batch(batch: str, other: str) -> bool:
    """Compare two batch numbers (they wrap), or two days (MMDD) where there are no batches."""
    if not (batch.isdecimal() and other.isdecimal() and len(batch) == len(other)):
        return False
    if len(batch) == _DAY_DIGITS:
        return abs(_day_of_year(batch) - _day_of_year(other)) in {0, 1, _DAYS - 1}
    return abs(int(batch) - int(other)) in {0, 1, _BATCH_MAX - 1}


def _day_of_year(mmdd: str) -> int:
    """Number a day of a leap year; months that do not exist are far from any other day."""
    month, day = int(mmdd[:2]), int(mmdd[2:])
    return sum(_MONTH_DAYS[: month - 1]) + day if _is_month(mmdd) else -_DAYS * month


def _is_month(mmdd: str) -> bool:
    return 1 <= int(mmdd[:2]) <= len(_MONTH_DAYS)


def precedes(batch: str, other: str) -> bool:
    """Say whether a batch number comes before another one: of the half round before it."""
    if not (batch.isdecimal() and other.isdecimal()):
        return False
    return 0 < (int(other) - int(batch)) % _BATCH_MAX <= _BATCH_MAX // 2


def is_of_these_days(mmdd: str, at: int, rules: DecisionRules) -> bool:
    """
    Say whether keys of a day are all remembered still: one that is not might be used again.

    A day less than that, for a terminal's date may be ahead of ours, and one more for its zone.
    """
    if not (mmdd.isdecimal() and len(mmdd) == _DAY_DIGITS and _is_month(mmdd)):
        return False
    today = format_local_time(at, rules).local_date
    age_days = (_day_of_year(today) - _day_of_year(mmdd)) % _DAYS
    return (
        age_days <= max(rules.payment_memory_ms // _DAY_MS - 2, 1)
        or age_days >= _DAYS - _AHEAD_DAYS_MAX
    )
