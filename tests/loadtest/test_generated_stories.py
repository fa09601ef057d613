from typing import get_args

from loadtest.generated_journal import JournalMaker
from loadtest.generated_stories import STORIES
from switch.domain.cases.events import CaseEvent
from switch.domain.payment.payment import Phase
from switch.domain.payment.rules import DecisionRules
from switch.eventlog.journal import decode_record
from switch.eventlog.journal_reader import JournalReader
from switch.handlers.book import PartitionBook


def test_every_story_ends_with_nothing_left_open():
    for story in STORIES:
        maker = JournalMaker(1, 3)
        request = maker._make_request()
        rrns = set()
        for record in story(maker, maker.next_rrn(), request):
            rrns |= {event.rrn for event in record}
            maker.next_offset += 1
        assert rrns
        assert record


def test_a_partition_can_fold_what_the_stories_tell():
    book, reader, kinds = PartitionBook(2, 4, DecisionRules()), JournalReader(), set()
    for offset, value in enumerate(JournalMaker(2, 5, trouble=0.8).make(1_500)):
        record = reader.feed(offset, value)
        if record is not None:
            book.apply(decode_record(value))
            kinds |= {type(event) for event in record.events}
    assert set(get_args(CaseEvent)) <= kinds
    phases = {book.find_payment(rrn).phase for rrn in book.open_rrns}
    assert phases <= {Phase.ROUTED, Phase.REVERSING, Phase.REPEATING, Phase.APPROVED}
    assert len(book.cases) > 0
