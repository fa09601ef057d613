"""The settings that a decision rests on, and the calendar arithmetic that goes with them."""

import datetime as dt

import msgspec

_DAY_MS = 86_400_000


class DecisionRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the deciders need to know besides state and registry; the unit is the last word."""

    timezone_offset_minutes: int = 480  # China standard time
    cut_over_minutes: int = 23 * 60  # the clearing day ends at 23:00 local time (`domain` 5.1)
    tombstone_ms: int = 48 * 3_600_000
    reversal_answers_bad_count_max: int = 5  # answers that say nothing, before a person must look


def local_datetime(at_ms: int, rules: DecisionRules) -> dt.datetime:
    """Show epoch milliseconds as the switch's local time."""
    zone = dt.timezone(dt.timedelta(minutes=rules.timezone_offset_minutes))
    return dt.datetime.fromtimestamp(at_ms / 1000, zone)


def business_day(at_ms: int, rules: DecisionRules) -> int:
    """Number the local calendar day (days since the epoch), for daily limits."""
    return (at_ms + rules.timezone_offset_minutes * 60_000) // _DAY_MS


def settlement_day(at_ms: int, rules: DecisionRules) -> dt.date:
    """Find the switch's own settlement date: tomorrow's after cut-over."""
    minutes_ahead = rules.timezone_offset_minutes + 24 * 60 - rules.cut_over_minutes
    return dt.date(1970, 1, 1) + dt.timedelta(days=(at_ms + minutes_ahead * 60_000) // _DAY_MS)


def resolve_settlement_date(issuer_mmdd: str, at_ms: int, rules: DecisionRules) -> tuple[str, str]:
    """
    Choose the settlement date (YYYY-MM-DD) and say what was odd, if anything.

    The issuer's DE 15 settlement_date wins if it is within one day of ours (`rules` 3).
    """
    ours = settlement_day(at_ms, rules)
    if not issuer_mmdd:
        return ours.isoformat(), ""
    for days in (0, 1, -1):
        day = ours + dt.timedelta(days=days)
        if f"{day.month:02d}{day.day:02d}" == issuer_mmdd:
            return day.isoformat(), ""
    return ours.isoformat(), "settlement-date-not-adjacent"


def format_transmission_time(at_ms: int) -> str:
    """Write DE 7 transmission_time (MMDDhhmmss, UTC)."""
    return dt.datetime.fromtimestamp(at_ms // 1000, dt.UTC).strftime("%m%d%H%M%S")
