import pytest
from msgspec.structs import replace

from switch.domain.clock import Now
from switch.domain.payment.events import ReversalAnswered, ReversalAttempted
from switch.domain.upstream import MatchKey, UpstreamAnswer

from .conftest import SETTINGS


def _answer(match, code="00"):
    return UpstreamAnswer(link="issuer-1", match=match, mti="0210", fields={"response_code": code})


def test_an_answer_with_another_trace_number_is_nobodys(world, make_message):
    world.send(make_message())
    match = world.sent[0].request.match
    for wrong in (
        replace(match, stan="000099"),
        MatchKey("payment", match.stan, "019999999999", match.terminal_id),
    ):
        world.partition.on_issuer_message(_answer(wrong), world.now)
        world.pump()
        world.acknowledge()
    assert world.tags() == ["PaymentRequested", "PaymentRouted"]


def test_a_reversal_waits_while_its_link_is_down_and_goes_out_when_it_is_back(world, make_message):
    world.send(make_message())
    world.partition.on_links((), frozenset({"issuer-1"}), world.now)
    world.pass_ms(5_000)
    assert world.sent_kinds() == ["0200"]
    world.partition.on_links(("issuer-1",), frozenset(), world.now)
    world.pass_ms(100)
    assert world.sent_kinds() == ["0200", "0420"]


def test_an_issuer_that_asks_for_patience_gets_it_and_the_money_returns(world, make_message):
    world.send(make_message())
    world.issuer_says("98")
    for _ in range(10):
        world.pass_ms(5_100)
        world.issuer_says("96")
    assert "CaseOpened" not in world.tags()
    world.pass_ms(5_100)
    world.issuer_says("00")
    assert world.tags()[-1] == "PaymentReversed"


def test_an_issuer_that_answers_nonsense_to_a_reversal_makes_a_case_and_the_lane_goes_on(
    world, make_message
):
    world.send(make_message())
    world.issuer_says("98")
    for _ in range(5):
        world.pass_ms(5_100)
        world.issuer_says("12")
    assert "CaseOpened" in world.tags()
    sent = len(world.sent)
    world.pass_ms(10_000)
    assert len(world.sent) == sent
    world.send(make_message(stan="000124"))
    world.issuer_says("98")
    world.pass_ms(100)
    assert world.sent_kinds()[-1] == "0420"


def test_a_debit_that_the_link_refused_was_certainly_not_sent(world, make_message):
    asked = world.send(make_message())
    world.partition.on_not_sent(world.sent[0].request.match.rrn, world.now)
    world.pump()
    world.acknowledge()
    assert world.answers(asked) == ["96"]
    assert world.remark(asked).startswith("send-window-missed")


def test_nothing_falls_due_for_a_debit_that_was_answered(world, make_message):
    world.send(make_message())
    first_due = world.partition._issuers.next_wake_ms()
    assert first_due == world.now.boot_ms + SETTINGS.issuer_timeout_ms
    world.pass_ms(100)
    world.send(make_message(stan="000124", amount_transaction="000000000200"))
    world.issuer_says("00", index=0)
    assert world.partition._issuers.next_wake_ms() == first_due + 100
    world.issuer_says("00", index=1)
    assert world.partition._issuers.next_wake_ms() is None


def test_an_answer_from_another_issuers_link_is_nobodys(world, make_message):
    asked = world.send(make_message())
    match = world.sent[0].request.match
    world.partition.on_issuer_message(
        UpstreamAnswer(link="issuer-2", match=match, mti="0210", fields={"response_code": "00"}),
        world.now,
    )
    world.partition.on_issuer_message(_answer(replace(match, terminal_id="99999999")), world.now)
    world.pump()
    world.acknowledge()
    assert world.tags() == ["PaymentRequested", "PaymentRouted"]
    world.issuer_says("00")
    assert world.answers(asked) == ["00"]


def test_a_debit_that_a_predecessor_may_still_send_is_not_settled_by_a_lost_link(
    world, make_message
):
    world.send(make_message())
    world.restart()
    world.partition.on_links((), frozenset({"issuer-1"}), world.now)
    world.partition.on_links(("issuer-1",), frozenset(), world.now)
    world.pass_ms(700)
    assert world.sent_kinds() == ["0200"], "its reversal would overtake it"
    world.pass_ms(300)
    assert world.sent_kinds() == ["0200", "0420"]


def test_a_restart_does_not_hasten_the_confirmation_of_a_reversal(world, make_message):
    world.send(make_message())
    world.pass_ms(3_200)
    world.issuer_says("00")
    world.restart()
    sent = len(world.sent)
    world.pass_ms(5_800)
    assert len(world.sent) == sent, "the debit may still be on its way"
    world.pass_ms(400)
    assert len(world.sent) == sent + 1
    world.issuer_says("00")
    assert world.tags()[-1] == "PaymentReversed"


def test_an_answer_that_is_to_be_confirmed_says_when_and_the_last_one_does_not(world, make_message):
    world.send(make_message())
    world.pass_ms(3_200)
    world.issuer_says("00")
    due_ms = world.now.wall_ms + SETTINGS.lanes.issuer_delay_max_ms
    sent = len(world.sent)
    while len(world.sent) == sent:
        world.pass_ms(100)
    assert 0 <= world.now.wall_ms - due_ms <= 200
    world.issuer_says("00")
    events = [event for record in world.journal for event in record.events]
    told = [event.next_at for event in events if isinstance(event, ReversalAnswered)]
    assert told == [due_ms, 0]


