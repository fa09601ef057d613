"""What must be told to an issuer is told until it answers: one lane a line (docs/rules.md 4)."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import pytest

from switch.handlers.lanes import repeat_delay_ms


def reversal(till):
    """A sale whose outcome is unknown."""
    asked = till.ask()
    till._world.answer_of_issuer(asked.rrn, "68")
    return asked


def advice(till):
    return till.ask("offline")


def repeated_refund(till):
    sale = till.get()
    asked = till.ask("refund", of=sale)
    till._world.answer_of_issuer(asked.rrn, "68")
    return asked


def void_reversal(till):
    sale = till.get()
    asked = till.ask("void", of=sale)
    till._world.answer_of_issuer(asked.rrn, "68")
    return asked


class Forwarded(NamedTuple):
    """What is forwarded: its first message, its repeats, the case that poison leads to."""

    begin: Callable
    first: str
    repeats: str
    poisoned: str


FORWARDED = [
    Forwarded(reversal, "0420", "0421", "reversal-poisoned"),
    Forwarded(void_reversal, "0420", "0421", "reversal-poisoned"),
    Forwarded(advice, "0220", "0221", "repeat-poisoned"),
    Forwarded(repeated_refund, "0221", "0221", "repeat-poisoned"),
]
EACH = pytest.mark.parametrize("kind", FORWARDED, ids=lambda kind: kind.begin.__name__)


def sent_for(world, asked, since=0):
    return [one.request for one in world.sent[since:] if one.request.match.rrn == asked.rrn]


def answer(world, asked, code):
    kind = sent_for(world, asked)[-1].match.message_class
    world.answer_of_issuer(asked.rrn, code, kind=kind)


def attempts(world):
    return [
        event
        for record in world.journal
        for event in record.events
        if type(event).__name__ in {"ReversalAttempted", "RepeatAttempted"}
    ]


def case_kinds(world):
    return [
        event.kind
        for record in world.journal
        for event in record.events
        if type(event).__name__ == "CaseOpened"
    ]


@EACH
def test_without_an_answer_it_is_repeated_with_growing_delay(world, till, kind):
    asked = kind.begin(till)
    since = len(world.sent)
    world.pass_ms(25_000)
    kinds = [one.mti for one in sent_for(world, asked, since)]
    assert kinds[0] == kind.first
    assert set(kinds[1:]) == {kind.repeats}
    moments = [event.at for event in attempts(world)]
    waits = [later - sooner for sooner, later in itertools.pairwise(moments)]
    settings = world.partition._settings.lanes
    for number, wait in enumerate(waits, start=1):
        wanted = repeat_delay_ms(asked.rrn, number, settings)
        assert wanted <= wait <= wanted + 100, "the clock of this test has steps of 100 ms"
    assert not case_kinds(world), "silence alone poisons nothing"


@EACH
def test_when_it_is_sent_again_is_written_down(world, till, kind):
    kind.begin(till)
    world.pass_ms(10_000)
    said = [event.next_at for event in attempts(world)]
    done = [event.at for event in attempts(world)]
    for next_at, at in zip(said, done[1:], strict=False):
        assert next_at <= at <= next_at + 100


@EACH
def test_it_survives_a_take_over_and_is_counted_on(world, till, kind):
    asked = kind.begin(till)
    world.pass_ms(2_500)
    count = len(attempts(world))
    since = len(world.sent)
    world.restart()
    world.pass_ms(100)
    assert [one.mti for one in sent_for(world, asked, since)] == [kind.repeats]
    assert attempts(world)[-1].attempt == count + 1


@EACH
def test_an_attempt_is_durable_before_it_is_sent(world, till, kind):
    kind.begin(till)
    since = len(world.sent)
    world.pass_ms(500, acknowledged=False)
    assert len(world.sent) == since
    world.acknowledge()
    assert [one.request.mti for one in world.sent[since:]] == [kind.first]


@EACH
def test_nonsense_parks_it_as_a_case_and_the_others_go_on(world, till, other_till, kind):
    asked = kind.begin(till)
    for _ in range(5):
        assert case_kinds(world) == []
        world.pass_ms(5_100)
        answer(world, asked, "")
    assert case_kinds(world) == [kind.poisoned]
    assert till.payment(asked).phase.value == "case"
    since = len(world.sent)
    other = reversal(other_till)
    world.pass_ms(6_000)
    assert sent_for(world, asked, since) == []
    assert sent_for(world, other, since)


@EACH
def test_an_issuer_that_says_try_again_for_ever_leaves_one_record_a_sending(world, till, kind):
    asked = kind.begin(till)
    for milliseconds in (200, 5_200):
        world.pass_ms(milliseconds)
        before = len(world.journal)
        for _ in range(50):
            answer(world, asked, "09")
        assert len(world.journal) - before == 1
    answer(world, asked, "00")
    assert len(world.journal) - before > 1


@EACH
def test_an_answer_ends_it(world, till, kind):
    asked = kind.begin(till)
    world.pass_ms(200)
    answer(world, asked, "00")
    since = len(world.sent)
    world.pass_ms(20_000)
    assert sent_for(world, asked, since) == []
    assert not till.payment(asked).is_open
    assert world.partition.forwarding_count == 0


def test_while_the_line_is_down_nothing_is_tried_and_nothing_is_lost(world, till, other_till):
    first, second = reversal(till), advice(other_till)
    world.set_line(is_up=False)
    since = len(world.sent)
    world.pass_ms(30_000)
    assert len(world.sent) == since
    assert world.partition.forwarding_count == 2
    world.set_line(is_up=True)
    world.pass_ms(100)
    assert {one.request.match.rrn for one in world.sent[since:]} == {first.rrn, second.rrn}


def test_of_one_payment_the_reversal_never_runs_beside_its_advice(world, till):
    asked = till.ask("offline")
    world.pass_ms(200)
    till.take_back(asked)
    since = len(world.sent)
    world.pass_ms(20_000)
    assert {one.mti for one in sent_for(world, asked, since)} == {"0420", "0421"}


def test_no_reversal_is_sent_before_its_own_attempt_is_durable(world, till):
    advice = till.ask("offline")
    world.pass_ms(100, acknowledged=False)
    till._send("0400", advice.fields, acknowledged=False)
    world.pass_ms(100, acknowledged=False)
    names = [type(record.events[-1]).__name__ for record in world.unacknowledged]
    assert names == ["RepeatAttempted", "ReversalAccepted", "ReversalAttempted"]
    for sent in ([], [], ["0420"]):
        world.journal.append(world.unacknowledged.pop(0))
        world.partition.on_appended(world.now)
        world.pump()
        assert world.sent_kinds() == sent


def test_a_second_0400_joins_the_reversal_that_is_queued(world, till):
    asked = reversal(till)
    world.pass_ms(100)
    since = len(world.sent)
    for _ in range(3):
        till.take_back(asked)
    world.pass_ms(100)
    assert sent_for(world, asked, since) == []
    assert world.partition.forwarding_count == 1


def test_what_waits_for_one_line_is_bounded_by_the_trace_numbers_in_use(world, till):
    world.is_replayable = False
    for stan in range(1, 500_000, 4):
        world.book._stans.hold(f"{stan:06d}")
    assert till.why(till.ask()) == "issuer-down"
    doubtful = till.ask("offline")
    assert till.told(doubtful) == "00", "it has happened"
    assert case_kinds(world) == ["advice-unroutable"]
