import msgspec
import pytest

from loadtest.ledger import IssuerAccount, LedgerLine, accounts_by_rrn, find_overpaid, read_ledger


def line(op, outcome, rrn="1", amount=100, original=""):
    return LedgerLine(
        op=op, outcome=outcome, at=1, rrn=rrn, amount_minor=amount, original_rrn=original
    )


SOLD = line("debit", "approved")


def test_a_torn_last_line_is_left_out(tmp_path):
    path = tmp_path / "issuer-ledger.jsonl"
    whole = b'{"op":"debit","outcome":"approved","at":1,"rrn":"1","more":true}\n'
    path.write_bytes(whole + b'{"op":"deb')
    assert [entry.rrn for entry in read_ledger(path)] == ["1"]


def test_a_torn_line_in_the_middle_is_an_error(tmp_path):
    path = tmp_path / "issuer-ledger.jsonl"
    path.write_bytes(b'{"op":"deb\n{"op":"debit","outcome":"approved","at":1}\n')
    with pytest.raises(msgspec.DecodeError):
        read_ledger(path)


@pytest.mark.parametrize(
    ("lines", "stands"),
    [
        ([SOLD], True),
        ([line("debit", "silent")], True),
        ([line("debit", "declined")], False),
        ([SOLD, line("reversal", "reversed")], False),
        ([line("reversal", "unknown"), SOLD], True),
        ([SOLD, line("reversal", "unknown")], True),
        ([line("reversal", "reversed"), SOLD], True),
    ],
)
def test_a_debit_stands_until_a_reversal_after_it(lines, stands):
    account = accounts_by_rrn(lines)["1"]
    assert account.stands is stands
    assert account.money_minor == (100 if stands else 0)


@pytest.mark.parametrize("outcome", ["ignored", "already"])
def test_an_advice_told_again_is_no_second_debit(outcome):
    account = accounts_by_rrn([line("debit", outcome), SOLD])["1"]
    assert [each.outcome for _, each in account.debits] == ["approved"]
    assert account.booked == account.debits


def test_a_void_has_an_account_of_its_own_and_so_has_a_hold():
    accounts = accounts_by_rrn(
        [
            SOLD,
            line("void", "approved", rrn="2", original="1"),
            line("authorization", "approved", rrn="3"),
            line("void", "approved", rrn="4", original="3"),
            line("inquiry", "approved", rrn="5"),
        ]
    )
    effects = {rrn: (one.money_minor, one.held_minor) for rrn, one in accounts.items()}
    assert effects == {"1": (100, 0), "2": (-100, 0), "3": (0, 100), "4": (0, -100), "5": (0, 0)}
    assert [rrn for rrn, one in accounts.items() if one.debits] == ["1"]


def test_other_operations_belong_to_no_account():
    account = accounts_by_rrn([line("network", "signed-on")])["1"]
    assert (account.asked, account.reversals) == ([], [])
    assert not IssuerAccount().stands


def test_more_given_back_than_taken_is_found_with_its_first_payment():
    credit = line("credit", "approved", rrn="2", amount=101, original="1")
    assert find_overpaid([SOLD, credit]) == {"1": -1}
    assert find_overpaid([SOLD]) == {}
