import json
import os
import subprocess
import sys

import pytest

from loadtest.frames import DIALECT, make_templates
from loadtest.instance import start_instance
from loadtest.lean_terminal import Course, LeanTerminal
from loadtest.run import CpuMeter, StanMemory
from loadtest.world import make_terminals
from switch.codec import load_dialect
from switch.domain.transactions import TransactionType
from tests.environment import STEADY_TIMES, name_variables

STEADY = name_variables(STEADY_TIMES)


def terminals_at(*stans):
    dialect = load_dialect(DIALECT)
    made = []
    for spec, stan in zip(make_terminals(len(stans)), stans, strict=True):
        made.append(LeanTerminal(spec, make_templates(dialect, spec), stan))
        made[-1].begin(Course.PLAIN, 100)
    return made


def test_a_later_run_goes_on_above_the_highest_trace_number(tmp_path):
    memory = StanMemory(tmp_path)
    assert memory.next_stan() == 1
    memory.remember(terminals_at(5, 17, 3))
    assert StanMemory(tmp_path).next_stan() == 18


def test_trace_numbers_go_round(tmp_path):
    memory = StanMemory(tmp_path)
    memory.remember(terminals_at(999_999))
    assert memory.next_stan() == 1


def test_processor_time_is_counted_a_payment():
    meter = CpuMeter(None)
    sum(range(3_000_000))
    use = meter.read(10)
    assert use.client_us_per_payment > 100
    assert use.switch_us_per_payment is None


def test_the_switch_is_counted_with_its_processes():
    meter = CpuMeter(os.getpid())
    sum(range(5_000_000))
    use = meter.read(1)
    assert use.switch_us_per_payment > 0
    assert any(f"[{os.getpid()}]" in name for name in use.switch_processes)


def run_program(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "loadtest", "run", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=480,
        env=os.environ | STEADY,
    )


@pytest.mark.process
def test_a_real_instance_survives_everything_and_the_audit_is_clean(tmp_path):
    result = run_program("smoke", "--format", "json", "--keep", str(tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout)
    assert report["faults"] == {}
    assert report["audit"]["violations"] == []
    kinds = {"authorization", "repeat", "conflict", "reversal"}
    assert kinds <= set(report["latencies"])
    assert {"00", "51", "94"} <= set(report["responses"])
    assert report["audit"]["debits"] > 100
    assert report["cpu"]["switch_us_per_payment"] > 0


@pytest.mark.process
def test_every_transaction_is_done_and_undone_and_the_audit_finds_each_amount_in_its_place():
    result = run_program("all-transactions", "--format", "json")
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout)
    assert report["faults"] == {}
    audit = report["audit"]
    assert audit["violations"] == []
    offered = {each.value for each in TransactionType} - {"instalment-sale", "unknown"}
    assert set(audit["approvals_by_kind"]) == offered
    assert {"00", "05", "25", "51", "61", "94", "98"} <= set(report["responses"])
    assert audit["cases"] > 0  # of advices that the issuer refuses


@pytest.mark.process
def test_a_running_instance_can_be_loaded_again_and_again(tmp_path, monkeypatch):
    for name, value in STEADY.items():
        monkeypatch.setenv(name, value)
    with start_instance(tmp_path / "data", tmp_path / "output.log") as instance:
        target = ["--target", str(instance.directory), "--rate", "20", "--duration", "2"]
        first = run_program("smoke", *target, "--format", "json")
        second = run_program("smoke", *target, "--format", "json")
    assert (first.returncode, second.returncode) == (0, 0), first.stdout + second.stdout
    audits = [json.loads(result.stdout)["audit"] for result in (first, second)]
    assert audits[1]["payments"] > audits[0]["payments"]
    assert audits[1]["told"] < audits[1]["payments"] + 100
