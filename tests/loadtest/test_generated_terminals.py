from typing import get_args

import pytest

from loadtest.generated_journal import JournalMaker
from loadtest.generated_terminals import DAYS
from switch.domain.payment.rules import DecisionRules
from switch.domain.terminal.events import BatchClosed, BatchCutOff, TerminalAsked, TerminalEvent
from switch.eventlog.journal import JournalRecord
from switch.handlers.book import PartitionBook


def tell(story):
    """Tell one story into an empty book; yield it as it was before each event, and the event."""
    maker, book = JournalMaker(1, 3), PartitionBook(1, 4, DecisionRules())
    for events in story(maker, maker.next_rrn(), maker._make_request()):
        maker.next_offset += 1
        for event in events:
            yield book, event
        book.apply(
            JournalRecord(
                claim_id="c", at=maker.at, watermark=0, registry_position=0, events=events
            )
        )


def test_every_event_of_terminals_is_told():
    told = {type(event) for story in DAYS for _, event in tell(story)}
    assert set(get_args(TerminalEvent)) <= told


@pytest.mark.parametrize("story", DAYS)
def test_what_a_batch_comes_to_is_what_a_partition_counts(story):
    for book, event in tell(story):
        if isinstance(event, BatchClosed | BatchCutOff):
            till = (event.acquirer, event.merchant_id, event.terminal_id)
            assert event.totals == book.total_batch(till, event.batch)
        if isinstance(event, BatchClosed):
            assert event.running_count == book.count_running(till, event.batch)
            assert event.is_balanced == (event.totals == event.claimed)


@pytest.mark.parametrize("story", DAYS)
def test_each_request_of_a_terminal_has_a_reference_and_a_key_of_its_own(story):
    asked = [event for _, event in tell(story) if isinstance(event, TerminalAsked)]
    assert len({event.rrn for event in asked}) == len(asked)
    assert len({event.request.idempotency_key for event in asked}) == len(asked)
