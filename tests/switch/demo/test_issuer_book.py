"""The demo issuer's behaviour, amount by amount."""

from typing import Any

import pytest

from switch.codec import Message
from switch.demo.issuer_behaviours import UNANSWERED_INQUIRY_PAN
from switch.demo.issuer_book import IssuerBook, LedgerLine, Timing
from switch.demo.issuer_pin import PinCheck

PAN = "6200000000000005"
NOON = 1_700_020_800_000  # 2023-11-15 12:00 in China


def message(mti: str, amount_minor: int = 100, rrn: str = "010000000001", **fields: Any) -> Message:
    content = {
        "pan": PAN,
        "processing_code": "000000",
        "amount_transaction": f"{amount_minor:012d}",
        "stan": "000001",
        "rrn": rrn,
        "terminal_id": "00000001",
        "merchant_id": "898110154110001",
        "currency": "156",
        **fields,
    }
    return Message(mti, content)


@pytest.mark.parametrize(
    ("ending", "outcome", "codes"),
    [
        (0, "approved", ["00"]),
        (51, "declined", ["51"]),
        (55, "declined", ["55"]),
        (61, "declined", ["61"]),
        (91, "declined", ["91"]),
        (96, "declined", ["96"]),
        (93, "approved", ["00"]),
        (94, "approved", ["00", "00"]),
        (97, "late", ["00"]),
        (98, "silent", []),
    ],
)
def test_the_last_two_digits_choose_the_answer(ending: int, outcome: str, codes: list[str]) -> None:
    verdict = IssuerBook().receive(message("0200", 1200 + ending), NOON)
    assert (verdict.line.op, verdict.line.outcome) == ("debit", outcome)
    assert [answer.message.fields["response_code"] for answer in verdict.answers] == codes


def test_97_is_answered_late_and_93_with_another_amount() -> None:
    [late] = IssuerBook().receive(message("0200", 1297), NOON).answers
    assert late.timing is Timing.LATE
    [other] = IssuerBook().receive(message("0200", 1293), NOON).answers
    assert other.message.fields["amount_transaction"] == "000000001393"


def test_an_approval_has_an_authorization_and_a_settlement_date() -> None:
    [answer] = IssuerBook().receive(message("0200"), NOON).answers
    assert answer.message.mti == "0210"
    assert answer.message.fields["authorization_id"] == "000001"
    assert answer.message.fields["settlement_date"] == "1115"
    [evening] = IssuerBook().receive(message("0200"), NOON + 11 * 3_600_000).answers
    assert evening.message.fields["settlement_date"] == "1116"


def test_every_debit_is_booked_however_often_it_comes() -> None:
    book = IssuerBook()
    lines = [book.receive(message("0200"), NOON).line for _ in range(2)]
    assert [line.outcome for line in lines] == ["approved", "approved"]


def test_a_reversal_is_done_once() -> None:
    book = IssuerBook()
    book.receive(message("0200"), NOON)
    outcomes = [book.receive(message(mti), NOON).line.outcome for mti in ("0420", "0421", "0400")]
    assert outcomes == ["reversed", "already", "already"]


def test_a_silent_or_late_debit_is_booked_and_its_reversal_is_answered() -> None:
    book = IssuerBook()
    for number, ending in enumerate((97, 98)):
        rrn = f"01000000000{number}"
        book.receive(message("0200", 1200 + ending, rrn), NOON)
        verdict = book.receive(message("0420", 1200 + ending, rrn), NOON)
        assert verdict.line.outcome == "reversed"
        assert verdict.answers[0].message.fields["response_code"] == "00"


def test_the_first_three_reversals_of_66_66_are_never_answered() -> None:
    book = IssuerBook()
    book.receive(message("0200", 6666), NOON)
    verdicts = [book.receive(message("0421", 6666), NOON) for _ in range(5)]
    assert [verdict.line.outcome for verdict in verdicts] == [
        "ignored",
        "ignored",
        "ignored",
        "reversed",
        "already",
    ]
    assert [len(verdict.answers) for verdict in verdicts] == [0, 0, 0, 1, 1]


def test_a_reversal_before_its_debit_finds_nothing_and_after_it_everything() -> None:
    book = IssuerBook()
    before = book.receive(message("0420"), NOON)
    assert (before.line.outcome, before.line.response_code) == ("unknown", "25")
    book.receive(message("0200"), NOON)
    assert book.receive(message("0421"), NOON).line.outcome == "reversed"


def test_nothing_stands_of_a_declined_debit() -> None:
    book = IssuerBook()
    book.receive(message("0200", 1251), NOON)
    verdict = book.receive(message("0420", 1251), NOON)
    assert (verdict.line.outcome, verdict.line.response_code) == ("not-booked", "00")


