"""One live line on stderr while a run goes on; silent where nobody looks."""

import sys
import time
from typing import Self

from loadtest.driver import Driver
from loadtest.tally import AUTHORIZATION


class ProgressLine:
    """Rewrites one line each second: elapsed, rate, latency so far, what waits, faults."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._ended_before = 0
        self._at_s = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._write("")

    def show(self, driver: Driver) -> None:
        """Show where a run is."""
        now_s = time.perf_counter()
        tally = driver.tally
        rate = (tally.ended - self._ended_before) / max(now_s - self._at_s, 0.001)
        self._ended_before, self._at_s = tally.ended, now_s
        histogram = tally.latencies.get(AUTHORIZATION)
        p99_ms = histogram.quantile_us(0.99) / 1000 if histogram else 0.0
        self._write(
            f"{now_s - driver.started_s:5.0f} s  {rate:7,.0f}/s  p99 {p99_ms:8.2f} ms"
            f"  busy {driver.busy_count:,}  waiting {len(driver.waiting):,}"
            f"  faults {tally.fault_count:,}"
        )

    def show_settling(self, unsettled_count: int) -> None:
        """Show what the audit waits for."""
        self._write(f"settling: {unsettled_count:,} payments without an end")

    def _write(self, text: str) -> None:
        if self._is_shown:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
