"""Many seeds in a row, and what they came to in sum."""

import gc
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tests.simulation.options import Options
from tests.simulation.outcome import Outcome, simulate

RUNS_PER_COLLECTION = 20


@contextmanager
def without_collection() -> Iterator[None]:
    """
    Keep the collector out: what a run makes lives as long as the run, and looking is for nothing.

    What there was before is not looked through by the few collections that are asked for either.
    """
    if not gc.isenabled():
        yield
        return
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


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
        with without_collection():
            outcome = simulate(options)
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
        with without_collection():
            for number, options in enumerate(all_options, 1):
                self.run(options)
                if number % RUNS_PER_COLLECTION == 0:
                    self._collect()
                if until is not None and time.monotonic() > until:
                    return

    def _collect(self) -> None:
        """Free what the last runs have left."""
        began_s = time.process_time()
        gc.collect()
        self.used_s += time.process_time() - began_s

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
