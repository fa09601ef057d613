"""The life of payments through one partition, as terminals and issuers see it."""

import pytest

from switch.domain.clock import Now
from switch.domain.upstream import UpstreamAnswer
from switch.handlers.book import PartitionBook
from switch.handlers.replay import replay_record


def test_a_sale_is_debited_once_and_approved(world, make_message):
    asked = world.send(make_message())
    assert world.sent_kinds() == ["0200"]
    world.issuer_says("00", authorization_id="AUTH01")
    answer = world.replies[asked][0]
    assert answer.mti == "0210"
    assert answer.fields["response_code"] == "00"
    assert answer.fields["rrn"] == "010000000000"
    assert answer.fields["authorization_id"] == "AUTH01"
    assert "settlement_date" in answer.fields
    assert "mac" in answer.fields
    assert answer.fields["pan"] == "6200000000000005"


def test_nothing_is_sent_before_the_route_is_durable(world, make_message):
    world.send(make_message(), acknowledged=False)
    assert world.sent == []
    world.acknowledge()
    assert world.sent_kinds() == ["0200"]


def test_no_answer_leaves_before_the_outcome_is_durable(world, make_message):
    asked = world.send(make_message())
    request = world.sent[0].request
    answer = UpstreamAnswer(
        link="issuer-1", match=request.match, mti="0210", fields={"response_code": "00"}
    )
    world.partition.on_issuer_message(answer, world.now)
    world.pump()
    assert world.answers(asked) == []
    world.acknowledge()
    assert world.answers(asked) == ["00"]


def test_the_same_bytes_again_get_the_same_bytes_and_no_debit(world, make_message):
    first = world.send(make_message())
    world.issuer_says("00", authorization_id="AUTH01")
    world.pass_ms(2_000)
    again = world.send(make_message())
    assert world.raw_replies[again] == world.raw_replies[first]
    assert world.sent_kinds() == ["0200"]


def test_the_same_key_with_another_amount_is_refused_and_the_first_result_stands(
    world, make_message
):
    world.send(make_message())
    world.issuer_says("00")
    other = world.send(make_message(amount_transaction="000000000200"))
    assert world.answers(other) == ["94"]
    assert world.remark(other).startswith("duplicate-conflict")
    again = world.send(make_message())
    assert world.answers(again) == ["00"]
    assert world.sent_kinds() == ["0200"]


def test_a_repeat_while_the_first_runs_joins_it(world, make_message):
    first = world.send(make_message())
    repeat = world.send(make_message("0201"))
    assert world.sent_kinds() == ["0200"]
    world.issuer_says("00")
    assert world.answers(first) == world.answers(repeat) == ["00"]


def test_a_key_is_reserved_before_its_record_is_durable(world, make_message):
    world.send(make_message(), acknowledged=False)
    world.send(make_message(), acknowledged=False)
    world.acknowledge()
    assert world.sent_kinds() == ["0200"]


def test_an_approval_is_not_repeated_after_a_later_payment_of_the_terminal(world, make_message):
    world.send(make_message())
    world.issuer_says("00")
    world.send(make_message(stan="000124"))
    world.issuer_says("00")
    again = world.send(make_message())
    assert world.answers(again) == ["94"]
    assert world.remark(again).startswith("stan-reused")


def test_a_wrong_mac_is_refused_and_debits_nothing(world, make_message):
    asked = world.send(make_message(wrong_mac=True))
    assert world.answers(asked) == ["A0"]
    assert world.sent == []
    assert world.tags() == ["RequestRefused"]


def test_an_issuer_that_declines_leaves_no_line_and_gives_the_limit_room_back(world, make_message):
    asked = world.send(make_message())
    world.issuer_says("51")
    assert world.answers(asked) == ["51"]
    assert world.tags()[-1] == "PaymentDeclined"
    assert world.book.day_totals("898110154110001", world.now.wall_ms).count == 0


def test_silence_is_answered_98_after_the_reversal_intent_is_durable(world, make_message):
    asked = world.send(make_message())
    world.pass_ms(2_900)
    assert world.answers(asked) == []
    world.pass_ms(200, acknowledged=False)
    assert world.answers(asked) == []
    world.acknowledge()
    assert world.answers(asked) == ["98"]
    assert "OutcomeUnknown" in world.tags()


def test_a_reversal_is_repeated_until_the_issuer_answers(world, make_message):
    world.send(make_message())
    world.pass_ms(12_000)
    kinds = world.sent_kinds()
    assert kinds[:2] == ["0200", "0420"]
    assert set(kinds[2:]) == {"0421"}
    assert len(kinds) >= 4
    attempts = kinds.count("0421")
    world.issuer_says("00")
    world.pass_ms(5_000)
    assert world.sent_kinds().count("0421") == attempts, "answered: no more until the confirmation"


def test_a_reversal_whose_debit_was_never_answered_is_repeated_once_more(world, make_message):
    world.send(make_message())
    world.pass_ms(3_200)
    world.issuer_says("00")
    assert "PaymentReversed" not in world.tags()
    world.pass_ms(7_000)
    world.issuer_says("00")
    assert world.tags()[-1] == "PaymentReversed"
    sent = len(world.sent)
    world.pass_ms(20_000)
    assert len(world.sent) == sent


