"""The command line: `python -m loadtest run | audit | bench`."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from rich.console import Console

from loadtest.audit_run import AuditImpossible, audit_directory, scan_directory
from loadtest.instance import Instance, InstanceError, find_instance, start_instance
from loadtest.progress import ProgressLine
from loadtest.report import (
    EXIT_AUDIT_VIOLATION,
    EXIT_NO_INSTANCE,
    EXIT_OK,
    EXIT_USAGE,
    RunReport,
    print_audit,
    print_report,
)
from loadtest.run import RunOptions, run_scenario
from loadtest.scenario import Scenario, ScenarioError, load_scenario
from loadtest.schedule import Step, parse_steps
from loadtest.terminal_list import TerminalListError, TerminalSpec, load_terminals
from loadtest.told import read_told
from loadtest.world import make_terminals, prepare_world

_FORMATS: Final = click.Choice(["table", "json"])


def _fail(message: str, code: int) -> click.ClickException:
    failure = click.ClickException(message)
    failure.exit_code = code
    return failure


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """
    Put the switch under load and question what it did.

    Exit codes: 0 fine, 1 an objective was missed, 2 wrong usage, 3 no usable instance, 4 the audit
    found a violation.
    """


@main.command()
@click.argument("scenario_name", metavar="[SCENARIO]", default="steady")
@click.option(
    "--target", type=click.Path(path_type=Path), help="Data folder of a running instance."
)
@click.option("--rate", type=float, help="One constant rate (payments/s) instead of the steps.")
@click.option("--duration", type=float, help="Seconds, with --rate.")
@click.option("--steps", "steps_text", help="Steps as RATExSECONDS,... e.g. 500x10,1000x10.")
@click.option("--terminals", type=int, help="How many terminals.")
@click.option("--terminal-list", type=click.Path(path_type=Path), help="TOML list of terminals.")
@click.option("--told", "told_path", type=click.Path(path_type=Path), help="Keep what was told.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the own instance's data here.")
@click.option("--audit/--no-audit", "audits", default=True, help="Audit at the end.")
@click.option("--scan/--no-scan", "scans", default=True, help="Look for card numbers in own data.")
@click.option("--format", "style", type=_FORMATS, default="table")
def run(scenario_name: str, style: str, **options: Any) -> None:  # noqa: ANN401 - click's options
    """
    Run SCENARIO (a path, or the name of a saved one; default: steady).

    Without --target it starts an instance of its own on free ports in a temporary folder and stops
    it at the end.
    """
    scenario = _choose_scenario(scenario_name, options)
    with _usable_instance(options["target"], options["keep"], scenario) as (instance, specs):
        report = _run_and_scan(scenario, instance, specs, options)
    if style == "json":
        sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    else:
        print_report(report, Console())
    sys.exit(report.exit_code)


def _choose_scenario(name: str, options: dict[str, Any]) -> Scenario:
    try:
        scenario = load_scenario(name)
        changes: dict[str, Any] = {}
        if options["steps_text"] and options["rate"]:
            raise _fail("--steps and --rate exclude each other", EXIT_USAGE)
        if options["steps_text"]:
            changes["steps"] = parse_steps(options["steps_text"])
        elif options["rate"] or options["duration"]:
            first = scenario.steps[0]
            rate, duration = (
                options["rate"] or first.rate_per_s,
                options["duration"] or first.duration_s,
            )
            changes["steps"] = (Step(rate_per_s=rate, duration_s=duration),)
        if options["terminals"]:
            changes["terminals"] = options["terminals"]
        scenario = Scenario(**{**_fields_of(scenario), **changes})
    except (ScenarioError, ValueError) as error:
        raise _fail(str(error), EXIT_USAGE) from error
    return scenario


def _fields_of(scenario: Scenario) -> dict[str, Any]:
    return {name: getattr(scenario, name) for name in scenario.__struct_fields__}


@contextlib.contextmanager
def _usable_instance(
    target: Path | None, keep: Path | None, scenario: Scenario
) -> Iterator[tuple[Instance, tuple[TerminalSpec, ...]]]:
    try:
        with contextlib.ExitStack() as stack:
            if target:
                instance = find_instance(target)
            else:
                root = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lt-")))
                root.mkdir(parents=True, exist_ok=True)
                instance = start_instance(root / "data", root / "output.log")
                stack.enter_context(instance)
                prepare_world(instance, scenario.terminals)
            yield instance, make_terminals(scenario.terminals)
    except (InstanceError, TerminalListError, AuditImpossible, OSError) as error:
        raise _fail(str(error), EXIT_NO_INSTANCE) from error


def _run_and_scan(
    scenario: Scenario,
    instance: Instance,
    specs: tuple[TerminalSpec, ...],
    options: dict[str, Any],
) -> RunReport:
    if options["terminal_list"]:
        specs = load_terminals(options["terminal_list"])
    if len(specs) < scenario.terminals:
        raise _fail(f"there are only {len(specs)} terminals in the list", EXIT_USAGE)
    progress = ProgressLine()
    run_options = RunOptions(
        audits=options["audits"],
        on_second=progress.show,
        on_settle=progress.show_settling,
        told_path=options["told_path"],
    )
    with progress, _runner() as runner:
        result = runner.run(run_scenario(scenario, instance, specs, run_options))
    report = result.report
    if instance.process and options["scans"] and report.audit:
        instance.stop()
        pans = sorted({spec.pan for spec in specs})
        found = scan_directory(instance.directory.parent, pans)
        audit = msgspec.structs.replace(report.audit, violations=report.audit.violations + found)
        report = msgspec.structs.replace(report, audit=audit)
    return report


def _runner() -> asyncio.Runner:
    import uvloop  # noqa: PLC0415 - not needed for --help

    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


@main.command()
@click.option("--data", "directory", type=click.Path(path_type=Path), required=True)
@click.option(
    "--told", "told_path", type=click.Path(path_type=Path), help="What was told (run --told)."
)
@click.option("--settle-timeout", "settle_s", type=float, default=5.0, show_default=True)
@click.option("--scan/--no-scan", "scans", default=False, help="Look for card numbers as well.")
@click.option("--format", "style", type=_FORMATS, default="table")
def audit(
    *, directory: Path, told_path: Path | None, settle_s: float, scans: bool, style: str
) -> None:
    """Compare issuer's ledger, journal and (with --told) the terminals' memory of a data folder."""
    try:
        told = list(read_told(told_path)) if told_path else []
        report = asyncio.run(audit_directory(directory, told, settle_timeout_s=settle_s))
    except (AuditImpossible, OSError, msgspec.DecodeError) as error:
        raise _fail(str(error), EXIT_NO_INSTANCE) from error
    if scans:
        found = scan_directory(directory, ())
        report = msgspec.structs.replace(report, violations=report.violations + found)
    if style == "json":
        sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    else:
        print_audit(report, Console())
    sys.exit(EXIT_OK if report.is_clean else EXIT_AUDIT_VIOLATION)
