"""`python -m tests.simulation`: sweep seeds, or run one again; exit code 1 if any failed."""

import argparse
import sys
from collections.abc import Iterator

from tests.simulation.options import Options, draw_options
from tests.simulation.report import write_report
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.sweep import Sweep

FAILED_MAX = 5


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many (default 100)")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="mixed")
    parser.add_argument("--blow", default="", help="KIND:crash|pause:STEP, as a report prints it")
    parser.add_argument("--reached", action="store_true", help="tell what was reached, how often")
    return parser.parse_args()


def list_options(arguments: argparse.Namespace) -> Iterator[Options]:
    fixed = {"scenario": arguments.scenario, **SCENARIOS[arguments.scenario]}
    if arguments.blow:
        blow_to, blow, step = arguments.blow.split(":")
        fixed |= {"blow_to": blow_to, "blow": blow, "blow_step": int(step)}
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        yield draw_options(seed, **fixed)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    arguments = parse_arguments()
    sweep = Sweep()
    for options in list_options(arguments):
        outcome = sweep.run(options)
        if outcome.violations:
            say(f"{write_report(outcome)}\n")
        if len(sweep.failed) >= FAILED_MAX:
            break
    if arguments.reached:
        for name, count in sorted(sweep.reached.items()):
            say(f"{count:>9}  {name}")
    say(sweep.describe())
    return 1 if sweep.failed else 0


if __name__ == "__main__":
    sys.exit(main())