def test_25_to_such_a_reversal_leaves_a_case(world, make_message):
    world.send(make_message())
    world.pass_ms(3_200)
    world.issuer_says("25")
    world.pass_ms(7_000)
    world.issuer_says("25")
    assert world.tags()[-1] == "CaseOpened"
    assert world.partition.open_count == 0


def test_a_late_approval_never_turns_a_failure_into_a_success(world, make_message):
    asked = world.send(make_message())
    world.pass_ms(3_200)
    world.issuer_says("00", index=0)
    assert "LateAnswerReceived" in world.tags()
    again = world.send(make_message())
    assert world.answers(asked) == world.answers(again) == ["98"]
    world.pass_ms(1_200)
    world.issuer_says("00")
    assert world.tags()[-1] == "PaymentReversed"


def test_an_answer_that_comes_twice_changes_nothing(world, make_message):
    world.send(make_message())
    world.issuer_says("00")
    record_count = len(world.journal)
    world.issuer_says("00")
    assert len(world.journal) == record_count


def test_a_second_answer_that_contradicts_the_first_is_a_case(world, make_message):
    world.send(make_message())
    world.issuer_says("00")
    world.issuer_says("51")
    assert world.tags()[-1] == "CaseOpened"


@pytest.mark.parametrize(
    "fields",
    [
        {"amount_transaction": "000000000999", "currency": "156"},
        {"amount_transaction": "000000000100", "currency": "840"},
    ],
)
def test_an_approval_of_another_amount_is_unknown_and_goes_back(world, make_message, fields):
    asked = world.send(make_message())
    world.issuer_says("00", **fields)
    assert world.answers(asked) == ["98"]
    world.pass_ms(100)
    assert world.sent_kinds() == ["0200", "0420"]


def test_a_partial_approval_that_nobody_accepts_is_declined_51_and_goes_back(world, make_message):
    asked = world.send(make_message())
    world.issuer_says("10", amount_transaction="000000000050", currency="156")
    assert world.answers(asked) == ["51"]
    world.pass_ms(100)
    assert world.sent_kinds() == ["0200", "0420"]


def test_a_partial_approval_is_given_where_the_terminal_accepts_it(world, make_message):
    accepting = world.send(make_message(batch_data="2200000100050" + "1000"))
    world.issuer_says("10", amount_transaction="000000000050", currency="156")
    assert world.answers(accepting) == ["10"]
    assert world.replies[accepting][0].fields["amount_transaction"] == "000000000050"


# -- reversals by the terminal --------------------------------------------------------------------


def test_a_terminals_reversal_of_an_approved_sale_is_answered_00_and_returns_the_money(
    world, make_message
):
    world.send(make_message())
    world.issuer_says("00")
    asked = world.send(make_message("0400"))
    assert world.answers(asked) == ["00"]
    assert world.replies[asked][0].mti == "0410"
    world.pass_ms(100)
    assert world.sent_kinds() == ["0200", "0420"]
    world.issuer_says("00")
    reversed_event = world.journal[-1].events[-1]
    assert reversed_event.line.gross_minor == -100
    again = world.send(make_message())
    assert world.answers(again) == ["94"]


def test_a_repeated_0400_gets_the_stored_answer_and_no_second_reversal(world, make_message):
    world.send(make_message())
    world.issuer_says("00")
    first = world.send(make_message("0400"))
    world.pass_ms(100)
    world.issuer_says("00")
    second = world.send(make_message("0401"))
    world.pass_ms(5_000)
    assert world.answers(first) == world.answers(second) == ["00"]
    assert world.sent_kinds() == ["0200", "0420"]


def test_a_reversal_while_the_sale_runs_is_answered_at_once_and_ends_its_wait(world, make_message):
    sale = world.send(make_message())
    asked = world.send(make_message("0400"))
    assert world.answers(asked) == ["00"]
    assert world.ended_waits == [sale]
    assert world.sent_kinds() == ["0200"]
    world.issuer_says("00")
    world.pass_ms(100)
    assert world.sent_kinds() == ["0200", "0420"]
    assert world.answers(sale) == []


def test_a_reversal_before_its_original_bars_it(world, make_message):
    asked = world.send(make_message("0400"))
    assert world.answers(asked) == ["00"]
    late = world.send(make_message())
    assert world.answers(late) == ["94"]
    assert world.remark(late).startswith("late-after-reversal")
    assert world.sent == []


def test_a_reversal_with_another_amount_is_25_and_a_case_and_the_original_stands(
    world, make_message
):
    world.send(make_message())
    world.issuer_says("00")
    asked = world.send(make_message("0400", amount_transaction="000000000200"))
    assert world.answers(asked) == ["25"]
    assert "CaseOpened" in world.tags()
    assert world.answers(world.send(make_message())) == ["00"]


