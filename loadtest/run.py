"""One load run against one instance: connect, drive, wait until it has settled, audit, sum up."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from loadtest.audit import AuditReport
from loadtest.audit_run import audit_directory
from loadtest.courses import list_errands
from loadtest.driver import Driver
from loadtest.frames import DIALECT, make_templates
from loadtest.instance import Instance, raise_open_files_limit
from loadtest.lean_terminal import STAN_MAX, Course, LeanTerminal
from loadtest.process_tree import read_tree, total_cpu_s
from loadtest.report import CpuUse, RunReport, make_report
from loadtest.scenario import Scenario
from loadtest.terminal_list import TerminalSpec
from loadtest.told import Told, write_told
from loadtest.versatile_terminal import VersatileTerminal
from switch.codec import load_dialect

FILES_BESIDE_CONNECTIONS: Final = 200
TOLD_FILE: Final = "told.jsonl"
_MEMORY_DIRECTORY: Final = "loadtest"  # below the data folder


class RunResult(NamedTuple):
    """A report, and what the terminals were told."""

    report: RunReport
    told: list[Told]


class RunOptions(NamedTuple):
    """What surrounds a run; none of it changes what is sent."""

    audits: bool = True
    on_second: Callable[[Driver], None] = lambda _driver: None
    on_settle: Callable[[int], None] = lambda _count: None
    told_path: Path | None = None


class StanMemory:
    """The highest trace number ever used against a data folder: a later run must not repeat it."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / _MEMORY_DIRECTORY / "next-stan"

    def next_stan(self) -> int:
        """Return the first trace number that no run has used."""
        try:
            return int(self._path.read_text())
        except FileNotFoundError:
            return 1

    def remember(self, terminals: Sequence[LeanTerminal]) -> None:
        """Keep what a run has used."""
        self._path.parent.mkdir(exist_ok=True)
        highest = max(terminal.stan for terminal in terminals)
        self._path.write_text(str(highest % STAN_MAX + 1))


async def run_scenario(
    scenario: Scenario,
    instance: Instance,
    specs: Sequence[TerminalSpec],
    options: RunOptions,
) -> RunResult:
    """
    Put an instance under load.

    Raises:
        InstanceError: it has no listener for terminals.
        OSError: it does not accept connections.
        AuditImpossible: the audit was wanted and has no witness.
    """
    dialect = load_dialect(DIALECT)
    specs = specs[: scenario.terminals]
    raise_open_files_limit(len(specs) + FILES_BESIDE_CONNECTIONS)
    memory = StanMemory(instance.directory)
    first_stan = memory.next_stan()
    terminals = make_players(scenario, specs, first_stan)
    address = instance.address_of(DIALECT)
    driver = Driver(scenario, dialect, terminals, address, options.on_second)
    try:
        await driver.connect()
        meter = CpuMeter(instance.pid)
        await driver.run()
        cpu = meter.read(driver.tally.ended)
    finally:
        driver.close()
        memory.remember(terminals)
    if options.told_path:
        write_told(options.told_path, driver.told)
    audit: AuditReport | None = None
    if options.audits:
        audit = await audit_directory(
            instance.directory,
            driver.told,
            settle_timeout_s=scenario.settle_timeout_s,
            on_wait=options.on_settle,
        )
    report = make_report(scenario, driver.tally, terminals=len(specs), cpu=cpu, audit=audit)
    return RunResult(report, driver.told)


def make_players(
    scenario: Scenario, specs: Sequence[TerminalSpec], first_stan: int
) -> list[LeanTerminal]:
    """Make terminals that can do what the scenario asks for, and no more."""
    dialect = load_dialect(DIALECT)
    prepared = [(spec, make_templates(dialect, spec)) for spec in specs]
    if not list_errands(scenario.mix):
        return [LeanTerminal(spec, templates, first_stan) for spec, templates in prepared]
    turns: Counter[Course] = Counter()
    return [VersatileTerminal(*each, first_stan, turns) for each in prepared]


class CpuMeter:
    """
    Processor time of this process and of the switch's, from construction to reading.

    The switch is one tree of processes, each told by itself, or several, each told by its name.
    """

    def __init__(self, switch_pid: int | None, named_pids: Mapping[str, int] | None = None) -> None:
        self._switch_pid = switch_pid
        self._named_pids = named_pids or {}
        self._before = self._read_switch()
        self._wall_s = time.perf_counter()
        self._client_s = time.process_time()

    def _read_switch(self) -> dict[str, float]:
        tree = read_tree(self._switch_pid) if self._switch_pid else []
        found = {f"{use.name}[{use.pid}]": use.cpu_s for use in tree}
        return found | {name: total_cpu_s(read_tree(pid)) for name, pid in self._named_pids.items()}

    def read(self, payment_count: int) -> CpuUse:
        """Return the use since then, a payment."""
        count = max(payment_count, 1)
        client_s = time.process_time() - self._client_s
        if not self._before:
            return CpuUse(client_us_per_payment=round(client_s / count * 1e6, 1))
        spent_s = {
            name: cpu_s - self._before.get(name, 0.0) for name, cpu_s in self._read_switch().items()
        }
        wall_s = time.perf_counter() - self._wall_s
        cores = {name: round(spent / wall_s, 3) for name, spent in spent_s.items()}
        return CpuUse(
            client_us_per_payment=round(client_s / count * 1e6, 1),
            switch_us_per_payment=round(sum(spent_s.values()) / count * 1e6, 1),
            switch_processes={name: use for name, use in cores.items() if use > 0.001},  # noqa: PLR2004 - what idles is not shown
        )
