"""`switch issuer`: its ledger for people, and what it says when it cannot start."""

import socket
from pathlib import Path

from click.testing import CliRunner

from switch.cli.issuer import issuer
from switch.demo.issuer_book import LedgerLine
from switch.demo.issuer_ledger import IssuerLedger


def write_ledger(folder: Path) -> None:
    ledger = IssuerLedger(folder / "issuer-ledger.jsonl")
    for rrn in ("010000000001", "010000000002"):
        ledger.append(
            [LedgerLine(op="debit", outcome="approved", at=1, rrn=rrn, amount_minor=1234)]
        )
    ledger.close()


def test_the_ledger_of_one_payment_is_one_line(tmp_path: Path) -> None:
    write_ledger(tmp_path)
    shown = CliRunner().invoke(issuer, ["--data", str(tmp_path), "ledger", "--rrn", "010000000002"])
    assert shown.exit_code == 0
    assert len(shown.output.splitlines()) == 1
    assert "12.34" in shown.output
    raw = CliRunner().invoke(issuer, ["--data", str(tmp_path), "ledger", "--format", "json"])
    assert len(raw.output.splitlines()) == 2


def test_a_folder_without_a_ledger_is_a_usage_failure(tmp_path: Path) -> None:
    shown = CliRunner().invoke(issuer, ["--data", str(tmp_path), "ledger"])
    assert shown.exit_code == 2
    assert "--data" in shown.output


def test_a_busy_port_says_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        shown = CliRunner().invoke(issuer, ["--data", str(tmp_path), "--address", address])
    assert shown.exit_code == 4
    assert "choose another --address" in shown.output


def test_an_address_without_a_port_is_a_usage_failure(tmp_path: Path) -> None:
    shown = CliRunner().invoke(issuer, ["--data", str(tmp_path), "--address", "localhost"])
    assert shown.exit_code == 2
