"""
What a partition holds on to: two million payments through one of them, days and batches passing.

The real state machine, stepped in line (`loadtest/lone_partition.py`), with the windows of the real
settings. Everything that it holds is counted once a simulated day, and weighed by the piece.
"""

import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from resource import getpagesize
from statistics import fmean
from typing import Final

import msgspec

from loadtest.census import take_census
from loadtest.lone_partition import LonePartition
from loadtest.memory_days import DAY_MS, Days, DaysPlan
from loadtest.memory_world import LINK, make_registry
from loadtest.weights import COUNT, NAMES, Weight, weigh
from switch.domain.payment.rules import DecisionRules
from switch.security.keys import Keys
from switch.security.keystore import MemoryKeyStore

PAYMENTS: Final = 2_000_000
_START_MS: Final = 1_699_977_600_000 // DAY_MS * DAY_MS
_KEY_LIFETIME_MS: Final = 60_000
_MARGIN_DAYS: Final = 3  # days and hours are rounded up when something is forgotten
_GROWTH_SHARE: Final = 0.03  # that means of the same thing may differ by, from chance
_GROWTH_COUNT: Final = 5
_MEGABYTE: Final = 1_000_000
_WEIGHT_COLUMNS: Final = 3
_SHOWN_DAYS: Final = (1, 8, 31, 90, 190)

# what bounds each container; one that is not named here fails the test
BOUNDS: Final[Mapping[str, str]] = {
    "CardVault.sealers": "keys that seal cards",
    "CaseShelf.cases": "open cases, and those that ended within 7 days",
    "CaseShelf.commands": "operators' commands of 7 days",
    "CaseShelf.ended": "cases that ended within 7 days",
    "CaseShelf.oldest": "outcomes awaited for less than 10 minutes",
    "CaseShelf.open_counts": "open cases",
    "CaseShelf.settled": "cases to be closed within a second",
    "CaseShelf.waiting": "outcomes awaited for less than 10 minutes",
    "DailyTotals.days": "8 business days",
    "DailyTotals.days[]": "8 business days, times merchants",
    "Drawer.alike": "payments remembered",
    "Drawer.by_stan": "payments remembered",
    "ForwardingLane.again_at": "64 a line",
    "ForwardingLane.due": "open payments",
    "ForwardingLane.due_at": "open payments",
    "ForwardingLane.in_flight": "64 a line",
    "IssuersSide.attempting": "records not yet acknowledged",
    "IssuersSide.inherited": "open payments at a take-over",
    "IssuersSide.lanes": "lines",
    "IssuersSide.put_off": "open payments",
    "IssuersSide.waits": "debits not yet answered, for the issuer time-out at most",
    "Keys.mac_keys": "20,000 opened keys a process",
    "Keys.pin_keys": "20,000 opened keys a process",
    "Keys.sealers": "keys that seal keys",
    "MemoryKeyStore.keys": "keys of the minute, and those that seal",
    "MinuteKeys.sealers": "keys of the minute",
    "PartitionBook.decided_above_watermark": "records not yet acknowledged",
    "PartitionBook.open_rrns": "open payments",
    "PartitionBook.reversals": "0400s of 7 days",
    "PartitionBook.tombstones": "0400s of 48 hours",
    "Recalls.asked": "32 originals being read",
    "Recalls.asked[]": "8 requests each",
    "Recorder.actions": "what the last input led to",
    "Recorder.effects": "records not yet acknowledged",
    "Recorder.inbound_held": "requests that wait for an original",
    "Recorder.inbound_pending": "records not yet acknowledged",
    "Reminders.due": "a day's payments",
    "Reminders.hours": "7 days in hours",
    "Reminders.hours[]": "payments remembered",
    "Shelf.batches": "open batches: one a terminal",
    "Shelf.batches[]": "payments of open batches; 180 days at most, but for the first",
    "Shelf.drawers": "terminals of payments remembered",
    "Shelf.holds": "holds of 30 days",
    "Shelf.holds[]": "holds of 30 days",
    "Shelf.payments": "open batches, 7 days; holds of 30 days, changed payments of 180 days",
    "Shelf.rrn_by_card": "payments remembered",
    "Shelf.rrn_by_key": "payments remembered",
    "SpentOriginals.by_day": "181 days",
    "SpentOriginals.by_day[]": "payments of 181 days that were voided, reversed or wholly refunded",
    "Tills.awaited": "unbalanced batches of 30 minutes",
    "Tills.closed": "batches closed within 7 days",
    "Tills.late": "approvals after the close, until the next look",
    "Tills.open": "open batches: one a terminal",
    "Tills.rrns": "batches closed within 7 days and not uploaded",
    "Tills.rrns[]": "their payments",
    "Tills.states": "one a terminal, for ever",
    "Tills.stored": "closed batches and notices of 7 days",
    "Tills.unsettled": "open batches",
    "UpstreamStans.open": "open payments",
    "WaitingRoom.waiters": "payments without an answer",
    "WaitingRoom.waiters[]": "8 each",
}
# filled up to a number however long it takes, or how far forgetting is behind at that moment
_NOT_COMPARED: Final = frozenset({"Keys.mac_keys", "Keys.pin_keys", "Reminders.due"})


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """
    What there was at the end of a day; `payments` since the beginning.

    Resident memory and allocated blocks are the process's: with the shops' own memory of what they
    will come back to, and with what the allocator keeps for the next one.
    """

    day: int
    payments: int
    resident_mb: float
    blocks: int
    counts: dict[str, int]


