"""Many seeds in a row, and what they came to in sum."""

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
        self.failed: list[Outcome] = []
        self.reached: Counter[str] = Counter()
        self._began_s = time.process_time()

    def run(self, options: Options) -> Outcome:
        outcome = simulate(options)
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

    def describe(self) -> str:
        used_s = time.process_time() - self._began_s
        rate = self.payment_count / used_s if used_s else 0.0
        return (
            f"{self.run_count} seeds, {self.payment_count} payments, {rate:.0f} payments/s,"
            f" {len(self.failed)} failed"
        )
