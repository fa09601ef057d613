"""A line as it lies in the file."""

import msgspec

from switch.demo.issuer_line import LedgerLine


def test_what_a_line_has_nothing_to_say_about_is_not_written() -> None:
    line = LedgerLine(op="debit", outcome="approved", at=1, rrn="010000000001", moved_minor=100)
    assert msgspec.json.encode(line) == (
        b'{"op":"debit","outcome":"approved","at":1,"rrn":"010000000001","moved_minor":100}'
    )


def test_a_line_of_an_older_ledger_is_read() -> None:
    old = b'{"op":"debit","outcome":"approved","at":1,"rrn":"010000000001","amount_minor":100}'
    line = msgspec.json.decode(old, type=LedgerLine)
    assert (line.amount_minor, line.original_rrn, line.moved_minor) == (100, "", 0)
