"""The terminal's table of messages, against what is written and against the switch's own rules."""

import pytest

from switch.codec.mti import response_mti
from switch.domain.transactions import TRAITS, Side, TransactionType
from switch.terminal.operations import ADVICES, PAYMENT_ROWS, Operation, Quotes

# docs/iso8583.md 2 and 5: MTI, DE 3, DE 25, DE 60.1, reversed when unanswered, side of the totals
PUBLISHED = {
    Operation.BALANCE: ("0200", "310000", "00", "01", False, Side.NEITHER),
    Operation.SALE: ("0200", "000000", "00", "22", True, Side.DEBIT),
    Operation.INSTALMENT_SALE: ("0200", "000000", "64", "22", True, Side.DEBIT),
    Operation.VOID: ("0200", "200000", "00", "23", True, Side.CREDIT),
    Operation.REFUND: ("0220", "200000", "00", "25", False, Side.CREDIT),
    Operation.PRE_AUTHORIZATION: ("0100", "030000", "06", "10", True, Side.NEITHER),
    Operation.PRE_AUTHORIZATION_VOID: ("0100", "200000", "06", "11", True, Side.NEITHER),
    Operation.COMPLETION: ("0200", "000000", "06", "20", True, Side.DEBIT),
    Operation.COMPLETION_VOID: ("0200", "200000", "06", "21", True, Side.CREDIT),
    Operation.COMPLETION_ADVICE: ("0220", "000000", "06", "24", False, Side.DEBIT),
    Operation.OFFLINE: ("0220", "000000", "00", "30", False, Side.DEBIT),
    Operation.ADJUSTMENT: ("0220", "000000", "00", "32", False, Side.DEBIT),
    Operation.TIP: ("0220", "000000", "00", "34", False, Side.DEBIT),
    Operation.E_CASH_SALE: ("0220", "000000", "00", "36", False, Side.DEBIT),
    Operation.E_CASH_REFUND: ("0200", "200000", "00", "27", False, Side.CREDIT),
    Operation.SCRIPT_NOTICE: ("0620", "", "", "", False, Side.NEITHER),
}
# how the switch calls what the terminal calls otherwise
MEANT = {
    Operation.BALANCE: TransactionType.BALANCE_INQUIRY,
    Operation.SALE: TransactionType.SALE,
    Operation.INSTALMENT_SALE: TransactionType.INSTALMENT_SALE,
    Operation.VOID: TransactionType.SALE_VOID,
    Operation.REFUND: TransactionType.REFUND,
    Operation.PRE_AUTHORIZATION: TransactionType.PRE_AUTHORIZATION,
    Operation.PRE_AUTHORIZATION_VOID: TransactionType.PRE_AUTHORIZATION_VOID,
    Operation.COMPLETION: TransactionType.COMPLETION,
    Operation.COMPLETION_VOID: TransactionType.COMPLETION_VOID,
    Operation.COMPLETION_ADVICE: TransactionType.COMPLETION_ADVICE,
    Operation.OFFLINE: TransactionType.OFFLINE_ADVICE,
    Operation.ADJUSTMENT: TransactionType.ADJUSTMENT_ADVICE,
    Operation.TIP: TransactionType.ADJUSTMENT_ADVICE,
    Operation.E_CASH_SALE: TransactionType.OFFLINE_ADVICE,
    Operation.E_CASH_REFUND: TransactionType.REFUND,
}


@pytest.mark.parametrize("operation", list(PAYMENT_ROWS))
def test_every_row_is_the_published_one(operation: Operation) -> None:
    row = PAYMENT_ROWS[operation]
    assert (*row[:4], row.is_reversed, row.side) == PUBLISHED[operation]


def test_the_table_has_every_published_transaction_and_no_other() -> None:
    assert PAYMENT_ROWS.keys() == PUBLISHED.keys()


@pytest.mark.parametrize("operation", list(MEANT))
def test_terminal_and_switch_agree_on_side_silence_and_originals(operation: Operation) -> None:
    row, traits = PAYMENT_ROWS[operation], TRAITS[MEANT[operation]]
    assert (row.side, row.when_unanswered) == (traits.side, traits.when_unknown)
    assert row.has_amount == traits.has_amount
    assert {MEANT[original] for original in row.originals} <= traits.originals
    assert (row.quotes is Quotes.NOTHING) == (not traits.originals)


def test_what_is_never_reversed_is_sent_again_or_ends() -> None:
    resent = {operation for operation, row in PAYMENT_ROWS.items() if row.is_resent}
    assert resent == ADVICES | {Operation.REFUND, Operation.E_CASH_REFUND}
    assert not PAYMENT_ROWS[Operation.BALANCE].is_reversed


def test_every_message_has_an_answer() -> None:
    for row in PAYMENT_ROWS.values():
        assert response_mti(row.mti)[2] in "13"


def test_no_two_operations_have_one_key() -> None:
    keys = [row[:4] for row in PAYMENT_ROWS.values()]
    assert len(set(keys)) == len(keys)
    bare = [row[:3] for row in PAYMENT_ROWS.values() if not row.needs_code]
    assert len(set(bare)) == len(bare)
