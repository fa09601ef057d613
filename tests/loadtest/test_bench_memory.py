"""A partition's memory is bounded as docs/rules.md 2 says: every container, by name."""

import msgspec
import pytest

from loadtest.bench_memory import (
    BOUNDS,
    Day,
    MemoryBench,
    MemoryRun,
    bench_memory,
    find_growing,
    read_resident_bytes,
    render,
)
from loadtest.memory_days import DAY_MS, DaysPlan
from loadtest.weights import NAMES, Weight
from switch.domain.cases.rules import CaseRules
from switch.domain.payment.rules import DecisionRules

RULES = DecisionRules(
    payment_memory_ms=2 * DAY_MS,
    tombstone_ms=DAY_MS,
    reversal_answer_ms=2 * DAY_MS,
    pre_authorization_days=5,
    refund_days=18,
    batch_age_max_days=5,
    cases=CaseRules(memory_ms=2 * DAY_MS),
)
PLAN = DaysPlan(
    merchants=4,
    terminals=20,
    messages_a_day=24,
    vanishing=8,
    hold_days=5,
    refund_days=18,
    memory_days=2,
)
PAYMENTS = 20_000
QUIET_DAYS = 25  # more than anything is remembered
# one a terminal for ever, or as many as there are keys
LEFT = {"Tills.states", "Keys.mac_keys", "Keys.sealers", "CardVault.sealers", "MemoryKeyStore.keys"}
FORGOTTEN_BY_THE_NEXT = {"DailyTotals.days[]"}  # of its kind
SMALL = 12  # what the few messages of the quiet days leave


@pytest.fixture(scope="module")
def run():
    run = MemoryRun(PLAN, RULES)
    while run.partition.payment_count < PAYMENTS:
        run.pass_day()
    return run


def test_nothing_grows_once_the_windows_are_full(run):
    assert len(run.days) > run.full_after_days + 10
    assert run.find_growing() == ()


def test_the_days_hold_everything_that_a_partition_keeps(run):
    """Else it would say nothing: each kind of memory was in use, and every answer was told."""
    held = {name for day in run.days for name, count in day.counts.items() if count}
    assert held >= {
        *("Shelf.payments", "Shelf.batches", "Shelf.holds", "Shelf.rrn_by_card"),
        *("Drawer.alike", "SpentOriginals.by_day[]", "Tills.closed", "Tills.stored"),
        *("PartitionBook.reversals", "PartitionBook.tombstones", "CaseShelf.commands"),
        *("CaseShelf.ended", "DailyTotals.days[]", "Keys.mac_keys"),
    }
    assert run.partition.recall_count > 100
    assert run.partition.partition.untold_count == 0


def test_every_container_has_a_bound_that_is_written_down(run):
    unbounded = set(run.count()) - set(BOUNDS)
    assert not unbounded, f"say in loadtest/bench_memory.py what bounds {sorted(unbounded)}"


def test_in_the_end_everything_is_forgotten_but_one_number_a_terminal(run):
    run.business.settle_rightly()
    for _ in range(QUIET_DAYS):
        run.business.pass_quiet_day()
    vanished = run.business.vanished_count
    assert vanished == PLAN.vanishing
    left = run.count()
    much = {name for name, count in left.items() if count > vanished + SMALL}
    assert much <= LEFT | FORGOTTEN_BY_THE_NEXT
    assert left["Shelf.batches[]"] == vanished, "one payment of each batch that nobody settles"
    assert left["Tills.states"] == PLAN.terminals


# -- how it is told ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "growing"),
    [
        ([1000] * 20, ()),
        ([1000 + 10 * day for day in range(20)], ("a",)),
        ([1000 - 10 * day for day in range(20)], ()),
        (list(range(20)), ("a",)),
        ([0, 4] * 10, ()),
        ([7], ()),
    ],
)
def test_growing_is_what_there_is_more_of_in_the_second_half(counts, growing):
    assert find_growing([{"a": count} for count in counts]) == growing


def test_what_is_bounded_by_a_number_may_fill_up_to_it():
    assert find_growing([{"Keys.mac_keys": 100 * day} for day in range(20)]) == ()


def test_a_table_shows_days_bounds_and_weights():
    days = tuple(
        Day(
            day=number,
            payments=9_000 * number,
            resident_mb=99.6,
            blocks=7,
            counts={"Shelf.payments": 1234},
        )
        for number in range(1, 10)
    )
    bench = MemoryBench(
        payments=81_000,
        messages=90_000,
        originals_read_back=0,
        full_after_days=190,
        processor_s=1.0,
        growing=("Shelf.payments",),
        days=days,
        weights=(Weight(name="a sale", decided_bytes=2_100, folded_bytes=2_000),),
    )
    lines = render(bench).splitlines()
    assert lines[0].split() == ["at", "the", "end", "of", "day", "1", "8", "9"]
    assert "1,234" in lines[4]
    assert lines[4].endswith(BOUNDS["Shelf.payments"])
    assert lines[-3].split() == ["a", "sale", "2,100", "2,000"]
    assert lines[-1] == "growing after 190 days: Shelf.payments"


def test_the_benchmark_weighs_counts_and_can_be_written_as_json():
    told = []
    bench = bench_memory(1, told.append, weighed_count=20)
    assert bench.payments > 1
    assert {one.name for one in bench.weights} == set(NAMES)
    assert "growing after 190 days: nothing" in told[-1]
    assert msgspec.json.decode(msgspec.json.encode(bench), type=MemoryBench) == bench


def test_this_process_has_some_memory():
    assert read_resident_bytes() > 10_000_000
