from msgspec.structs import replace

from switch.domain.payment.requests import Answer
from switch.domain.payment.rules import DecisionRules
from switch.handlers.book import PartitionBook
from switch.handlers.replay import replay_record

RULES = DecisionRules()


def test_a_decision_that_today_would_be_another_is_found(world, make_message):
    world.send(make_message())
    fact, decided = world.journal[0].events
    altered = replace(world.journal[0], events=(fact, replace(decided, upstream_stan="000099")))
    step = replay_record(altered, PartitionBook(1, 4, RULES), world.registry, RULES)
    assert not step.is_same
    assert step.decided == (decided,)


def test_what_rests_on_a_key_is_not_decided_again(world, make_message):
    world.send(make_message(wrong_mac=True))
    step = replay_record(world.journal[0], PartitionBook(1, 4, RULES), world.registry, RULES)
    assert step.decided is None
    assert step.is_same


def test_an_answer_that_was_altered_is_found(world, make_message):
    world.send(make_message())
    world.issuer_says("51")
    book = PartitionBook(1, 4, RULES)
    book.apply(world.journal[0])
    fact, decline = world.journal[1].events
    forged = replace(decline, answer=Answer(response_code="00", at=0))
    step = replay_record(
        replace(world.journal[1], events=(fact, forged)), book, world.registry, RULES
    )
    assert not step.is_same
