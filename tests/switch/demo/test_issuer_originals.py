"""What the demo issuer does to an original: voids, refunds, completions, and their reversals."""

import pytest

from switch.codec import Message
from switch.demo.issuer_book import IssuerBook, LedgerLine, Timing, Verdict

NOON = 1_700_020_800_000  # 2023-11-15 12:00 in China

# each row of docs/iso8583.md 7, as the switch sends it
SALE = ("0200", "000000", "00")
VOID = ("0200", "200000", "00")
REFUND = ("0220", "200000", "00")
REFUND_REPEAT = ("0221", "200000", "00")
PRE_AUTH = ("0100", "030000", "06")
PRE_AUTH_VOID = ("0100", "200000", "06")
COMPLETION = ("0200", "000000", "06")
COMPLETION_VOID = ("0200", "200000", "06")
COMPLETION_ADVICE = ("0220", "000000", "06")
COMPLETION_ADVICE_REPEAT = ("0221", "000000", "06")
OFFLINE = ("0220", "000000", "00")
OFFLINE_REPEAT = ("0221", "000000", "00")


class Line:
    """A switch of a few lines: it numbers its payments and quotes originals in DE 90."""

    def __init__(self, book: IssuerBook | None = None) -> None:
        self.book = book or IssuerBook()
        self.lines: list[LedgerLine] = []

    def say(self, kind: tuple[str, str, str], number: int, of: int = 0, minor: int = 1000) -> str:
        """Send one message of payment `number` about payment `of`; tell outcome and DE 39."""
        verdict = self.send(kind, number, of, minor)
        return f"{verdict.line.outcome} {verdict.line.response_code}".strip()

    def send(
        self,
        kind: tuple[str, str, str],
        number: int,
        of: int = 0,
        minor: int = 1000,
        **more: str,
    ) -> Verdict:
        mti, code, condition = kind
        fields: dict[str, str | bytes] = {
            "pan": "6200000000000005",
            "processing_code": code,
            "amount_transaction": f"{minor:012d}",
            "transmission_time": f"1115{number:06d}",
            "stan": f"{number:06d}",
            "pos_condition_code": condition,
            "rrn": f"01{number:010d}",
            "merchant_id": "898110154110001",
            "currency": "156",
        }
        if of:
            fields["original_data_elements"] = f"0200{of:06d}1115{of:06d}{'0' * 22}"
        asked = Message(mti, {**fields, **more})
        verdict = self.book.receive(asked, NOON)
        self.lines.append(verdict.line)
        return verdict

    def reverse(self, number: int, minor: int = 1000) -> str:
        return self.say(("0420", "000000", "00"), number, minor=minor)

    @property
    def moved_minor(self) -> int:
        return sum(line.moved_minor for line in self.lines)

    @property
    def held_minor(self) -> int:
        return sum(line.held_minor for line in self.lines)


def test_a_void_gives_the_sale_back_once() -> None:
    line = Line()
    line.say(SALE, 1)
    assert line.say(VOID, 2, of=1) == "approved 00"
    assert line.lines[-1].op == "void"
    assert line.lines[-1].original_rrn == "010000000001"
    assert line.moved_minor == 0
    assert line.say(VOID, 3, of=1) == "declined 25"
    assert line.moved_minor == 0


def test_the_reversal_of_a_void_restores_its_sale() -> None:
    line = Line()
    line.say(SALE, 1)
    line.say(VOID, 2, of=1)
    assert line.reverse(2) == "reversed 00"
    assert line.moved_minor == 1000
    assert line.reverse(2) == "already 00"
    assert line.say(VOID, 3, of=1) == "approved 00"
    assert line.moved_minor == 0


def test_the_reversal_of_a_void_restores_nothing_of_a_sale_that_was_reversed() -> None:
    line = Line()
    line.say(SALE, 1)
    line.say(VOID, 2, of=1)
    assert line.reverse(1) == "not-booked 00"
    assert line.reverse(2) == "reversed 00"
    assert line.moved_minor == 0


