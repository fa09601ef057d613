from switch.domain.terminal.requests import BatchTotals
from switch.domain.terminal.state import KeySet, OpenBatch, TerminalState

from .conftest import AT, make_working_keys


def test_keys_are_found_by_the_version_that_a_mac_was_proven_with():
    keys = make_working_keys()
    state = TerminalState(
        acquirer="demo",
        merchant_id="m",
        terminal_id="t",
        key_sets=(KeySet(version=3, at=AT, keys=keys),),
    )
    assert state.find_keys(3) == keys
    assert state.find_keys(2) is None
    assert state.find_keys(0) is None


def test_a_batch_is_settled_when_the_clock_has_closed_all_of_it():
    totals = BatchTotals(debit_minor=100, debit_count=1)
    assert OpenBatch().is_settled
    assert not OpenBatch(totals=totals).is_settled
    assert OpenBatch(totals=totals, cut_totals=totals).is_settled
    assert not OpenBatch(totals=totals, cut_totals=totals).is_empty


def test_a_batch_is_empty_when_nothing_counts_nor_has_for_the_clock():
    totals = BatchTotals(debit_minor=1, debit_count=1)
    assert OpenBatch(day=3).is_empty
    assert not OpenBatch(cut_totals=totals).is_empty, "the clock has a mirror to write"
    assert not OpenBatch(due_day=2).is_empty
    assert not OpenBatch(totals=totals, cut_totals=totals, due_day=3).is_settled
