"""Arithmetic of a terminal's batches: what counts, on which day, and what number comes next."""

import datetime as dt
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from switch.domain.payment.payment import Payment, Phase
from switch.domain.payment.rules import DecisionRules
from switch.domain.terminal.requests import BatchTotals
from switch.domain.terminal.state import OpenBatch
from switch.domain.transactions import Side

BATCH_MAX: Final = 999_999
SIDE_COUNT_MAX: Final = 999  # DE 48 counts a side in three digits
SIDE_MINOR_MAX: Final = 10**12 - 1  # and adds it up in twelve
_DAY_MS: Final = 86_400_000
_EPOCH: Final = dt.date(1970, 1, 1)


def following_batch(batch: str) -> str:
    """Give the number of the next batch; after the last comes 1."""
    return f"{int(batch) % BATCH_MAX + 1:06d}"


class Counted(msgspec.Struct, frozen=True, gc=False):
    """What one payment adds to its batch's totals."""

    side: Side
    minor: int


def count_payment(payment: Payment) -> Counted | None:
    """
    Say what a payment adds to its batch; None if it does not count.

    What was reversed, or is being, counts on neither side; a voided sale stays on its side and its
    void is on the other. Counted is the amount of the message, as the terminal counts it, not what
    was asked of the issuer (an adjustment debits only what it adds).
    """
    if payment.phase is not Phase.APPROVED:
        return None
    side = payment.traits.side
    if side is Side.NEITHER or payment.answer is None:
        return None
    amount = payment.answer.amount or payment.request.amount
    return Counted(side, amount.minor) if amount is not None else None


def with_payment(totals: BatchTotals, counted: Counted, sign: int) -> BatchTotals:
    """Add a payment to totals (`sign` 1), or take it out again (-1)."""
    minor = sign * counted.minor
    if counted.side is Side.DEBIT:
        return replace(
            totals,
            debit_minor=totals.debit_minor + minor,
            debit_count=totals.debit_count + sign,
        )
    return replace(
        totals,
        credit_minor=totals.credit_minor + minor,
        credit_count=totals.credit_count + sign,
    )


def as_written(totals: BatchTotals) -> BatchTotals:
    """Give totals as DE 48 has room for them."""
    return BatchTotals(
        debit_minor=min(totals.debit_minor, SIDE_MINOR_MAX),
        debit_count=min(totals.debit_count, SIDE_COUNT_MAX),
        credit_minor=min(totals.credit_minor, SIDE_MINOR_MAX),
        credit_count=min(totals.credit_count, SIDE_COUNT_MAX),
    )


# -- clearing days --------------------------------------------------------------------------------


def clearing_day(at_ms: int, rules: DecisionRules) -> int:
    """Number the clearing day of a moment; `name_day` writes it as a date."""
    minutes_ahead = rules.timezone_offset_minutes + 24 * 60 - rules.cut_over_minutes
    return (at_ms + minutes_ahead * 60_000) // _DAY_MS


def name_day(day: int) -> str:
    """Write a clearing day as YYYY-MM-DD."""
    return (_EPOCH + dt.timedelta(days=day)).isoformat()


def change_totals(batch: OpenBatch, totals: BatchTotals, day: int) -> OpenBatch:
    """
    Take new totals of an open batch, of a clearing day.

    The first change of a new day leaves behind what the clock has still to close for the old one.
    """
    if day <= batch.day:
        return replace(batch, totals=totals)
    due_day, due_totals = batch.due_day, batch.due_totals
    if not batch.is_settled and not due_day:
        due_day, due_totals = batch.day, batch.totals
    return OpenBatch(
        totals=totals,
        day=day,
        cut_totals=batch.cut_totals,
        due_day=due_day,
        due_totals=due_totals,
    )


class CutOff(NamedTuple):
    """What the clock has to close of a batch: its totals at the end of a day."""

    day: int
    totals: BatchTotals


def find_cut_off(batch: OpenBatch, today: int) -> CutOff | None:
    """Say what of an open batch belongs to a clearing day that is over; None if nothing does."""
    if batch.due_day:
        return CutOff(batch.due_day, batch.due_totals)
    if batch.day < today and not batch.is_settled:
        return CutOff(batch.day, batch.totals)
    return None


def cut_off(batch: OpenBatch, totals: BatchTotals) -> OpenBatch:
    """Take note that the clock has closed these totals."""
    return replace(batch, cut_totals=totals, due_day=0, due_totals=BatchTotals())
