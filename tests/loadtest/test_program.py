import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from loadtest.program import main
from loadtest.told import Told, write_told
from switch.adapters.sqlite_log import SqliteLog


def invoke(*arguments):
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "nowhere"], "smoke"),
        (["run", "--rate", "-1"], "rate_per_s"),
        (["run", "--steps", "5"], "RATExSECONDS"),
        (["run", "--steps", "5x1", "--rate", "5"], "exclude"),
        (["run", "--terminals", "1000000"], "terminals"),
        (["run", "--nonsense"], "nonsense"),
        (["bench", "nonsense"], "embedded"),
        (["audit"], "--data"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_says_what_is_wrong(arguments, told):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert told in result.output


@pytest.mark.parametrize("command", [["run", "--target"], ["audit", "--data"]])
def test_no_instance_is_exit_code_3(tmp_path, command):
    assert invoke(*command, str(tmp_path)).exit_code == 3


def test_another_machine_is_never_put_under_load(tmp_path):
    addresses = {"unionpay-pos": "192.0.2.1:8583", "http": "192.0.2.1:8080"}
    (tmp_path / "addresses.json").write_text(json.dumps(addresses))
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "operator.token").write_text("t")
    result = invoke("run", "--target", str(tmp_path))
    assert result.exit_code == 3
    assert "loopback" in result.output


@pytest.fixture
async def folder(tmp_path):
    await SqliteLog(tmp_path / "log.db", partition_count=1).close()
    (tmp_path / "issuer-ledger.jsonl").touch()
    return tmp_path


def run_program(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "loadtest", *arguments], capture_output=True, text=True, check=False
    )


async def test_a_clean_audit_is_exit_code_0(folder):
    result = run_program("audit", "--data", str(folder), "--format", "json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["violations"] == []


async def test_a_violation_is_exit_code_4_with_its_evidence(folder):
    approval = Told(
        kind="sale",
        acquirer="a",
        merchant_id="m",
        terminal_id="t",
        batch="b",
        stan="1",
        amount_minor=1,
        at=1,
        response_code="00",
        rrn="000000000001",
    )
    write_told(folder / "told.jsonl", [approval])
    result = run_program("audit", "--data", str(folder), "--told", str(folder / "told.jsonl"))
    assert result.returncode == 4, result.stderr
    assert "approval-not-in-journal" in result.stdout
    assert "000000000001" in result.stdout


async def test_a_card_number_left_behind_is_exit_code_4(folder):
    (folder / "debug.txt").write_text("6200000000000005")
    assert run_program("audit", "--data", str(folder), "--scan").returncode == 4
