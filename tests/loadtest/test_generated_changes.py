import pytest

from loadtest.generated_changes import CHANGES, tell_refund_in_parts
from loadtest.generated_journal import JournalMaker
from switch.domain.payment.events import AdviceAccepted, PaymentApproved
from switch.domain.payment.payment import Phase
from switch.domain.payment.rules import DecisionRules
from switch.domain.transactions import TransactionType
from switch.eventlog.journal import JournalRecord
from switch.handlers.book import PartitionBook


def tell(story):
    """Tell one story into an empty book; return the book and what was told."""
    maker, book, told = JournalMaker(1, 3), PartitionBook(1, 4, DecisionRules()), []
    for events in story(maker, maker.next_rrn(), maker._make_request()):
        maker.next_offset += 1
        told += events
        book.apply(
            JournalRecord(
                claim_id="c", at=maker.at, watermark=0, registry_position=0, events=events
            )
        )
    return book, told


@pytest.mark.parametrize("story", CHANGES)
def test_nothing_is_left_to_be_done_when_a_story_is_told(story):
    book, told = tell(story)
    assert not book.open_rrns
    last = book.find_payment(told[-1].rrn)
    assert last.phase in {Phase.APPROVED, Phase.DECLINED, Phase.CASE}


def test_refunds_in_parts_give_back_the_whole_and_exactly_its_fee():
    _, told = tell(tell_refund_in_parts)
    lines = [event.line for event in told if isinstance(event, PaymentApproved)]
    assert len(lines) == 3
    assert sum(line.gross_minor for line in lines) == 0
    assert sum(line.fee_minor for line in lines) == 0


def test_every_kind_of_transaction_and_every_cause_of_an_advice_is_told():
    kinds, causes = set(), set()
    for story in CHANGES:
        book, told = tell(story)
        for event in told:
            payment = book.find_payment(event.rrn)
            kinds.add(payment.transaction)
            causes |= {event.cause} if isinstance(event, AdviceAccepted) else set()
    assert kinds == set(TransactionType) - {
        TransactionType.SALE_VOID,  # one of the other stories
        TransactionType.INSTALMENT_SALE,
        TransactionType.UNKNOWN,
    }
    assert causes == {"offline", "adjustment", "completion-advice", "stand-in"}
