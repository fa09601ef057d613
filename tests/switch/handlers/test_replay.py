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


def test_a_conflict_and_its_reason_come_out_the_same(world, make_message):
    world.send(make_message())
    world.issuer_says("00")
    world.send(make_message(amount_transaction="000000000200"))
    book = PartitionBook(1, 4, RULES)
    for record in world.journal[:-1]:
        book.apply(record)
    conflict = world.journal[-1]
    assert replay_record(conflict, book, world.registry, RULES).is_same
    [event] = conflict.events
    same_content = book.find_by_key(event.idempotency_key).request.fingerprint
    forged = replace(conflict, events=(replace(event, fingerprint=same_content),))
    step = replay_record(forged, book, world.registry, RULES)
    assert step.decided == ()
    assert not step.is_same


def test_a_payment_after_its_reversal_is_refused_again_by_its_tombstone(world, make_message):
    world.send(make_message("0400"))
    world.send(make_message())
    book = PartitionBook(1, 4, RULES)
    without = replay_record(world.journal[-1], book, world.registry, RULES)
    assert not without.is_same
    book.apply(world.journal[0])
    assert replay_record(world.journal[-1], book, world.registry, RULES).is_same


def test_attempts_of_a_reversal_are_counted_again(world, make_message):
    world.send(make_message())
    world.pass_ms(3_100)
    book = PartitionBook(1, 4, RULES)
    for record in world.journal[:-1]:
        book.apply(record)
    attempt = world.journal[-1]
    assert replay_record(attempt, book, world.registry, RULES).is_same
    [event] = attempt.events
    twice = replace(attempt, events=(replace(event, attempt=2),))
    assert not replay_record(twice, book, world.registry, RULES).is_same
    assert replay_record(attempt, PartitionBook(1, 4, RULES), world.registry, RULES).decided == ()


def test_what_operators_and_time_made_of_a_case_comes_out_the_same(world, make_message):
    world.send(make_message())
    world.pass_ms(4_000)
    world.jump(RULES.cases.open_after_ms)
    world.pass_ms(2_000)
    rrn = world.journal[0].events[0].rrn
    fields = {"command": "note", "command_id": "1", "by": "anna", "text": "called the bank"}
    received = world.inbound[0]
    for number, more in enumerate(
        ({"case_id": f"outcome-open-{rrn}"}, {"command": "open", "command_id": "2", "rrn": rrn})
    ):
        command = replace(
            received, channel="operator", inbound_id=f"desk-{number}", fields=fields | more
        )
        world.inbound.append(command)
        world.deliver(command)
    world.issuer_says("00")
    world.pass_ms(7_000)
    world.issuer_says("00")
    world.pass_ms(1_100)
    book = PartitionBook(1, 4, RULES)
    decided = []
    for record in world.journal:
        step = replay_record(record, book, world.registry, RULES)
        assert step.is_same
        decided += [type(event).__name__ for event in step.decided or ()]
        book.apply(record)
    assert {"CaseOpened", "CaseNoted", "CaseClosed"} <= set(decided)


def test_a_command_that_would_be_refused_today_is_found(world, make_message):
    world.send(make_message())
    world.pass_ms(4_000)
    world.jump(RULES.cases.open_after_ms)
    world.pass_ms(2_000)
    overdue = next(r for r in world.journal if type(r.events[0]).__name__ == "CaseOpened")
    assert replay_record(overdue, PartitionBook(1, 4, RULES), world.registry, RULES).decided == ()
