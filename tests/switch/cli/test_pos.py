"""The POS against a real demo instance, as a new user would use it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from switch.apps.addresses import read_addresses
from tests.environment import CALM_SWITCH

pytestmark = pytest.mark.process
DEADLINE_S = 60.0


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "data"
    command = [sys.executable, "-m", "switch", "up", "--demo", "--data", str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | CALM_SWITCH
    ) as process:
        try:
            deadline = time.monotonic() + DEADLINE_S
            while read_addresses(folder) is None:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield folder
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_S) == 0


def run_pos(data_dir, *arguments):
    command = [sys.executable, "-m", "switch", "pos", *arguments, "--data", str(data_dir)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def read_json(data_dir, *arguments):
    done = run_pos(data_dir, *arguments, "--format", "json")
    return done.returncode, json.loads(done.stdout)


def read_ledger(data_dir, rrn):
    lines = (data_dir / "issuer-ledger.jsonl").read_text().splitlines()
    return [line["op"] for line in map(json.loads, lines) if line.get("rrn") == rrn]


def test_a_sale_prints_a_receipt_in_both_languages(data_dir):
    done = run_pos(data_dir, "sale", "--amount", "12.34")
    assert done.returncode == 0, done.stderr
    for text in ("12.34 CNY", "Approved", "交易成功", "620000******0005"):
        assert text in done.stdout
    assert "6200000000000005" not in done.stdout


def test_a_repeat_gets_the_stored_answer_and_debits_once(data_dir):
    code, dropped = read_json(data_dir, "sale", "--amount", "5.00", "--drop-answer")
    assert (code, dropped["kind"]) == (1, "unanswered")
    code, repeated = read_json(data_dir, "sale", "--repeat")
    assert (code, repeated["kind"], repeated["stan"]) == (0, "approved", dropped["stan"])
    assert read_ledger(data_dir, repeated["rrn"]) == ["debit"]


def test_a_payment_can_be_taken_back(data_dir):
    _, paid = read_json(data_dir, "sale", "--amount", "6.00")
    code, reversed_ = read_json(data_dir, "reverse", "--reason", "96")
    assert (code, reversed_["kind"]) == (0, "reversed")
    deadline = time.monotonic() + DEADLINE_S
    while "reversal" not in read_ledger(data_dir, paid["rrn"]):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_decline_ends_with_exit_code_1_and_says_why(data_dir):
    done = run_pos(data_dir, "sale", "--amount", "1.51")
    assert done.returncode == 1
    assert "余额不足" in done.stdout


def test_the_other_dialect_works_too(data_dir):
    code, paid = read_json(data_dir, "sale", "--amount", "7.00", "--channel", "iso1987-ascii")
    assert (code, paid["kind"]) == (0, "approved"), paid


HEADINGS = ["batch", "stan", "operation", "amount", "card"]


@pytest.mark.parametrize("terminal", ["99999999", "77"])
def test_an_unknown_terminal_is_told_so_however_short_its_number(data_dir, terminal):
    code, refused = read_json(data_dir, "sale", "--amount", "1.00", "--terminal", terminal)
    assert (code, refused["response_code"]) == (1, "97")


def test_the_terminal_remembers(data_dir):
    run_pos(data_dir, "sale", "--amount", "7.10")
    shown = run_pos(data_dir, "status").stdout
    assert "last trace number" in shown
    assert "owes a reversal" in shown
    assert any(line.split()[:5] == HEADINGS for line in shown.splitlines()), shown


@pytest.mark.parametrize(
    "arguments",
    [
        ("sale",),
        ("sale", "--amount", "x"),
        ("sale", "--amount", "1.234"),
        ("sale", "--amount", "1", "--repeat"),
        ("reverse", "--reason", "77"),
        ("sale", "--amount", "1", "--terminal", "123456789"),
        ("sale", "--amount", "1", "--terminal", ""),
        ("sale", "--amount", "1", "--merchant", "商户"),
    ],
)
def test_wrong_arguments_end_with_exit_code_2(data_dir, arguments):
    done = run_pos(data_dir, *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_without_an_instance_it_says_how_to_start_one(tmp_path):
    done = run_pos(tmp_path, "sale", "--amount", "1.00")
    assert done.returncode == 3
    assert "switch up --demo" in done.stderr
