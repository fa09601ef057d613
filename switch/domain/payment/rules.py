"""The settings that a decision rests on, and the calendar arithmetic that goes with them."""

import datetime as dt
import functools
from typing import NamedTuple

import msgspec

from switch.domain.cases.rules import CaseRules
from switch.domain.terminal.rules import TerminalRules

_DAY_MS = 86_400_000


class DecisionRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the deciders need to know besides state and registry; the unit is the last word."""

    timezone_offset_minutes: int = 480  # China standard time
    cut_over_minutes: int = 23 * 60  # the clearing day ends at 23:00 local time (docs/rules.md 3)
    tombstone_ms: int = 48 * 3_600_000
    reversal_answer_ms: int = 7 * 24 * 3_600_000  # how long the answer to an 0400 is stored
    reversal_answers_bad_count_max: int = 5  # answers that say nothing, before a person must look
    pre_authorization_days: int = 30  # how long a hold may be completed (docs/rules.md 2)
    refund_days: int = 180  # how long a payment may be refunded
    payment_memory_ms: int = 7 * 24 * 3_600_000  # after its batch was closed, or without a batch
    batch_count_max: int = 20_000  # payments of one batch; then its terminal must settle
    batch_age_max_days: int = 30  # days that a batch may stay open; then its terminal must settle
    cases: CaseRules = CaseRules()
    terminals: TerminalRules = TerminalRules()


class LocalTime(NamedTuple):
    """DE 12 local_time (hhmmss) and DE 13 local_date (MMDD) of one second."""

    local_time: str
    local_date: str


def format_local_time(at_ms: int, rules: DecisionRules) -> LocalTime:
    """Write DE 12 and DE 13 in the switch's own zone."""
    return _format_local_second(at_ms // 1000 + rules.timezone_offset_minutes * 60)


@functools.lru_cache(maxsize=64)  # thousands of messages share a second
def _format_local_second(second: int) -> LocalTime:
    local = dt.datetime.fromtimestamp(second, dt.UTC)
    return LocalTime(local.strftime("%H%M%S"), local.strftime("%m%d"))


def business_day(at_ms: int, rules: DecisionRules) -> int:
    """Number the local calendar day (days since the epoch), for daily limits."""
    return (at_ms + rules.timezone_offset_minutes * 60_000) // _DAY_MS


def settlement_day(at_ms: int, rules: DecisionRules) -> dt.date:
    """Find the switch's own settlement date: tomorrow's after cut-over."""
    minutes_ahead = rules.timezone_offset_minutes + 24 * 60 - rules.cut_over_minutes
    return _date_of((at_ms + minutes_ahead * 60_000) // _DAY_MS)


@functools.lru_cache(maxsize=64)
def _date_of(day: int) -> dt.date:
    return dt.date(1970, 1, 1) + dt.timedelta(days=day)


def resolve_settlement_date(issuer_mmdd: str, at_ms: int, rules: DecisionRules) -> tuple[str, str]:
    """
    Choose the settlement date (YYYY-MM-DD) and say what was odd, if anything.

    The issuer's DE 15 settlement_date wins if it is within one day of ours (docs/rules.md 3).
    """
    return _resolve_within_a_day(issuer_mmdd, settlement_day(at_ms, rules))


@functools.lru_cache(maxsize=64)
def _resolve_within_a_day(issuer_mmdd: str, ours: dt.date) -> tuple[str, str]:
    if not issuer_mmdd:
        return ours.isoformat(), ""
    for days in (0, 1, -1):
        day = ours + dt.timedelta(days=days)
        if f"{day.month:02d}{day.day:02d}" == issuer_mmdd:
            return day.isoformat(), ""
    return ours.isoformat(), "settlement-date-not-adjacent"


def format_transmission_time(at_ms: int) -> str:
    """Write DE 7 transmission_time (MMDDhhmmss, UTC)."""
    return _format_utc_second(at_ms // 1000)


@functools.lru_cache(maxsize=64)
def _format_utc_second(second: int) -> str:
    return dt.datetime.fromtimestamp(second, dt.UTC).strftime("%m%d%H%M%S")
