"""The command line: `python -m loadtest run | audit | bench`."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import click
import msgspec
from rich.console import Console

from loadtest.audit_run import AuditImpossible, audit_directory, scan_directory
from loadtest.bench_names import KAFKA_PARTS, NAMES
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
from loadtest.world_setup import prepare_world

OUTPUT_DIRECTORY: Final = "output"
PUBLISHED_PANS: Final = ("6200000000000005",)  # the demo card: the demo prints it in an example
_FORMATS: Final = click.Choice(["table", "json"])


class LoadFailure(click.ClickException):
    """A message for the person at the keyboard and the exit code that goes with it."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self._exit_code = exit_code

    def show(self, file: IO[str] | None = None) -> None:
        """Print the message and end with the code (called by click)."""
        super().show(file)
        sys.exit(self._exit_code)


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
            raise LoadFailure("--steps and --rate exclude each other", EXIT_USAGE)
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
        raise LoadFailure(str(error), EXIT_USAGE) from error
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
                instance = start_instance(root / "data", root / OUTPUT_DIRECTORY / "switch-up.log")
                stack.enter_context(instance)
            yield instance, prepare_world(instance, scenario.terminals)
    except (InstanceError, TerminalListError, AuditImpossible, OSError) as error:
        raise LoadFailure(str(error), EXIT_NO_INSTANCE) from error


def _run_and_scan(
    scenario: Scenario,
    instance: Instance,
    specs: tuple[TerminalSpec, ...],
    options: dict[str, Any],
) -> RunReport:
    if options["terminal_list"]:
        specs = load_terminals(options["terminal_list"])
    if len(specs) < scenario.terminals:
        raise LoadFailure(f"there are only {len(specs)} terminals in the list", EXIT_USAGE)
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
        found = scan_directory(instance.directory, pans)
        printed = instance.directory.parent / OUTPUT_DIRECTORY
        found += scan_directory(printed, pans, published_pans=PUBLISHED_PANS)
        audit = msgspec.structs.replace(report.audit, violations=report.audit.violations + found)
        report = msgspec.structs.replace(report, audit=audit)
    return report


def _runner() -> asyncio.Runner:
    import uvloop  # noqa: PLC0415 - not needed for --help

    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


@main.command(short_help="Ledger, journal and what terminals were told, compared.")
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
        raise LoadFailure(str(error), EXIT_NO_INSTANCE) from error
    if scans:
        found = scan_directory(directory, ())
        report = msgspec.structs.replace(report, violations=report.violations + found)
    if style == "json":
        sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    else:
        print_audit(report, Console())
    sys.exit(EXIT_OK if report.is_clean else EXIT_AUDIT_VIOLATION)


@main.command()
@click.argument("name", type=click.Choice(NAMES))
@click.option("--seconds", type=float, help="Seconds of each level.")
@click.option("--rate", type=float, help="Only this rate instead of a search.")
@click.option("--p99", "p99_ms_max", type=float, help="Milliseconds that p99 may take.")
@click.option("--events", type=int, help="Journal events of restart and kafka.")
@click.option("--idle", type=int, help="Idle terminals.")
@click.option("--delay-ms", type=int, help="The issuer's own delay.")
@click.option("--terminals", type=int, help="Terminals of the rate searches.")
@click.option("--part", type=click.Choice(KAFKA_PARTS), help="Only this part of `kafka`.")
@click.option("--rounds", type=int, help="Rounds of the take-over, of each kind.")
@click.option("--partitions", type=int, help="Partitions of `kafka`.")
@click.option("--handlers", type=int, help="Handlers of `kafka`.")
@click.option("--payments", type=int, help="Payments through the partition whose memory is seen.")
def bench(name: str, **options: Any) -> None:  # noqa: ANN401 - click's options
    """Run one benchmark (or all of them) and print its figures as JSON."""
    from loadtest.bench import BenchOptions, run_bench  # noqa: PLC0415 - half of the start

    given = {key: value for key, value in options.items() if value is not None}
    try:
        result = run_bench(name, BenchOptions(**given), lambda text: click.echo(text, err=True))
    except (InstanceError, AuditImpossible, ModuleNotFoundError, OSError) as error:
        raise LoadFailure(str(error), EXIT_NO_INSTANCE) from error
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
