"""Answers that the gateway writes by itself."""

import msgspec
import pytest

from switch.codec import Message, load_dialect
from switch.domain.reasons import Reason
from switch.gateway.refusals import has_right_mac, write_problem, write_refusal, write_unanswered
from switch.security.mac import MacKey

REQUEST = Message(
    "0201",
    {
        "pan": "6200000000000005",
        "processing_code": "000000",
        "amount_transaction": "000000000100",
        "stan": "000123",
        "terminal_id": "00000001",
        "merchant_id": "898110154110001",
        "currency": "156",
    },
)
KEY = MacKey("unionpay-ecb", bytes.fromhex("1C" * 8))


@pytest.mark.parametrize("name", ["unionpay-pos", "iso1987-ascii", "iso1987-binary"])
def test_a_refusal_echoes_everything_but_the_card(name: str) -> None:
    dialect = load_dialect(name)
    answer = dialect.decode(write_refusal(dialect, REQUEST, Reason.GATEWAY_BUSY))
    assert answer.mti == "0210"
    assert answer.fields["stan"] == "000123"
    assert answer.fields["response_code"] == "96"
    assert "pan" not in answer.fields


@pytest.mark.parametrize("name", ["unionpay-pos", "iso1987-ascii"])
def test_a_signed_refusal_verifies(name: str) -> None:
    dialect = load_dialect(name)
    wire = write_refusal(dialect, REQUEST, Reason.LOG_UNAVAILABLE, mac_key=KEY)
    assert has_right_mac(dialect, wire, dialect.decode(wire), KEY)
    assert not has_right_mac(dialect, wire, REQUEST, KEY)


def test_a_long_detail_is_cut_to_what_de_63_holds() -> None:
    dialect = load_dialect("unionpay-pos")
    wire = write_refusal(dialect, REQUEST, Reason.FORMAT_ERROR, "x" * 500)
    assert len(str(dialect.decode(wire).fields["private_63"])) == 123


@pytest.mark.parametrize(
    ("reason", "status"),
    [(Reason.GATEWAY_BUSY, 503), (Reason.LOG_UNAVAILABLE, 503), (Reason.FORMAT_ERROR, 400)],
)
def test_a_problem_says_what_a_partner_must_know(reason: Reason, status: int) -> None:
    code, body = write_problem(reason, "card.pan: not decimal")
    problem = msgspec.json.decode(body)
    assert (code, problem["status"]) == (status, status)
    assert problem["reason_code"] == reason.value
    assert problem["money_state"] == "not-debited"
    assert problem["detail"] == "card.pan: not decimal"
    assert problem["message_zh"]
    assert problem["next_en"]


@pytest.mark.parametrize("reason", [Reason.GATEWAY_BUSY, Reason.LOG_UNAVAILABLE])
def test_a_partner_is_never_invited_to_use_a_new_key_for_what_was_not_sent(reason: Reason) -> None:
    problem = msgspec.json.decode(write_problem(reason)[1])
    assert problem["retry"] == "same-key"
    assert "same Idempotency-Key" in problem["detail"]


def test_a_problem_with_a_void_says_nothing_about_the_money_of_its_original() -> None:
    body = write_problem(Reason.GATEWAY_BUSY, is_payment=False)[1]
    assert "money_state" not in msgspec.json.decode(body)


def test_no_answer_in_time_is_an_unknown_outcome_with_a_place_to_look() -> None:
    code, body = write_unanswered("/v1/payments/1")
    assert code == 202
    assert msgspec.json.decode(body) == {
        "status": "unknown",
        "money_state": "unknown",
        "status_url": "/v1/payments/1",
    }


def test_a_command_that_nobody_answered_is_asked_again_under_its_key() -> None:
    code, body = write_unanswered("")
    assert code == 504
    assert "same Idempotency-Key" in msgspec.json.decode(body)["detail"]
