"""What a run reached, for machines and for people, and whether that was enough."""

from collections.abc import Mapping
from typing import Final

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from loadtest.audit import AuditReport
from loadtest.scenario import Objectives, Scenario
from loadtest.schedule import total_duration_s
from loadtest.tally import AUTHORIZATION, LatencySummary, Tally, summarize

EXIT_OK: Final = 0
EXIT_OBJECTIVE_MISSED: Final = 1
EXIT_USAGE: Final = 2
EXIT_NO_INSTANCE: Final = 3
EXIT_AUDIT_VIOLATION: Final = 4
_SHOWN_COUNT_MAX: Final = 20


class ObjectiveResult(msgspec.Struct, frozen=True, kw_only=True):
    """One objective: what was wanted, what was reached."""

    name: str
    wanted: float
    reached: float
    is_met: bool


class CpuUse(msgspec.Struct, frozen=True, kw_only=True):
    """Processor time from the first payment to the last, microseconds a payment."""

    client_us_per_payment: float
    switch_us_per_payment: float | None = None  # all its processes; None if not started here
    switch_processes: dict[str, float] = {}  # name and pid -> cores in use


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one run."""

    scenario: str
    duration_s: float
    terminals: int
    payments_intended: int
    payments_answered: int
    rate_intended_per_s: float
    rate_answered_per_s: float
    latencies: dict[str, LatencySummary]
    responses: dict[str, int]
    faults: dict[str, int]
    objectives: tuple[ObjectiveResult, ...]
    cpu: CpuUse
    audit: AuditReport | None = None

    @property
    def exit_code(self) -> int:
        """Return 4 for a violation, 1 for a missed objective, else 0."""
        if self.audit is not None and not self.audit.is_clean:
            return EXIT_AUDIT_VIOLATION
        met = all(objective.is_met for objective in self.objectives)
        return EXIT_OK if met else EXIT_OBJECTIVE_MISSED


def make_report(
    scenario: Scenario, tally: Tally, *, terminals: int, cpu: CpuUse, audit: AuditReport | None
) -> RunReport:
    """Sum a run up; rates and latencies are those after the warm-up."""
    duration_s = max(total_duration_s(scenario.steps) - scenario.warmup_s, 0.001)
    latencies = {name: summarize(histogram) for name, histogram in sorted(tally.latencies.items())}
    return RunReport(
        scenario=scenario.name,
        duration_s=duration_s,
        terminals=terminals,
        payments_intended=tally.intended_in_window,
        payments_answered=tally.answered_in_window,
        rate_intended_per_s=round(tally.intended_in_window / duration_s, 1),
        rate_answered_per_s=round(tally.answered_in_window / duration_s, 1),
        latencies=latencies,
        responses=dict(sorted(tally.responses.items())),
        faults=dict(tally.faults.most_common()),
        objectives=judge(scenario.objectives, tally, latencies),
        cpu=cpu,
        audit=audit,
    )


def judge(
    objectives: Objectives, tally: Tally, latencies: Mapping[str, LatencySummary]
) -> tuple[ObjectiveResult, ...]:
    """Compare what was reached with what was wanted; what was never measured is not met."""
    results = []
    main = latencies.get(AUTHORIZATION)
    for name, wanted in (("p50_ms", objectives.p50_ms_max), ("p99_ms", objectives.p99_ms_max)):
        if wanted is not None:
            reached = float(getattr(main, name)) if main else -1.0
            is_met = main is not None and reached <= wanted
            results.append(
                ObjectiveResult(name=f"{name} <=", wanted=wanted, reached=reached, is_met=is_met)
            )
    if (wanted := objectives.rate_share_min) is not None:
        share = tally.answered_in_window / max(tally.intended_in_window, 1)
        results.append(
            ObjectiveResult(
                name="rate share >=", wanted=wanted, reached=round(share, 4), is_met=share >= wanted
            )
        )
    if objectives.error_count_max is not None:
        count = tally.fault_count
        results.append(
            ObjectiveResult(
                name="errors <=",
                wanted=objectives.error_count_max,
                reached=count,
                is_met=count <= objectives.error_count_max,
            )
        )
    return tuple(results)


def print_report(report: RunReport, console: Console) -> None:
    """Show a report to people."""
    console.print(
        f"[bold]{report.scenario}[/]: {report.payments_answered:,} of"
        f" {report.payments_intended:,} payments answered in {report.duration_s:g} s by"
        f" {report.terminals:,} terminals: {report.rate_answered_per_s:,.0f}/s of"
        f" {report.rate_intended_per_s:,.0f}/s"
    )
    console.print(_latency_table(report))
    console.print(
        "answers: " + ", ".join(f"{code} x {n:,}" for code, n in report.responses.items())
    )
    for fault, count in list(report.faults.items())[:_SHOWN_COUNT_MAX]:
        console.print(f"[yellow]fault[/] {fault} x {count:,}", highlight=False)
    console.print(_show_cpu(report.cpu))
    for objective in report.objectives:
        mark = "[green]met   [/]" if objective.is_met else "[red]MISSED[/]"
        console.print(f"{mark} {objective.name} {objective.wanted:g}: {objective.reached:g}")
    if report.audit is not None:
        print_audit(report.audit, console)


def _latency_table(report: RunReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("ms by kind", no_wrap=True)
    for name in ("count", "mean", "p50", "p90", "p99", "p99.9", "max"):
        table.add_column(name, justify="right")
    for name, row in report.latencies.items():
        values = (row.mean_ms, row.p50_ms, row.p90_ms, row.p99_ms, row.p999_ms, row.max_ms)
        table.add_row(name, f"{row.count:,}", *(f"{value:.2f}" for value in values))
    return table


def _show_cpu(cpu: CpuUse) -> str:
    shown = f"processor: client {cpu.client_us_per_payment:.0f} us a payment"
    if cpu.switch_us_per_payment is not None:
        shown += f", switch {cpu.switch_us_per_payment:.0f} us"
        cores = ", ".join(f"{name} {use:.2f}" for name, use in cpu.switch_processes.items())
        shown += f" (cores: {cores})"
    return shown


def print_audit(audit: AuditReport, console: Console) -> None:
    """Show an audit to people: what was compared, then every violation with its evidence."""
    console.print(
        f"audit: {audit.payments:,} payments and {audit.void_records:,} void records in the"
        f" journal, {audit.debits:,} debits at the issuer ({audit.standing_debits:,} stand),"
        f" {audit.told:,} answers told, {audit.cases:,} cases"
    )
    if len(audit.approvals_by_kind) > 1:
        kinds = (f"{kind} x {n:,}" for kind, n in audit.approvals_by_kind.items())
        console.print("approved: " + ", ".join(kinds))
    for violation in audit.violations[:_SHOWN_COUNT_MAX]:
        console.print(
            f"[red]violation[/] invariant {violation.invariant} {violation.kind}"
            f" rrn {violation.rrn or '-'} key {violation.key or '-'}",
            highlight=False,
        )
        for line in violation.evidence:
            console.print(f"    {line}", highlight=False)
    if audit.is_clean:
        console.print("[green]audit: no violation[/]")
    else:
        console.print(f"[red]audit: {len(audit.violations):,} violations[/]")
