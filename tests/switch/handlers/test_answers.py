import msgspec
import pytest

from switch.domain.payment.requests import Answer
from switch.domain.reasons import Reason
from switch.eventlog.inbound import RequestReceived
from switch.handlers.answers import Answerer, make_resource
from switch.handlers.intake import Waiter


@pytest.fixture
def partner(world):
    received = RequestReceived(
        inbound_id="gw-9",
        gateway="gw",
        channel="json",
        acquirer="demo-api",
        partition_key="k",
        mti="",
        fields={},
        received_at=0,
        start_before=0,
        deadline_at=0,
    )
    answerer = Answerer(world.keys, world.partition._settings.rules, "1")
    waiter = Waiter(received, b"", None, None)
    return lambda answer: answerer.reply(waiter, answer, None, world.now)


def _decline(reason, code):
    return Answer(response_code=code, at=0, reason=reason.value, rrn="010000000001")


@pytest.mark.parametrize(
    ("answer", "status", "word", "money"),
    [
        (Answer(response_code="00", at=0), 201, "approved", "debited"),
        (_decline(Reason.ISSUER_DECLINED, "51"), 201, "declined", "not-debited"),
        (_decline(Reason.MERCHANT_FROZEN, "03"), 201, "declined", "not-debited"),
        (_decline(Reason.UPSTREAM_UNKNOWN, "98"), 202, "unknown", "unknown"),
    ],
)
def test_a_decline_is_a_resource_and_an_unknown_outcome_is_202(
    partner, answer, status, word, money
):
    reply = partner(answer)
    body = msgspec.json.decode(reply.body)
    assert reply.status == status
    assert (body["status"], body["money_state"]) == (word, money)
    assert body["message_zh"]
    assert body["next_action_en"]


def test_an_unknown_outcome_says_where_to_ask(partner):
    body = msgspec.json.decode(partner(_decline(Reason.UPSTREAM_UNKNOWN, "98")).body)
    assert body["status_url"] == "/v1/payments/010000000001"


def test_a_key_with_other_content_is_422(partner):
    reply = partner(_decline(Reason.DUPLICATE_CONFLICT, "94"))
    assert reply.status == 422
    assert msgspec.json.decode(reply.body)["rrn"] == "010000000001"


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_can_be_told_to_a_partner(reason):
    resource = make_resource(_decline(reason, "96"), None)
    assert resource.message_en
    assert resource.message_zh
