"""`switch issuer`: its ledger for people, and what it says when it cannot start."""

import socket
from pathlib import Path

from click.testing import CliRunner

from switch.cli.issuer import issuer
from switch.demo.issuer_book import LedgerLine
from switch.demo.issuer_ledger import IssuerLedger

_LAST_HEADS = ("RRN", "STAN", "amount")


def write_ledger(folder: Path) -> None:
    ledger = IssuerLedger(folder / "issuer-ledger.jsonl")
    for rrn in ("010000000001", "010000000002"):
        ledger.append(
            [LedgerLine(op="debit", outcome="approved", at=1, rrn=rrn, amount_minor=1234)]
        )
    ledger.close()


def test_the_ledger_of_one_payment_is_one_line_below_the_heads(tmp_path: Path) -> None:
    write_ledger(tmp_path)
    shown = CliRunner().invoke(issuer, ["--data", str(tmp_path), "ledger", "--rrn", "010000000002"])
    assert shown.exit_code == 0
    heads, line = shown.output.splitlines()
    assert heads.split() == ["time", "(UTC)", "MTI", "what", "outcome", "DE39", *_LAST_HEADS]
    assert line.startswith("1970-01-01 00:00:00.001")
    assert line.endswith("12.34")
    assert len(heads) == len(line)
    raw = CliRunner().invoke(issuer, ["--data", str(tmp_path), "ledger", "--format", "json"])
    assert len(raw.output.splitlines()) == 2


def test_the_folder_may_be_named_behind_the_command(tmp_path: Path) -> None:
    write_ledger(tmp_path)
    shown = CliRunner().invoke(issuer, ["ledger", "--data", str(tmp_path)])
    assert len(shown.output.splitlines()) == 3


def test_a_payment_that_the_issuer_never_saw_ends_with_1(tmp_path: Path) -> None:
    write_ledger(tmp_path)
    shown = CliRunner().invoke(issuer, ["ledger", "--data", str(tmp_path), "--rrn", "9"])
    assert shown.exit_code == 1
    assert "never heard of 9" in shown.output


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
