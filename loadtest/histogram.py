"""A log-linear latency histogram: whole microseconds in, quantiles within 1 % out."""

from collections.abc import Iterator
from typing import Final, Self

import msgspec

_SUB_BITS: Final = 7  # 128 buckets an octave: a bucket is at most 1/128 of its value wide
_SUB_COUNT: Final = 1 << _SUB_BITS
_VALUE_US_MAX: Final = (1 << 32) - 1  # 71 minutes: longer than any wait that is worth telling
_BUCKET_COUNT: Final = (32 - _SUB_BITS) * _SUB_COUNT + _SUB_COUNT


def bucket_of(value_us: int) -> int:
    """Place a value; values below 256 us have a bucket each."""
    shift = max(value_us.bit_length() - _SUB_BITS - 1, 0)
    return (shift << _SUB_BITS) + (value_us >> shift)


def highest_of(bucket: int) -> int:
    """Return the largest value that falls into a bucket (so that quantiles never flatter)."""
    if bucket < 2 * _SUB_COUNT:
        return bucket
    shift = (bucket >> _SUB_BITS) - 1
    return ((bucket - (shift << _SUB_BITS) + 1) << shift) - 1


class HistogramSnapshot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A histogram as JSON: only the buckets that hold something, as (bucket, count)."""

    sum_us: int
    max_us: int
    buckets: tuple[tuple[int, int], ...]


class Histogram:
    """Counts of latencies in microseconds; two of them can be merged without loss."""

    __slots__ = ("_counts", "count", "max_us", "sum_us")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKET_COUNT
        self.count = 0
        self.sum_us = 0
        self.max_us = 0

    def record(self, value_us: int) -> None:
        """Count one latency; what is negative counts as 0, what is beyond the range as its end."""
        value_us = min(max(value_us, 0), _VALUE_US_MAX)
        self._counts[bucket_of(value_us)] += 1
        self.count += 1
        self.sum_us += value_us
        self.max_us = max(self.max_us, value_us)

    def merge(self, other: "Histogram") -> None:
        """Add everything that another histogram counted."""
        for bucket, count in other.filled_buckets():
            self._counts[bucket] += count
        self.count += other.count
        self.sum_us += other.sum_us
        self.max_us = max(self.max_us, other.max_us)

    def filled_buckets(self) -> Iterator[tuple[int, int]]:
        """Yield (bucket, count) of the buckets that hold something, in order."""
        return ((bucket, count) for bucket, count in enumerate(self._counts) if count)

    def quantile_us(self, share: float) -> int:
        """Return a value that `share` of what was counted does not exceed; 0 if nothing was."""
        wanted, seen = share * self.count, 0
        for bucket, count in self.filled_buckets():
            seen += count
            if seen >= wanted:
                return min(highest_of(bucket), self.max_us)
        return 0

    def mean_us(self) -> float:
        """Return the exact mean; 0 if nothing was counted."""
        return self.sum_us / self.count if self.count else 0.0

    def snapshot(self) -> HistogramSnapshot:
        """Return the counts as a value that goes through JSON."""
        return HistogramSnapshot(
            sum_us=self.sum_us, max_us=self.max_us, buckets=tuple(self.filled_buckets())
        )

    @classmethod
    def restore(cls, snapshot: HistogramSnapshot) -> Self:
        """Build the histogram that a snapshot was taken of."""
        histogram = cls()
        for bucket, count in snapshot.buckets:
            histogram._counts[bucket] += count
            histogram.count += count
        histogram.sum_us, histogram.max_us = snapshot.sum_us, snapshot.max_us
        return histogram
