"""What a run counts while it goes on."""

from collections import Counter
from typing import Final

import msgspec

from loadtest.histogram import Histogram, HistogramSnapshot

AUTHORIZATION: Final = "authorization"


class Tally:
    """Latencies by kind of message, faults by their text, and the messages sent and heard."""

    def __init__(self) -> None:
        self.latencies: dict[str, Histogram] = {}
        self.responses: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.sent = 0
        self.begun = 0
        self.ended = 0  # payments whose first answer (or silence) came
        self.intended_in_window = 0
        self.answered_in_window = 0

    def record(self, label: str, latency_us: int, *, counts: bool) -> None:
        """Count an answer; latencies of the warm-up are not kept."""
        if not counts:
            return
        histogram = self.latencies.get(label)
        if histogram is None:
            histogram = self.latencies[label] = Histogram()
        histogram.record(latency_us)

    @property
    def fault_count(self) -> int:
        """Return how many faults there were, of whatever kind."""
        return self.faults.total()


class LatencySummary(msgspec.Struct, frozen=True, kw_only=True):
    """A histogram in the numbers that people read (milliseconds), and whole."""

    count: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    histogram: HistogramSnapshot


def summarize(histogram: Histogram) -> LatencySummary:
    """Turn a histogram into its summary."""
    return LatencySummary(
        count=histogram.count,
        mean_ms=round(histogram.mean_us() / 1000, 3),
        p50_ms=histogram.quantile_us(0.5) / 1000,
        p90_ms=histogram.quantile_us(0.9) / 1000,
        p99_ms=histogram.quantile_us(0.99) / 1000,
        p999_ms=histogram.quantile_us(0.999) / 1000,
        max_ms=histogram.max_us / 1000,
        histogram=histogram.snapshot(),
    )