@pytest.mark.parametrize("kind", [VOID, REFUND, PRE_AUTH_VOID, COMPLETION, COMPLETION_VOID])
def test_what_changes_a_payment_that_is_unknown_gets_25(kind: tuple[str, str, str]) -> None:
    line = Line()
    assert line.say(kind, 1) == "declined 25"
    assert line.say(kind, 2, of=9) == "declined 25"
    assert line.moved_minor == line.held_minor == 0


@pytest.mark.parametrize("kind", [VOID, REFUND])
def test_what_changes_a_sale_that_does_not_stand_gets_25(kind: tuple[str, str, str]) -> None:
    line = Line()
    line.say(SALE, 1, minor=1051)
    assert line.say(kind, 2, of=1, minor=1050) == "declined 25"
    line.say(SALE, 3)
    line.reverse(3)
    assert line.say(kind, 4, of=3) == "declined 25"
    line.say(PRE_AUTH, 5)
    assert line.say(kind, 6, of=5) == "declined 25"


def test_another_merchants_payment_is_not_found() -> None:
    line = Line()
    line.say(SALE, 1)
    verdict = line.send(VOID, 2, of=1, merchant_id="898110154110099")
    assert verdict.line.response_code == "25"


def test_a_void_of_another_amount_gets_64() -> None:
    line = Line()
    line.say(SALE, 1)
    assert line.say(VOID, 2, of=1, minor=900) == "declined 64"


def test_a_void_after_a_refund_gets_25() -> None:
    line = Line()
    line.say(SALE, 1)
    line.say(REFUND, 2, of=1, minor=100)
    assert line.say(VOID, 3, of=1) == "declined 25"


def test_refunds_give_back_no_more_than_is_left() -> None:
    line = Line()
    line.say(SALE, 1)
    assert line.say(REFUND, 2, of=1, minor=600) == "approved 00"
    assert line.lines[-1].op == "credit"
    assert line.say(REFUND, 3, of=1, minor=401) == "declined 61"
    assert line.say(REFUND, 4, of=1, minor=400) == "approved 00"
    assert line.say(REFUND, 5, of=1, minor=1) == "declined 25"
    assert line.moved_minor == 0


def test_a_refund_may_give_back_what_an_adjustment_has_added() -> None:
    line = Line()
    line.say(SALE, 1)
    assert line.say(OFFLINE, 2, of=1, minor=200) == "approved 00"
    assert line.say(REFUND, 3, of=1, minor=1_201) == "declined 61"
    assert line.say(REFUND, 4, of=1, minor=1_200) == "approved 00"
    assert line.say(REFUND, 5, of=1, minor=1) == "declined 25"
    assert line.moved_minor == 0


def test_a_reversal_after_a_refund_gives_back_the_rest_only() -> None:
    line = Line()
    line.say(SALE, 1)
    line.say(REFUND, 2, of=1, minor=600)
    assert line.reverse(1) == "reversed 00"
    assert line.lines[-1].moved_minor == -400


def test_a_refund_is_answered_as_the_first_time_and_done_once() -> None:
    line = Line()
    line.say(SALE, 1)
    first = line.send(REFUND, 2, of=1, minor=600)
    for kind in (REFUND_REPEAT, REFUND):  # a first attempt that was overtaken is no second refund
        again = line.send(kind, 2, of=1, minor=600)
        assert (again.line.op, again.line.outcome) == ("credit", "already")
        assert again.answers == first.answers
    assert line.moved_minor == 400
    assert line.say(REFUND, 3, of=1, minor=401) == "declined 61"
    assert line.say(REFUND_REPEAT, 3, of=1, minor=401) == "already 61"


