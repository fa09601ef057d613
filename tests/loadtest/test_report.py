import io

import msgspec
import pytest
from rich.console import Console

from loadtest.audit import AuditReport, Violation
from loadtest.report import CpuUse, RunReport, make_report, print_report
from loadtest.scenario import Objectives, Scenario
from loadtest.schedule import Step
from loadtest.tally import Tally

CPU = CpuUse(
    client_us_per_payment=41, switch_us_per_payment=150, switch_processes={"python[1]": 0.5}
)
CLEAN = AuditReport(
    journal_records=1,
    journal_events=1,
    void_records=0,
    payments=1,
    approvals=1,
    ledger_lines=1,
    debits=1,
    standing_debits=1,
    told=1,
    cases=0,
    violations=(),
)
VIOLATED = msgspec.structs.replace(
    CLEAN,
    violations=(
        Violation(
            invariant=1, kind="debited-twice", rrn="000000000001", key="k", evidence=("line 7",)
        ),
    ),
)


def tally_of(count=98, *, latency_us=5_000, faults=0):
    tally = Tally()
    tally.intended_in_window = 100
    tally.answered_in_window = count
    for _ in range(count):
        tally.record("authorization", latency_us, counts=True)
    tally.faults["sale: no answer"] += faults
    tally.responses["00"] += count
    return tally


def report_of(tally, audit=None, **objectives):
    scenario = Scenario(
        name="x",
        steps=(Step(rate_per_s=10, duration_s=11),),
        warmup_s=1,
        objectives=Objectives(**{"rate_share_min": None, "error_count_max": None, **objectives}),
    )
    return make_report(scenario, tally, terminals=5, cpu=CPU, audit=audit)


@pytest.mark.parametrize(
    ("objectives", "code"),
    [
        ({}, 0),
        ({"p99_ms_max": 5.1}, 0),
        ({"p99_ms_max": 4.9}, 1),
        ({"p50_ms_max": 4.9}, 1),
        ({"rate_share_min": 0.98}, 0),
        ({"rate_share_min": 0.99}, 1),
        ({"error_count_max": 3}, 0),
        ({"error_count_max": 2}, 1),
    ],
)
def test_a_missed_objective_is_exit_code_1(objectives, code):
    assert report_of(tally_of(faults=3), **objectives).exit_code == code


def test_what_was_never_measured_is_not_met():
    assert report_of(tally_of(0), p99_ms_max=1_000).exit_code == 1


def test_a_violation_outranks_a_missed_objective():
    assert report_of(tally_of(), VIOLATED, p99_ms_max=0.1).exit_code == 4
    assert report_of(tally_of(), CLEAN).exit_code == 0


def test_rates_are_those_after_the_warm_up():
    report = report_of(tally_of())
    assert (report.rate_intended_per_s, report.rate_answered_per_s) == (10.0, 9.8)


def test_a_report_survives_json():
    report = report_of(tally_of(faults=1), VIOLATED, p99_ms_max=1)
    assert msgspec.json.decode(msgspec.json.encode(report), type=RunReport) == report


def test_people_see_figures_objectives_and_evidence():
    out = io.StringIO()
    print_report(
        report_of(tally_of(faults=1), VIOLATED, p99_ms_max=1), Console(file=out, width=120)
    )
    shown = out.getvalue()
    for text in ("authorization", "MISSED", "debited-twice", "line 7", "no answer x 1", "150 us"):
        assert text in shown
