"""Every operation has its words, and no receipt promises what did not happen."""

import pytest

from switch.domain.transactions import MoneyState, Side
from switch.terminal.operations import PAYMENT_ROWS, Operation
from switch.terminal.receipt_words import (
    APPROVED_BY_OPERATION,
    BY_KIND,
    GIVING_BACK,
    MANAGEMENT,
    OPERATION_WORDS,
)


def test_no_two_operations_have_the_same_words() -> None:
    for language in ("zh", "en"):
        words = [getattr(each, language) for each in OPERATION_WORDS.values()]
        assert len(set(words)) == len(Operation)


def test_an_operation_is_about_a_card_or_about_the_terminal() -> None:
    assert PAYMENT_ROWS.keys().isdisjoint(MANAGEMENT)
    about_the_last = {Operation.REPEAT, Operation.REVERSAL}
    assert set(Operation) == PAYMENT_ROWS.keys() | MANAGEMENT | about_the_last


def test_what_counts_as_a_credit_gives_back() -> None:
    credits_ = {name for name, row in PAYMENT_ROWS.items() if row.side is Side.CREDIT}
    assert credits_ | {Operation.PRE_AUTHORIZATION_VOID} == GIVING_BACK


@pytest.mark.parametrize("operation", sorted(GIVING_BACK, key=lambda each: each.value))
def test_an_approved_return_is_no_debit(operation: Operation) -> None:
    assert APPROVED_BY_OPERATION[operation].money_state is not MoneyState.DEBITED


def test_only_sales_hand_over_the_goods() -> None:
    others = {Operation.SALE, Operation.INSTALMENT_SALE, Operation.COMPLETION}
    named = APPROVED_BY_OPERATION.keys() | others | {Operation.REPEAT, Operation.REVERSAL}
    assert named == set(Operation)


def test_every_explanation_has_both_languages() -> None:
    for explanation in (*BY_KIND.values(), *APPROVED_BY_OPERATION.values()):
        for words in (explanation.happened, explanation.next_step):
            assert words.zh
            assert words.en
