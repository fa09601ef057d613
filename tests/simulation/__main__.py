"""`python -m tests.simulation`: sweep seeds, or run one again; exit code 1 if any failed."""

import argparse
import multiprocessing
import sys
from collections.abc import Iterator

from tests.simulation.measure import write_table
from tests.simulation.options import Options, draw_options
from tests.simulation.report import write_report
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.sweep import Sweep

FAILED_MAX = 5
CHUNK_SEEDS = 50


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many (default 100)")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="mixed")
    parser.add_argument("--blow", default="", help="KIND:crash|pause:STEP, as a report prints it")
    parser.add_argument("--reached", action="store_true", help="tell what was reached, how often")
    parser.add_argument("--safeguards", action="store_true", help="measure the kill switches")
    return parser.parse_args()


def list_options(arguments: argparse.Namespace, first: int, count: int) -> Iterator[Options]:
    fixed = {"scenario": arguments.scenario, **SCENARIOS[arguments.scenario]}
    if arguments.blow:
        blow_to, blow, step = arguments.blow.split(":")
        fixed |= {"blow_to": blow_to, "blow": blow, "blow_step": int(step)}
    for seed in range(first, first + count):
        yield draw_options(seed, **fixed)


def run_chunk(work: tuple[argparse.Namespace, int, int]) -> tuple[Sweep, list[str]]:
    """Run some seeds; the reports of those that failed are written where the run still is."""
    arguments, first, count = work
    sweep = Sweep()
    sweep.run_all(list_options(arguments, first, count))
    reports = [write_report(outcome) for outcome in sweep.failed]
    sweep.failed = []
    return sweep, reports


def main() -> int:
    arguments = parse_arguments()
    if arguments.safeguards:
        say(write_table())
        return 0
    total, failed_count = Sweep(), 0
    end = arguments.first + arguments.seeds
    work = [
        (arguments, first, min(CHUNK_SEEDS, end - first))
        for first in range(arguments.first, end, CHUNK_SEEDS)
    ]
    with multiprocessing.Pool(arguments.jobs) as pool:
        for sweep, reports in pool.imap_unordered(run_chunk, work):
            total.add(sweep)
            failed_count += len(reports)
            for report in reports:
                say(f"{report}\n")
            if failed_count >= FAILED_MAX:
                pool.terminate()
                break
    if arguments.reached:
        for name, count in sorted(total.reached.items()):
            say(f"{count:>9}  {name}")
    say(f"{total.describe()}, {failed_count} failed")
    return 1 if failed_count else 0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