def test_a_reversal_from_the_neighbouring_batch_finds_its_original(world, make_message):
    world.send(make_message())
    world.issuer_says("00")
    asked = world.send(make_message("0400", batch_data="2200000200050"))
    assert world.answers(asked) == ["00"]
    world.pass_ms(100)
    assert world.sent_kinds() == ["0200", "0420"]


def test_a_reversal_of_an_unknown_outcome_joins_the_one_under_way(world, make_message):
    world.send(make_message())
    world.pass_ms(3_200)
    asked = world.send(make_message("0400"))
    assert world.answers(asked) == ["00"]
    assert world.sent_kinds() == ["0200", "0420"]


# -- crashes --------------------------------------------------------------------------------------


def test_a_debit_that_was_routed_but_maybe_sent_ends_reversed_after_a_restart(world, make_message):
    world.send(make_message())
    world.restart()
    assert world.sent_kinds() == ["0200"]
    world.pass_ms(700)
    assert world.sent_kinds() == ["0200"], "nobody calls it unknown while it might be sent"
    world.pass_ms(300)
    assert world.sent_kinds() == ["0200", "0420"]
    assert "IssuerTimedOut" in world.tags()


def test_after_a_restart_a_repeat_gets_the_stored_answer(world, make_message):
    first = world.send(make_message())
    world.issuer_says("00", authorization_id="AUTH01")
    world.restart()
    again = world.send(make_message())
    assert world.raw_replies[again] == world.raw_replies[first]


def test_a_decision_that_was_not_durable_is_made_again_with_one_debit(world, make_message):
    world.send(make_message(), acknowledged=False)
    world.restart()
    assert world.sent == []
    world.deliver(world.inbound[0])
    assert world.sent_kinds() == ["0200"]


def test_an_inbound_record_that_was_decided_is_not_decided_again(world, make_message):
    world.send(make_message(wrong_mac=True))
    world.restart()
    record_count = len(world.journal)
    world.deliver(world.inbound[0])
    assert len(world.journal) == record_count


def test_reversals_under_way_go_on_after_a_restart_with_their_count(world, make_message):
    world.send(make_message())
    world.pass_ms(4_500)
    before = world.sent_kinds()
    world.restart()
    world.pass_ms(200)
    assert len(world.sent_kinds()) == len(before) + 1
    assert world.sent_kinds()[-1] == "0421"


def test_a_debit_whose_record_became_durable_too_late_is_declined_as_not_sent(world, make_message):
    asked = world.send(make_message(), acknowledged=False)
    world.now = Now(world.now.wall_ms + 600, world.now.boot_ms + 600)
    world.acknowledge()
    assert world.sent == []
    assert world.answers(asked) == ["96"]


def test_a_request_read_too_late_is_declined_and_never_routed(world, make_message):
    message = make_message()
    asked = world.send(message, acknowledged=False)
    world.restart()
    world.now = Now(world.now.wall_ms + 2_000, world.now.boot_ms + 2_000)
    world.partition.on_registry_confirmed(world.now.boot_ms)
    world.deliver(world.inbound[0])
    assert world.answers(asked) == ["96"]
    assert world.remark(asked).startswith("request-stale")
    assert world.sent == []


def test_a_lost_link_is_not_waited_for(world, make_message):
    asked = world.send(make_message())
    world.partition.on_links((), frozenset({"issuer-1"}), world.now)
    world.pump()
    world.acknowledge()
    assert world.answers(asked) == ["98"]


def test_a_link_that_only_cannot_be_written_to_is_still_waited_for(world, make_message):
    asked = world.send(make_message())
    world.partition.on_links((), frozenset(), world.now)
    world.pump()
    world.issuer_says("00")
    assert world.answers(asked) == ["00"]


def test_a_link_that_is_down_declines_and_debits_nothing(world, make_message):
    world.partition.on_links((), frozenset(), world.now)
    asked = world.send(make_message())
    assert world.answers(asked) == ["91"]
    assert world.remark(asked).startswith("issuer-down")


def test_a_registry_view_that_may_be_old_declines(world, make_message):
    world.now = Now(world.now.wall_ms, world.now.boot_ms + 1_500)
    asked = world.send(make_message())
    assert world.remark(asked).startswith("registry-not-confirmed")


def test_a_quiet_partition_notes_its_position(world, make_message):
    world.send(make_message())
    world.issuer_says("00")
    world.send(make_message())
    world.pass_ms(6_000)
    assert world.tags()[-1] == "PositionNoted"
    assert world.journal[-1].watermark == 2


# -- replay ---------------------------------------------------------------------------------------


def test_the_journal_decided_again_gives_the_same_decisions(world, make_message):
    world.send(make_message())
    world.issuer_says("00")
    world.send(make_message("0400"))
    world.pass_ms(100)
    world.issuer_says("00")
    world.send(make_message(stan="000124"))
    world.pass_ms(15_000)
    world.send(make_message(stan="000125", merchant_id="898110154110009"))
    book = PartitionBook(1, 4, world.partition._settings.rules)
    for record in world.journal:
        step = replay_record(record, book, world.registry, world.partition._settings.rules)
        assert step.is_same, step
        book.apply(record)
    assert len(book) == 3
