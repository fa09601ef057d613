"""Many seeds in a row, and what they came to in sum."""

import gc
import time
from collections import Counter
from collections.abc import Iterable

from tests.simulation.options import Options
from tests.simulation.outcome import Outcome, simulate


class Sweep:
    """Counts of all runs so far; failed ones are kept whole."""

    def __init__(self) -> None:
        self.run_count = 0
        self.payment_count = 0
        self.used_s = 0.0  # processor time
        self.failed: list[Outcome] = []
        self.reached: Counter[str] = Counter()

    def run(self, options: Options) -> Outcome:
        began_s = time.process_time()
        gc.disable()  # what a run makes lives as long as the run: looking through it is for nothing
        try:
            outcome = simulate(options)
        finally:
            gc.enable()
        self.used_s += time.process_time() - began_s
        self.run_count += 1
        self.payment_count += outcome.payment_count
        self.reached.update(outcome.reached)
        if outcome.violations:
            self.failed.append(outcome)
        return outcome

    def run_all(self, all_options: Iterable[Options], within_s: float | None = None) -> None:
        """Run until the options or the time are used up."""
        until = None if within_s is None else time.monotonic() + within_s
        for options in all_options:
            self.run(options)
            if until is not None and time.monotonic() > until:
                return

    def add(self, other: "Sweep") -> None:
        """Add what another process has counted."""
        self.run_count += other.run_count
        self.payment_count += other.payment_count
        self.used_s += other.used_s
        self.reached.update(other.reached)

    def describe(self) -> str:
        rate = self.payment_count / self.used_s if self.used_s else 0.0
        return (
            f"{self.run_count} seeds, {self.payment_count} payments, {rate:.0f} a second and core"
        )