def test_two_answers_to_the_attempts_before_the_confirmation_do_not_end_a_reversal(
    world, make_message
):
    world.send(make_message())
    world.pass_ms(4_500)
    assert world.sent_kinds() == ["0200", "0420", "0421"]
    world.issuer_says("00", index=1)
    record_count = len(world.journal)
    for _ in range(3):
        world.issuer_says("00", index=2)
    assert "PaymentReversed" not in world.tags()
    assert len(world.journal) == record_count, "what says nothing new leaves no record"
    world.pass_ms(6_200)
    assert len(world.sent) == 4
    world.issuer_says("00")
    assert world.tags()[-1] == "PaymentReversed"


def test_a_debit_answered_after_its_reversal_still_wants_the_confirmation(world, make_message):
    world.send(make_message())
    world.pass_ms(3_200)
    world.issuer_says("00", index=1)
    world.issuer_says("00", index=0)
    world.issuer_says("00", index=1)
    assert "PaymentReversed" not in world.tags()
    world.pass_ms(6_200)
    world.issuer_says("00")
    assert world.tags()[-1] == "PaymentReversed"


@pytest.mark.parametrize("code", ["00", "25"])
def test_a_reversal_that_was_sent_before_its_debit_was_answered_says_nothing(
    world, make_message, code
):
    world.send(make_message())
    world.pass_ms(3_200)
    assert world.sent_kinds() == ["0200", "0420"]
    world.issuer_says("00", index=0)  # booked after the reversal, and answered before it
    world.issuer_says(code, index=1)
    assert "PaymentReversed" not in world.tags()
    assert world.partition.open_count == 1, "the debit stands"
    world.pass_ms(1_200)
    assert world.sent_kinds()[2:] == ["0421"]
    world.issuer_says("00")
    assert world.tags()[-1] == "PaymentReversed"


def test_a_25_to_the_repeat_of_a_reversal_that_was_done_makes_no_case(world, make_message):
    world.send(make_message())
    world.pass_ms(3_200)
    world.issuer_says("00", index=0)
    for _ in range(3):
        world.issuer_says("00", index=1)
    assert world.tags().count("ReversalAnswered") == 1, "kept once"
    world.pass_ms(1_200)
    world.issuer_says("25")
    assert world.tags()[-1] == "PaymentReversed"


def test_an_issuer_that_contradicts_itself_for_ever_makes_one_case(world, make_message):
    world.send(make_message())
    world.issuer_says("00")
    for _ in range(5):
        world.issuer_says("51", index=0)
    assert world.tags().count("CaseOpened") == 1
    assert world.tags().count("LateAnswerReceived") == 1


def test_an_approval_in_another_currency_without_an_amount_goes_back(world, make_message):
    asked = world.send(make_message())
    world.issuer_says("00", currency="840")
    assert world.answers(asked) == ["98"]


def test_an_amount_that_is_no_number_is_an_answer_that_cannot_be_trusted(world, make_message):
    asked = world.send(make_message())
    world.issuer_says("00", amount_transaction="00000000010X")
    assert world.answers(asked) == ["98"]


def test_an_answer_to_a_reversal_that_was_about_to_be_repeated_still_waits_for_its_confirmation(
    world, make_message
):
    world.send(make_message())
    world.pass_ms(3_200)
    world.restart()  # the reversal is due again at once
    world.issuer_says("25", index=1)
    sent = len(world.sent)
    world.pass_ms(5_800)
    assert len(world.sent) == sent
    world.pass_ms(400)
    assert len(world.sent) == sent + 1


def _reversal_sent_and_confirmed_soon(world, make_message):
    """Lead a reversal to its confirmation, appended but not acknowledged."""
    world.send(make_message())
    world.pass_ms(3_200)
    world.issuer_says("25")
    world.pass_ms(5_900)
    world.pass_ms(200, acknowledged=False)
    assert type(world.unacknowledged[-1].events[0]).__name__ == "ReversalAttempted"


def test_no_answer_counts_as_the_confirmation_before_that_was_sent(world, make_message):
    _reversal_sent_and_confirmed_soon(world, make_message)
    sent = len(world.sent)
    world.issuer_says("25", index=1)
    assert "CaseOpened" not in world.tags()
    assert len(world.sent) == sent + 1
    world.issuer_says("00")
    assert world.tags()[-1] == "PaymentReversed"


def test_an_answer_that_quotes_an_earlier_attempts_time_is_not_the_confirmations(
    world, make_message
):
    _reversal_sent_and_confirmed_soon(world, make_message)
    world.acknowledge()
    first, last = (world.sent[i].request.fields["transmission_time"] for i in (1, -1))
    assert first != last
    world.issuer_says("25", index=1, transmission_time=first)
    assert "CaseOpened" not in world.tags()
    world.issuer_says("00", transmission_time=last)
    assert world.tags()[-1] == "PaymentReversed"


def test_a_reversal_goes_out_with_the_time_that_is_recorded(world, make_message):
    world.send(make_message())
    world.pass_ms(3_000, acknowledged=False)
    world.acknowledge()
    world.pass_ms(100, acknowledged=False)
    world.now = Now(world.now.wall_ms + 5_000, world.now.boot_ms + 5_000)
    world.acknowledge()
    [attempt] = [e for r in world.journal for e in r.events if isinstance(e, ReversalAttempted)]
    assert world.sent[-1].request.fields["transmission_time"] == attempt.transmission_time
