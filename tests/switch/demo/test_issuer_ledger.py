"""The issuer's ledger as a file."""

import resource
from pathlib import Path

import pytest

from switch.demo.issuer_book import LedgerLine
from switch.demo.issuer_ledger import IssuerLedger, read_ledger

LINE = LedgerLine(op="debit", outcome="approved", at=1, rrn="010000000001", amount_minor=100)


def test_what_is_appended_can_be_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = IssuerLedger(path)
    ledger.append([LINE, LINE])
    assert list(read_ledger(path)) == [LINE, LINE]
    ledger.append([])
    ledger.close()


def test_a_torn_line_is_cut_off_before_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    first = IssuerLedger(path)
    first.append([LINE])
    first.close()
    with path.open("ab") as file:
        file.write(b'{"op":"debit","outc')
    assert list(read_ledger(path)) == [LINE]
    second = IssuerLedger(path)
    second.append([LINE])
    second.close()
    assert list(read_ledger(path)) == [LINE, LINE]


def test_a_line_that_finds_no_room_leaves_no_half_of_itself(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = IssuerLedger(path)
    ledger.append([LINE])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, limits[1]))
    try:
        with pytest.raises(OSError):
            ledger.append([LINE])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    ledger.append([LINE])
    ledger.close()
    assert list(read_ledger(path)) == [LINE, LINE]


def test_a_ledger_of_nothing_but_a_torn_line_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b'{"op"')
    IssuerLedger(path).close()
    assert path.read_bytes() == b""
