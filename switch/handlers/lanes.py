"""Store-and-forward: one lane an issuer link, each entry repeated with growing delay."""

import heapq
import zlib
from collections.abc import Iterator
from typing import Final

import msgspec

_BACK_OFF_DOUBLINGS_MAX: Final = 16


class LaneSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How often, and how many at a time, is repeated; the unit is the last word."""

    first_repeat_ms: int = 2_000
    repeat_max_ms: int = 300_000
    in_flight_count_max: int = 64  # of one link that wait for their answer, first_repeat_ms long
    issuer_delay_max_ms: int = 60_000  # after that a debit still on its way has arrived or died


def repeat_delay_ms(rrn: str, attempt: int, settings: LaneSettings) -> int:
    """
    Give the wait after the `attempt`-th sending: doubled each time, capped, and jittered.

    Up to a quarter less, by RRN and attempt: what failed together is not repeated together, and
    yet the same wherever it is computed.
    """
    doublings = min(attempt - 1, _BACK_OFF_DOUBLINGS_MAX)
    delay_ms = min(settings.first_repeat_ms << doublings, settings.repeat_max_ms)
    return delay_ms - zlib.crc32(f"{rrn} {attempt}".encode()) % (delay_ms // 4 + 1)


class ForwardingLane:
    """
    What is due on one link, waits for an answer, or waits for its turn.

    Reversals, advices and repeated refunds. Every entry is an RRN; the payments themselves are in
    the partition's book. A payment is in the lane once, however often that is asked for.
    """

    def __init__(self, settings: LaneSettings) -> None:
        self._settings = settings
        self._due: list[tuple[int, str]] = []
        self._due_at: dict[str, int] = {}
        self._in_flight: dict[str, int] = {}  # rrn -> until when its answer is waited for, boot ms
        self._again_at: dict[str, int] = {}  # of these: when to send again, if that is later

    def __len__(self) -> int:
        """Count the reversals that the issuer has not finally answered."""
        return len(self._due_at) + len(self._in_flight)

    def put(self, rrn: str, due_boot_ms: int) -> None:
        """Queue a reversal for its time; an earlier time replaces a later one."""
        self._in_flight.pop(rrn, None)
        self._again_at.pop(rrn, None)
        if self._due_at.get(rrn, due_boot_ms + 1) > due_boot_ms:
            self._due_at[rrn] = due_boot_ms
            heapq.heappush(self._due, (due_boot_ms, rrn))

    def postpone(self, rrn: str, due_boot_ms: int) -> None:
        """Queue a reversal for its time and no earlier, even if it was due before."""
        self.remove(rrn)
        self.put(rrn, due_boot_ms)

    def take_due(self, now_boot_ms: int) -> Iterator[str]:
        """Yield the reversals to send now; each counts as in flight until `put` or `remove`."""
        self._return_unanswered(now_boot_ms)
        while (
            self._due
            and self._due[0][0] <= now_boot_ms
            and len(self._in_flight) < self._settings.in_flight_count_max
        ):
            due, rrn = heapq.heappop(self._due)
            if self._due_at.get(rrn) == due:
                del self._due_at[rrn]
                self._in_flight[rrn] = now_boot_ms + self._settings.repeat_max_ms
                yield rrn

    def sent(self, rrn: str, attempt: int, now_boot_ms: int) -> None:
        """
        Note that the attempt is on its way: without an answer it is repeated.

        However long the wait for that is, it keeps others from being sent for the first wait only:
        what is never answered must not fill the lane.
        """
        if rrn in self._in_flight:
            again_at = now_boot_ms + repeat_delay_ms(rrn, attempt, self._settings)
            self._in_flight[rrn] = min(again_at, now_boot_ms + self._settings.first_repeat_ms)
            self._again_at[rrn] = again_at

    def remove(self, rrn: str) -> None:
        """Forget a reversal: answered for good, or a case."""
        self._in_flight.pop(rrn, None)
        self._again_at.pop(rrn, None)
        self._due_at.pop(rrn, None)

    def next_due(self) -> int | None:
        """Say when something may have to be sent, boot ms; None if nothing waits."""
        in_flight, due = self._in_flight, self._due
        unanswered = min(in_flight.values()) if in_flight else None
        if not due or len(in_flight) >= self._settings.in_flight_count_max:
            return unanswered
        return due[0][0] if unanswered is None else min(due[0][0], unanswered)

    def _return_unanswered(self, now_boot_ms: int) -> None:
        for rrn in [rrn for rrn, until in self._in_flight.items() if until <= now_boot_ms]:
            until = self._in_flight.pop(rrn)
            due = self._again_at.pop(rrn, until)
            self._due_at[rrn] = due
            heapq.heappush(self._due, (due, rrn))