def test_a_repeat_whose_first_attempt_was_lost_is_taken_as_the_first() -> None:
    line = Line()
    assert line.say(OFFLINE_REPEAT, 1) == "approved 00"
    assert line.say(OFFLINE_REPEAT, 1) == "already 00"
    assert line.moved_minor == 1000


def test_a_repeat_under_another_trace_number_is_no_repeat() -> None:
    line = Line()
    line.say(OFFLINE, 1)
    verdict = line.send(OFFLINE_REPEAT, 1, stan="000099")
    assert verdict.line.outcome == "approved"
    assert line.moved_minor == 2000


def test_advices_and_refunds_of_98_are_ignored_twice() -> None:
    line = Line()
    line.say(SALE, 1)
    for kind, repeat, number, of in (
        (REFUND, REFUND_REPEAT, 2, 1),
        (OFFLINE, OFFLINE_REPEAT, 3, 0),
    ):
        assert line.say(kind, number, of, minor=98) == "ignored"
        assert line.say(repeat, number, of, minor=98) == "ignored"
        assert line.say(repeat, number, of, minor=98) == "approved 00"
        assert line.say(repeat, number, of, minor=98) == "already 00"
    assert line.moved_minor == 1000


def test_a_late_refund_is_answered_soon_when_it_is_repeated() -> None:
    line = Line()
    line.say(SALE, 1)
    [late] = line.send(REFUND, 2, of=1, minor=97).answers
    [again] = line.send(REFUND_REPEAT, 2, of=1, minor=97).answers
    assert (late.timing, again.timing) == (Timing.LATE, Timing.SOON)
    assert line.moved_minor == 903


def test_a_pre_authorization_holds_and_takes_nothing() -> None:
    line = Line()
    assert line.say(PRE_AUTH, 1) == "approved 00"
    assert line.lines[-1].op == "authorization"
    assert (line.moved_minor, line.held_minor) == (0, 1000)
    assert line.say(PRE_AUTH_VOID, 2, of=1) == "approved 00"
    assert line.held_minor == 0
    assert line.say(PRE_AUTH_VOID, 3, of=1) == "declined 25"
    assert line.say(COMPLETION, 4, of=1) == "declined 25"
    assert line.reverse(2) == "reversed 00"
    assert line.held_minor == 1000
    assert line.reverse(1) == "reversed 00"
    assert (line.moved_minor, line.held_minor) == (0, 0)


@pytest.mark.parametrize("kind", [COMPLETION, COMPLETION_ADVICE])
def test_a_completion_takes_at_most_115_percent_and_ends_the_hold(
    kind: tuple[str, str, str],
) -> None:
    line = Line()
    line.say(PRE_AUTH, 1, minor=1008)
    assert line.say(kind, 2, of=1, minor=1160) == "declined 61"
    assert line.say(kind, 3, of=1, minor=1159) == "approved 00"
    assert line.lines[-1].op == "debit"
    assert (line.moved_minor, line.held_minor) == (1159, 0)
    assert line.say(kind, 4, of=1) == "declined 25"
    assert line.say(PRE_AUTH_VOID, 5, of=1) == "declined 25"


def test_a_completion_advice_is_done_once() -> None:
    line = Line()
    line.say(PRE_AUTH, 1)
    assert line.say(COMPLETION_ADVICE, 2, of=1) == "approved 00"
    assert line.say(COMPLETION_ADVICE_REPEAT, 2, of=1) == "already 00"
    assert line.moved_minor == 1000


def test_void_and_reversal_of_a_completion_restore_the_hold_and_their_reversal_ends_it() -> None:
    line = Line()
    line.say(PRE_AUTH, 1)
    line.say(COMPLETION, 2, of=1, minor=900)
    assert line.say(COMPLETION_VOID, 3, of=2, minor=900) == "approved 00"
    assert (line.moved_minor, line.held_minor) == (0, 1000)
    assert line.reverse(3) == "reversed 00"
    assert (line.moved_minor, line.held_minor) == (900, 0)
    assert line.reverse(2) == "reversed 00"
    assert (line.moved_minor, line.held_minor) == (0, 1000)
    assert line.say(COMPLETION, 4, of=1) == "approved 00"


