import json

import pytest

from switch.demo.issuer_book import LedgerLine
from switch.demo.tour_ledger import (
    NO_DEBIT,
    ONE_DEBIT,
    RETURNED,
    SOUND_VERDICTS,
    LedgerEntry,
    entries_of,
    find_strangers,
    judge,
    read_entries,
)


def entry(op, outcome, *, amount_minor=100, rrn="r", at=0):
    return LedgerEntry(op, outcome, at, rrn, "000001", amount_minor, "156", "")


DEBIT, SILENT, LATE = (entry("debit", outcome) for outcome in ("approved", "silent", "late"))
DECLINED = entry("debit", "declined")
BACK, AGAIN, IGNORED = (
    entry("reversal", outcome) for outcome in ("reversed", "already", "ignored")
)


@pytest.mark.parametrize(
    ("entries", "want"),
    [
        ([], NO_DEBIT),
        ([DECLINED], NO_DEBIT),
        ([DECLINED, entry("reversal", "not-booked")], NO_DEBIT),
        ([DEBIT], ONE_DEBIT),
        ([LATE], ONE_DEBIT),
        ([SILENT, IGNORED], ONE_DEBIT),
        ([SILENT, IGNORED, BACK, AGAIN], RETURNED),
    ],
)
def test_what_is_sound_is_named(entries, want):
    assert judge(entries) == want


@pytest.mark.parametrize(
    ("entries", "want"),
    [
        ([DEBIT, DEBIT], "2 debits"),
        ([DEBIT, BACK, DEBIT], "2 debits"),
        ([DEBIT, BACK, BACK], "2 returns"),
        ([BACK], "a return without a debit"),
        ([BACK, DEBIT], "a debit after its return"),
        (
            [DEBIT, entry("reversal", "reversed", amount_minor=99)],
            "a return of another amount",
        ),
    ],
)
def test_anything_else_is_no_sound_verdict(entries, want):
    assert judge(entries) == want
    assert want not in SOUND_VERDICTS


def test_lines_of_the_issuer_are_read_without_its_code():
    line = LedgerLine(op="debit", outcome="approved", at=5, rrn="1", amount_minor=7, currency="156")
    text = json.dumps({name: getattr(line, name) for name in line.__struct_fields__}) + "\n"
    [read] = read_entries(text + '{"op":"debit","outcome":"appr')
    assert (read.op, read.outcome, read.at, read.rrn, read.amount_minor) == (
        "debit",
        "approved",
        5,
        "1",
        7,
    )


def test_only_the_lines_of_the_payment_are_judged():
    entries = [entry("debit", "approved", rrn="a"), entry("debit", "approved", rrn="b")]
    assert entries_of(entries, "a") == entries[:1]
    assert entries_of(entries, "") == []


def test_money_that_nobody_asked_for_is_named():
    entries = [entry("network", "echo", rrn=""), DEBIT, entry("debit", "approved", rrn="x")]
    assert find_strangers(entries, ["r"]) == [
        "1 x debit under RRN x, which no step of the tour asked for"
    ]
