"""`switch issuer`: its ledger for people, and what it says when it cannot start."""

import os
import pty
import socket
import subprocess
import sys
import termios
from pathlib import Path

import click
from click.testing import CliRunner

from switch.cli.issuer import issuer
from switch.demo.issuer_behaviours import AMOUNT_RULES
from switch.demo.issuer_ledger import IssuerLedger
from switch.demo.issuer_line import LedgerLine

_LAST_HEADS = ("RRN", "STAN", "amount", "moved")


def write_ledger(folder: Path) -> None:
    ledger = IssuerLedger(folder / "issuer-ledger.jsonl")
    for rrn in ("010000000001", "010000000002"):
        sale = LedgerLine(
            op="debit", outcome="approved", at=1, rrn=rrn, amount_minor=1234, moved_minor=1234
        )
        ledger.append([sale])
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


def test_a_payment_is_shown_with_what_changed_it_and_what_each_moved(tmp_path: Path) -> None:
    completed, voided = "010000000003", "010000000004"
    ledger = IssuerLedger(tmp_path / "issuer-ledger.jsonl")
    for op, rrn, original_rrn, moved_minor, held_minor in (
        ("authorization", "010000000002", "", 0, 1000),
        ("debit", completed, "010000000002", 900, -1000),
        ("debit", "010000000009", "", 77, 0),
        ("void", voided, completed, -900, 1000),
        ("reversal", voided, "", 900, -1000),
    ):
        line = LedgerLine(
            op=op,
            outcome="approved",
            at=1,
            rrn=rrn,
            original_rrn=original_rrn,
            moved_minor=moved_minor,
            held_minor=held_minor,
        )
        ledger.append([line])
    ledger.close()
    shown = CliRunner().invoke(issuer, ["--data", str(tmp_path), "ledger", "--rrn", "010000000002"])
    ends = [line[82:].split(maxsplit=1)[1] for line in shown.output.splitlines()[1:]]
    assert [" ".join(end.split()) for end in ends] == [
        "hold 10.00",
        "9.00, hold -10.00 of 010000000002",
        "-9.00, hold 10.00 of 010000000003",
        "9.00, hold -10.00",
    ]


def test_help_names_every_amount_that_means_something() -> None:
    shown = CliRunner().invoke(issuer, ["--help"]).output
    for rule in AMOUNT_RULES:
        assert rule.amount.removeprefix("*.") in shown


def test_the_folder_may_be_named_behind_the_command(tmp_path: Path) -> None:
    write_ledger(tmp_path)
    shown = CliRunner().invoke(issuer, ["ledger", "--data", str(tmp_path)])
    assert len(shown.output.splitlines()) == 3


def test_a_payment_that_the_issuer_never_saw_ends_with_1(tmp_path: Path) -> None:
    write_ledger(tmp_path)
    shown = CliRunner().invoke(issuer, ["ledger", "--data", str(tmp_path), "--rrn", "9"])
    assert shown.exit_code == 1
    assert "never heard of 9" in shown.output


def test_on_a_terminal_of_eighty_columns_no_line_is_broken_anywhere(tmp_path: Path) -> None:
    write_ledger(tmp_path)
    screen, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    command = [sys.executable, "-m", "switch", "issuer", "ledger", "--data", str(tmp_path)]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        check=False,
        env=os.environ | {"TERM": "dumb"},
    )
    shown = os.read(screen, 65_536).decode()
    os.close(terminal)
    os.close(screen)
    assert done.returncode == 0
    lines = [line.rstrip() for line in click.unstyle(shown).splitlines()]
    assert lines[1].split() == ["STAN", "amount", "moved"]
    assert lines[3].endswith("12.34")
    assert max(map(len, lines)) <= 80


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