def test_a_restarted_issuer_remembers_by_its_ledger() -> None:
    book, lines = IssuerBook(), []
    for mti, amount, rrn in (
        ("0200", 100, "a"),
        ("0200", 100, "b"),
        ("0420", 100, "b"),
        ("0200", 6666, "c"),
        ("0421", 6666, "c"),
        ("0200", 151, "d"),
    ):
        lines.append(book.receive(message(mti, amount, rrn), NOON).line)
    again = IssuerBook()
    for line in lines:
        again.recall(line)
    outcomes = [again.receive(message("0420", 100, rrn), NOON).line.outcome for rrn in "abd"]
    assert outcomes == ["reversed", "already", "not-booked"]
    silent = [again.receive(message("0421", 6666, "c"), NOON).line.outcome for _ in range(3)]
    assert silent == ["ignored", "ignored", "reversed"]


def test_the_ledger_shows_no_card_number() -> None:
    line = IssuerBook().receive(message("0200"), NOON).line
    assert PAN not in repr(line)
    assert line.masked_pan == "620000******0005"


@pytest.mark.parametrize(("code", "outcome"), [("001", "signed-on"), ("301", "echo")])
def test_sign_on_and_echo_are_accepted(code: str, outcome: str) -> None:
    asked = Message("0800", {"stan": "000009", "network_code": code})
    verdict = IssuerBook().receive(asked, NOON)
    assert (verdict.line.op, verdict.line.outcome) == ("network", outcome)
    [answer] = verdict.answers
    assert answer.message.mti == "0810"
    assert answer.message.fields == {
        "stan": "000009",
        "network_code": code,
        "response_code": "00",
    }


@pytest.mark.parametrize(
    ("asked", "op"),
    [
        (message("0100"), "authorization"),
        (message("0120"), "authorization"),
        (message("0220", processing_code="200000"), "credit"),
        (message("0200", processing_code="200000"), "void"),
        (message("0100", processing_code="200000"), "void"),
        (message("0200", processing_code="310000"), "inquiry"),
        (message("0500"), "unreadable"),
        (message("0210"), "unreadable"),
    ],
)
def test_what_is_no_debit_is_never_written_as_one(asked: Message, op: str) -> None:
    assert IssuerBook().receive(asked, NOON).line.op == op


def test_the_memory_is_bounded() -> None:
    book = IssuerBook(remembered_count_max=2)
    for rrn in "abc":
        book.receive(message("0200", rrn=rrn), NOON)
    assert book.receive(message("0420", rrn="a"), NOON).line.outcome == "unknown"
    assert book.receive(message("0420", rrn="c"), NOON).line.outcome == "reversed"


def test_a_line_of_the_ledger_has_what_an_auditor_looks_for() -> None:
    line = IssuerBook().receive(message("0200"), NOON).line
    assert isinstance(line, LedgerLine)
    assert (line.rrn, line.stan, line.amount_minor, line.at) == (
        "010000000001",
        "000001",
        100,
        NOON,
    )


def test_a_wrong_pin_is_declined_before_anything_else() -> None:
    zpk = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    book = IssuerBook(pin_check=PinCheck(zpk))
    for block, minor, code in ((bytes(8), 1200, "55"), (bytes(7), 1251, "30")):
        line = book.receive(message("0200", minor, pin_block=block), NOON).line
        assert (line.outcome, line.response_code) == ("declined", code)
    assert book.receive(message("0200"), NOON).line.outcome == "approved"


def test_an_inquiry_tells_the_balance_after_what_was_taken_and_held() -> None:
    book = IssuerBook()
    book.receive(message("0200", 1234, "a"), NOON)
    book.receive(message("0100", 100, "b"), NOON)
    inquiry = message("0200", 0, "c", processing_code="310000")
    [answer] = book.receive(inquiry, NOON).answers
    assert answer.message.fields["additional_amounts"] == "0002156C000000998666"
    book.receive(message("0420", 1234, "a"), NOON)
    verdict = book.receive(inquiry, NOON)
    [answer] = verdict.answers
    assert answer.message.fields["additional_amounts"] == "0002156C000000999900"
    assert (verdict.line.op, verdict.line.moved_minor) == ("inquiry", 0)


def test_one_card_is_never_told_its_balance_but_pays_as_any_other() -> None:
    book = IssuerBook()
    inquiry = message("0200", 0, processing_code="310000", pan=UNANSWERED_INQUIRY_PAN)
    verdict = book.receive(inquiry, NOON)
    assert (verdict.line.op, verdict.line.outcome, verdict.answers) == ("inquiry", "silent", ())
    sale = message("0200", 100, "010000000002", pan=UNANSWERED_INQUIRY_PAN)
    assert book.receive(sale, NOON).line.outcome == "approved"
