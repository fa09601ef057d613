import io

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from rich.console import Console

from switch.demo.tour_journal import JournalLine
from switch.demo.tour_ledger import NO_DEBIT, ONE_DEBIT, LedgerEntry
from switch.demo.tour_report import StepReport, TourReport
from switch.demo.tour_screen import (
    RECEIPT_LABEL_COLUMNS,
    show_beginning,
    show_end,
    show_step,
    split_receipt_line,
)
from switch.terminal.operations import Operation
from switch.terminal.outcome import OutcomeKind, PosOutcome
from switch.terminal.receipt import render_receipt

OUTCOME = PosOutcome(
    operation=Operation.SALE,
    kind=OutcomeKind.DECLINED,
    terminal_id="00000012",
    merchant_id="898110154110012",
    batch="000001",
    stan="000001",
    amount_minor=1500,
    currency="156",
    masked_pan="620000******0005",
    at=0,
    response_code="03",
    reason="merchant-not-active",
    rrn="020000000002",
)
STEP = StepReport(
    number=7,
    title_en="A merchant that is not active",
    title_zh="商户未启用",
    story=("A sentence.",),
    rrn="020000000002",
    outcomes=(replace(OUTCOME, kind=OutcomeKind.UNANSWERED), OUTCOME),
    receipt=render_receipt(OUTCOME),
    journal=(
        JournalLine(2, 2, is_void=False, tag="payment-requested.v1", words="15.00"),
        JournalLine(2, 2, is_void=False, tag="payment-declined.v1", words="answer 03"),
        JournalLine(2, 3, is_void=True, tag="issuer-timed-out.v1", words="timeout"),
    ),
    ledger=(LedgerEntry("debit", "approved", 0, "r", "000001", 1500, "156", "00"),),
    verdict=ONE_DEBIT,
    expected=ONE_DEBIT,
    complaints=(),
    seconds=0.5,
)


def print_step(step, width):
    out = io.StringIO()
    show_step(Console(file=out, width=width), step)
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 131, 132, 160, 250])
def test_every_width_shows_all_three_witnesses_and_cuts_nothing(width):
    text = print_step(STEP, width)
    for title in ("the terminal's receipt", "the journal", "the issuer's own ledger"):
        assert title in text
    assert "…" not in text
    assert "..." not in text
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert "\x1b" not in text


def test_a_wide_screen_puts_them_side_by_side_and_a_narrow_one_stacks_them():
    def titles_per_line(width):
        lines = print_step(STEP, width).splitlines()
        return max(
            ("receipt " in line) + ("the journal" in line) + ("own ledger" in line)
            for line in lines
        )

    assert titles_per_line(160) == 3
    assert titles_per_line(100) == 1


def test_the_beginning_says_against_what():
    out = io.StringIO()
    show_beginning(Console(file=out, width=300), "/somewhere/data", "kafka://h:1", 1.25)
    assert "ready after 1.2 s, log kafka://h:1, data /somewhere/data" in out.getvalue()


def test_void_records_are_marked():
    assert "VOID issuer-timed-out.v1" in print_step(STEP, 160)


def test_an_empty_ledger_says_so():
    empty = print_step(replace(STEP, ledger=(), journal=()), 160)
    assert "the issuer was never" in empty
    assert "nothing" in empty


def test_a_wrong_verdict_is_loud():
    text = print_step(replace(STEP, expected=NO_DEBIT, complaints=("something is odd",)), 160)
    assert "one debit  must be: no debit" in text
    assert "something is odd" in text


def test_the_end_says_whether_all_of_it_is_good():
    def print_end(report):
        out = io.StringIO()
        show_end(Console(file=out, width=160), report)
        return out.getvalue()

    good = TourReport(is_good=True, log="embedded", steps=(STEP,), complaints=(), seconds=1)
    assert "Every ledger is as it must be" in print_end(good)
    bad = replace(good, is_good=False, complaints=("1 x debit under RRN x",))
    assert "NOT as it must be" in print_end(bad)
    assert "1 x debit under RRN x" in print_end(bad)


def test_a_receipt_is_parted_where_its_values_begin():
    for line in STEP.receipt.splitlines():
        label, value = split_receipt_line(line)
        assert cell_len(label) == RECEIPT_LABEL_COLUMNS
        assert value == value.strip()
        assert label + value == line
