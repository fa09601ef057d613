import msgspec
import pytest

from loadtest.ledger import IssuerAccount, LedgerLine, accounts_by_rrn, read_ledger


def line(op, outcome, rrn="1"):
    return LedgerLine(op=op, rrn=rrn, outcome=outcome)


def test_a_torn_last_line_is_left_out(tmp_path):
    path = tmp_path / "issuer-ledger.jsonl"
    path.write_bytes(b'{"op":"debit","rrn":"1","more":true}\n{"op":"deb')
    assert [entry.rrn for entry in read_ledger(path)] == ["1"]


def test_a_torn_line_in_the_middle_is_an_error(tmp_path):
    path = tmp_path / "issuer-ledger.jsonl"
    path.write_bytes(b'{"op":"deb\n{"op":"debit"}\n')
    with pytest.raises(msgspec.DecodeError):
        read_ledger(path)


@pytest.mark.parametrize(
    ("lines", "stands"),
    [
        ([line("debit", "approved")], True),
        ([line("debit", "silent")], True),
        ([line("debit", "declined")], False),
        ([line("debit", "approved"), line("reversal", "reversed")], False),
        ([line("reversal", "unknown"), line("debit", "approved")], True),
        ([line("debit", "approved"), line("reversal", "unknown")], True),
        ([line("reversal", "reversed"), line("debit", "approved")], True),
    ],
)
def test_a_debit_stands_until_a_reversal_after_it(lines, stands):
    assert (accounts_by_rrn(lines)["1"].standing is not None) is stands


@pytest.mark.parametrize("outcome", ["ignored", "already"])
def test_an_advice_told_again_is_no_second_debit(outcome):
    account = accounts_by_rrn([line("debit", outcome), line("debit", "approved")])["1"]
    assert [each.outcome for _, each in account.debits] == ["approved"]


def test_other_operations_belong_to_no_account():
    account = accounts_by_rrn([line("sign-on", "approved")])["1"]
    assert (account.debits, account.reversals) == ([], [])
    assert IssuerAccount().standing is None
