"""The issuer's answers, element by element."""

import pytest

from switch.codec import Message, load_dialect
from switch.demo.issuer_answers import authorization_id, build_answer, write_balance

NOON = 1_700_020_800_000  # 2023-11-15 12:00 in China
ASKED = Message(
    "0200",
    {
        "pan": "6200000000000005",
        "processing_code": "311000",
        "amount_transaction": "000000000000",
        "stan": "000007",
        "rrn": "010000000042",
        "currency": "156",
    },
)


def test_an_answer_repeats_what_identifies_its_request_and_no_card() -> None:
    answer = build_answer(ASKED, NOON, "00", {"authorization_id": "000042"})
    assert answer.mti == "0210"
    assert answer.fields == {
        "processing_code": "311000",
        "amount_transaction": "000000000000",
        "stan": "000007",
        "rrn": "010000000042",
        "currency": "156",
        "response_code": "00",
        "settlement_date": "1115",
        "authorization_id": "000042",
    }


@pytest.mark.parametrize(("mti", "answer_mti"), [("0100", "0110"), ("0221", "0230")])
def test_each_class_of_message_has_its_answer(mti: str, answer_mti: str) -> None:
    assert build_answer(Message(mti, {}), NOON, "00").mti == answer_mti


@pytest.mark.parametrize(
    ("spent_minor", "text"),
    [
        (0, "1002156C000001000000"),
        (1, "1002156C000000999999"),
        (1_000_100, "1002156D000000000100"),
        (-(10**13), "1002156C999999999999"),
    ],
)
def test_a_balance_is_an_additional_amount_of_twenty_characters(
    spent_minor: int, text: str
) -> None:
    assert write_balance(ASKED, spent_minor) == text
    [parts] = [load_dialect("iso1987-ascii").split("additional_amounts", text)]
    assert (parts["account_type"], parts["amount_type"], parts["sign"]) == ("10", "02", text[7])


def test_an_authorization_id_has_six_digits() -> None:
    assert authorization_id("010000000042") == "000042"
    assert authorization_id("a") == "00000a"
