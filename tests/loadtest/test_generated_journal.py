from typing import get_args

from loadtest.generated_journal import JournalMaker
from switch.domain.identifiers import parse_rrn
from switch.domain.payment.events import PaymentRequested
from switch.domain.terminal.events import TerminalAsked
from switch.eventlog.journal import JournalEvent, PartitionReleased
from switch.eventlog.journal_reader import JournalReader


def test_the_same_seed_gives_the_same_bytes_however_it_is_asked_for():
    whole = JournalMaker(3, 7).make(200)
    maker = JournalMaker(3, 7)
    assert whole == [value for count in (1, 50, 149) for value in maker.make(count)]
    assert whole != JournalMaker(3, 8).make(200)


def test_it_holds_every_event_void_records_and_true_rrns():
    reader, seen = JournalReader(), set()
    for offset, value in enumerate(JournalMaker(5, 1, trouble=0.6).make(2_000)):
        record = reader.feed(offset, value)
        for event in record.events if record else ():
            seen.add(type(event))
            if isinstance(event, PaymentRequested | TerminalAsked):
                assert parse_rrn(event.rrn) == (5, offset)
    assert set(get_args(JournalEvent)) - seen == {PartitionReleased}
    assert reader.void_count > 20
    assert reader.epoch > 0
