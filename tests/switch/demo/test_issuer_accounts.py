"""The accounts, line by line."""

from typing import Any

from switch.demo import issuer_accounts
from switch.demo.issuer_accounts import IssuerAccounts, Movement
from switch.demo.issuer_line import LedgerLine


def line(op: str, rrn: str, minor: int = 1000, *, of: str = "", **more: Any) -> LedgerLine:
    outcome = "reversed" if op == "reversal" else "approved"
    given = {"outcome": outcome, "at": 0, "masked_pan": "620000******0005", "currency": "156"}
    return LedgerLine(op=op, rrn=rrn, amount_minor=minor, original_rrn=of, **{**given, **more})


def apply_all(*lines: LedgerLine, remembered_count_max: int = 100) -> list[Movement]:
    accounts = IssuerAccounts(remembered_count_max=remembered_count_max)
    return [accounts.apply(each) for each in lines]


def test_what_was_not_booked_moves_nothing() -> None:
    for outcome in ("declined", "ignored", "already"):
        assert apply_all(line("debit", "a", outcome=outcome)) == [Movement(0, 0)]
    for op in ("network", "unreadable", "inquiry"):
        assert apply_all(line(op, "a")) == [Movement(0, 0)]


def test_silent_and_late_debits_are_booked() -> None:
    for outcome in ("silent", "late"):
        assert apply_all(line("debit", "a", outcome=outcome)) == [Movement(1000, 0)]


def test_a_void_takes_its_sale_and_its_reversal_restores_it() -> None:
    moved = apply_all(line("debit", "a"), line("void", "b", of="a"), line("reversal", "b"))
    assert moved == [Movement(1000, 0), Movement(-1000, 0), Movement(1000, 0)]


def test_a_completion_ends_the_hold_and_its_void_restores_it() -> None:
    moved = apply_all(
        line("authorization", "a"),
        line("debit", "b", 900, of="a"),
        line("void", "c", 900, of="b"),
        line("reversal", "a"),
    )
    assert moved == [
        Movement(0, 1000),
        Movement(900, -1000),
        Movement(-900, 1000),
        Movement(0, -1000),
    ]


def test_an_account_knows_what_is_left_of_it() -> None:
    accounts = IssuerAccounts(remembered_count_max=100)
    for each in (line("debit", "a"), line("credit", "b", 300, of="a")):
        accounts.apply(each)
    sale, refund = accounts.find("a"), accounts.find("b")
    assert sale is not None
    assert refund is not None
    assert (sale.own_minor, sale.standing_minor, refund.standing_minor) == (1000, 700, 300)


def test_a_card_is_charged_with_what_was_taken_and_is_held() -> None:
    accounts = IssuerAccounts(remembered_count_max=100)
    for each in (line("debit", "a"), line("authorization", "b", 50), line("void", "c", of="a")):
        accounts.apply(each)
    assert accounts.spent_minor("620000******0005", "156") == 50
    assert accounts.spent_minor("620000******0005", "840") == 0


def test_the_oldest_payments_are_forgotten_with_their_trace_numbers() -> None:
    accounts = IssuerAccounts(remembered_count_max=2)
    for number in range(3):
        accounts.apply(
            line("debit", f"r{number}", merchant_id="m", stan=str(number), transmission_time="t")
        )
    assert accounts.find("r0") is None
    assert [accounts.find_rrn("m", str(number), "t") for number in range(3)] == ["", "r1", "r2"]


def test_a_void_of_a_forgotten_sale_moves_nothing() -> None:
    moved = apply_all(
        line("debit", "a"), line("debit", "b"), line("void", "c", of="a"), remembered_count_max=1
    )
    assert moved[-1] == Movement(0, 0)


def test_balances_are_remembered_of_so_many_cards(monkeypatch) -> None:
    monkeypatch.setattr(issuer_accounts, "CARDS_COUNT_MAX", 2)
    accounts = IssuerAccounts(remembered_count_max=100)
    for number in range(3):
        accounts.apply(line("debit", f"r{number}", masked_pan=f"card{number}"))
    assert [accounts.spent_minor(f"card{number}", "156") for number in range(3)] == [0, 1000, 1000]