class MemoryBench(msgspec.Struct, frozen=True, kw_only=True):
    """
    How much was held, day by day, and what one more takes.

    `full_after_days`: from then on every window is full. `growing` names what went on growing.
    """

    payments: int
    messages: int
    originals_read_back: int
    full_after_days: int
    processor_s: float
    growing: tuple[str, ...]
    days: tuple[Day, ...]
    weights: tuple[Weight, ...]


class MemoryRun:
    """A partition with its shops; what it holds is counted at the end of every day."""

    def __init__(self, plan: DaysPlan, rules: DecisionRules) -> None:
        keys = Keys(MemoryKeyStore(), minute_key_lifetime_ms=_KEY_LIFETIME_MS)
        terminal_count = plan.terminals + plan.vanishing
        self._registry = make_registry(keys, terminal_count, plan.merchants)
        self.partition = LonePartition(rules, self._registry, keys, _START_MS)
        self.partition.set_links((LINK,))
        self.business = Days(plan, self.partition)
        self.full_after_days = plan.refund_days + plan.memory_days + _MARGIN_DAYS
        self.days: list[Day] = []

    def pass_day(self) -> Day:
        """Pass one day and count."""
        self.business.pass_day()
        day = Day(
            day=len(self.days) + 1,
            payments=self.partition.payment_count,
            resident_mb=round(read_resident_bytes() / _MEGABYTE, 1),
            blocks=sys.getallocatedblocks(),
            counts=self.count(),
        )
        self.days.append(day)
        return day

    def count(self) -> dict[str, int]:
        """Count what the partition holds; its registry is not its own."""
        return take_census(self.partition.partition, apart=(self._registry,))

    def find_growing(self) -> tuple[str, ...]:
        """Name what went on growing when all windows were full."""
        return find_growing([one.counts for one in self.days[self.full_after_days :]])


def find_growing(counts: Sequence[Mapping[str, int]]) -> tuple[str, ...]:
    """Name what there was more of, on the average, in the second half of these days."""
    half = len(counts) // 2
    if not half:
        return ()
    earlier, later = counts[:half], counts[-half:]
    found: list[str] = []
    for name in later[-1]:
        if name in _NOT_COMPARED:
            continue
        before = fmean(one.get(name, 0) for one in earlier)
        after = fmean(one.get(name, 0) for one in later)
        if after > before * (1 + _GROWTH_SHARE) + _GROWTH_COUNT:
            found.append(name)
    return tuple(found)


def read_resident_bytes() -> int:
    """Read how much memory this process has."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * getpagesize()


def bench_memory(
    payments: int, tell: Callable[[str], None], *, weighed_count: int = COUNT
) -> MemoryBench:
    """Weigh so many of each kind, then let so many payments pass; `tell` hears of the days."""
    weights = tuple(weigh(name, weighed_count) for name in NAMES)
    rules = DecisionRules()
    plan = DaysPlan(hold_days=rules.pre_authorization_days, refund_days=rules.refund_days)
    gc.collect()
    run = MemoryRun(plan, rules)
    begun = time.process_time()
    while run.partition.payment_count < payments:
        day = run.pass_day()
        if day.day % 10 == 0:
            tell(f"  day {day.day}: {day.payments} payments, {day.resident_mb} MB")
    bench = MemoryBench(
        payments=run.partition.payment_count,
        messages=run.partition.inbound_count,
        originals_read_back=run.partition.recall_count,
        full_after_days=run.full_after_days,
        processor_s=round(time.process_time() - begun, 1),
        growing=run.find_growing(),
        days=tuple(run.days),
        weights=weights,
    )
    tell(render(bench))
    return bench


def render(bench: MemoryBench) -> str:
    """Write what was counted and weighed as tables."""
    count = len(bench.days)
    shown = [bench.days[day - 1] for day in (*_SHOWN_DAYS, count) if day <= count]
    names = [name for name in BOUNDS if any(day.counts.get(name) for day in bench.days)]
    rows = [
        ["at the end of day", *(str(day.day) for day in shown), ""],
        ["payments so far", *(f"{day.payments:,}" for day in shown), ""],
        ["resident MB", *(f"{day.resident_mb:,.0f}" for day in shown), "(whole process)"],
        ["allocated blocks", *(f"{day.blocks:,}" for day in shown), "(whole process)"],
        *(
            [name, *(f"{day.counts.get(name, 0):,}" for day in shown), BOUNDS[name]]
            for name in names
        ),
    ]
    weights = [
        ["bytes of one", "decided", "folded"],
        *([one.name, f"{one.decided_bytes:,}", f"{one.folded_bytes:,}"] for one in bench.weights),
    ]
    growing = ", ".join(bench.growing) or "nothing"
    told = f"growing after {bench.full_after_days} days: {growing}"
    return "\n".join((*_align(rows), "", *_align(weights), "", told))


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_write_row(row, widths) for row in rows]


def _write_row(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = row
    numbers, last = others[:-1], others[-1]
    cells = [
        first.ljust(widths[0]),
        *(cell.rjust(width) for cell, width in zip(numbers, widths[1:-1], strict=True)),
        last.rjust(widths[-1]) if len(widths) == _WEIGHT_COLUMNS else last,
    ]
    return "  ".join(cells).rstrip()