def test_a_refund_of_a_completion_leaves_its_pre_authorization_used_up() -> None:
    line = Line()
    line.say(PRE_AUTH, 1)
    line.say(COMPLETION, 2, of=1)
    line.say(REFUND, 3, of=2)
    assert (line.moved_minor, line.held_minor) == (0, 0)
    assert line.say(COMPLETION, 4, of=1) == "declined 25"


def test_the_reversal_of_a_completed_pre_authorization_moves_nothing() -> None:
    line = Line()
    line.say(PRE_AUTH, 1)
    line.say(COMPLETION, 2, of=1)
    assert line.reverse(1) == "not-booked 00"
    assert (line.moved_minor, line.held_minor) == (1000, 0)


def test_offline_and_adjustment_advices_are_debits_of_their_own() -> None:
    line = Line()
    assert line.say(OFFLINE, 1) == "approved 00"
    assert line.say(OFFLINE, 2, of=1, minor=100) == "approved 00"
    assert line.lines[-1].original_rrn == "010000000001"
    assert [(each.op, each.mti) for each in line.lines] == [("debit", "0220")] * 2
    assert line.moved_minor == 1100
    assert line.say(REFUND, 3, of=1) == "approved 00"


@pytest.mark.parametrize(
    ("minor", "outcome", "answer_count", "moved_minor"),
    [(1085, "declined 05", 1, 1085), (1087, "late 00", 1, 0), (1088, "silent", 0, 0)],
)
def test_some_amounts_let_the_sale_through_and_not_its_void(
    minor: int, outcome: str, answer_count: int, moved_minor: int
) -> None:
    line = Line()
    assert line.say(SALE, 1, minor=minor) == "approved 00"
    verdict = line.send(VOID, 2, of=1, minor=minor)
    assert f"{verdict.line.outcome} {verdict.line.response_code}".strip() == outcome
    assert len(verdict.answers) == answer_count
    assert line.moved_minor == moved_minor


def test_a_witness_books_a_void_as_often_as_it_can() -> None:
    line = Line()
    line.say(SALE, 1)
    line.say(SALE, 1)
    assert line.moved_minor == 2000
    line.say(VOID, 2, of=1)
    assert line.moved_minor == 1000
    assert line.reverse(1) == "reversed 00"
    assert line.moved_minor == 0


def test_a_line_says_what_was_quoted() -> None:
    line = Line()
    line.say(SALE, 1)
    line.say(VOID, 2, of=1)
    quoted = f"02000000011115000001{'0' * 22}"
    assert [each.original for each in line.lines] == ["", quoted]


def test_a_reversal_of_what_was_only_ignored_finds_nothing() -> None:
    line = Line()
    line.say(OFFLINE, 1, minor=98)
    assert line.reverse(1) == "unknown 25"


def test_everything_is_recalled_by_the_ledger() -> None:
    line = Line()
    line.say(SALE, 1)
    line.say(REFUND, 2, of=1, minor=97)
    line.say(OFFLINE, 3, minor=98)
    line.say(PRE_AUTH, 4)
    line.say(COMPLETION, 5, of=4)
    line.say(COMPLETION_VOID, 6, of=5)
    again = Line()
    for each in line.lines:
        again.book.recall(each)
    assert again.say(REFUND_REPEAT, 2, of=1, minor=97) == "already 00"
    assert again.say(OFFLINE_REPEAT, 3, minor=98) == "ignored"
    assert again.say(OFFLINE_REPEAT, 3, minor=98) == "approved 00"
    assert again.reverse(6) == "reversed 00"
    assert again.lines[-1].held_minor == -1000
    assert again.say(VOID, 7, of=1) == "declined 25"
