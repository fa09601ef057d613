import msgspec
import pytest

from switch.domain.payment.requests import Answer
from switch.domain.reasons import Reason
from switch.eventlog.inbound import RequestReceived
from switch.handlers.answers import Answerer
from switch.handlers.intake import Waiter


@pytest.fixture
def answer_partner(world):
    answerer = Answerer(world.keys, world.partition._settings.rules, "1", world.book.find_payment)

    def answer(told, **fields):
        received = RequestReceived(
            inbound_id="gw-9",
            gateway="gw",
            channel="json",
            acquirer="demo-api",
            partition_key="k",
            mti="",
            fields=fields,
            received_at=0,
            start_before=0,
            deadline_at=0,
        )
        return answerer.reply(Waiter(received, b"", None, None), told, None, world.now)

    return answer


def test_a_partner_is_answered_with_a_body_and_a_status(answer_partner):
    reply = answer_partner(Answer(response_code="00", at=0, rrn="010000000001"))
    assert (reply.status, reply.gateway, reply.inbound_id) == (201, "gw", "gw-9")
    assert msgspec.json.decode(reply.body)["status"] == "approved"
    assert not reply.sealed_answer


def test_a_reversal_is_answered_as_one(answer_partner):
    reply = answer_partner(Answer(response_code="00", at=0, rrn="1"), operation="reverse")
    assert msgspec.json.decode(reply.body)["status"] == "reversed"


def test_a_key_with_other_content_is_422(answer_partner):
    reason = Reason.DUPLICATE_CONFLICT.value
    reply = answer_partner(Answer(response_code="94", at=0, reason=reason, rrn="010000000001"))
    assert reply.status == 422
    assert msgspec.json.decode(reply.body)["rrn"] == "010000000001"


def test_of_many_balances_a_terminal_hears_those_that_it_has_room_for(world, till):
    balances = [f"{kind}01156C{kind}0000001000" for kind in ("00", "10", "20")]
    inquiry = till.ask("inquiry")
    world.answer_of_issuer(inquiry.rrn, "00", additional_amounts="".join(balances))
    [answer] = world.replies[inquiry.inbound_id]
    assert answer.fields["additional_amounts"] == "".join(balances[:2])


def test_an_element_that_the_record_does_not_hold_in_clear_is_echoed_from_the_message(
    world, make_message
):
    message = make_message(batch_data="2200000100050")
    asked = world.send(message)
    [inbound] = world.inbound
    del inbound.fields["batch_data"]
    world.issuer_says("00")
    [answer] = world.replies[asked]
    for name in ("batch_data", "pan"):
        assert answer.fields[name] == message.fields[name]
