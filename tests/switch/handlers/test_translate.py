from pathlib import Path

import pytest

from switch.domain.money import Money
from switch.domain.payment.requests import Answer
from switch.domain.payment.rules import DecisionRules
from switch.domain.transactions import TRAITS, TransactionType, WhenUnknown
from switch.handlers.translate import (
    _ELECTRONIC_CASH_REFUND,
    _TRANSACTIONS,
    build_answer,
    origin_free,
    processing_requirement,
)

RULES = DecisionRules()


# docs/iso8583.md 2, whole: MTI, DE 3, DE 25, DE 60.1
MESSAGES = {
    ("0200", "310000", "00", "01"): TransactionType.BALANCE_INQUIRY,
    ("0200", "000000", "00", "22"): TransactionType.SALE,
    ("0201", "000000", "00", "22"): TransactionType.SALE,
    ("0200", "000000", "64", "22"): TransactionType.INSTALMENT_SALE,
    ("0200", "200000", "00", "23"): TransactionType.SALE_VOID,
    ("0220", "200000", "00", "25"): TransactionType.REFUND,
    ("0221", "200000", "00", "25"): TransactionType.REFUND,
    ("0200", "200000", "00", "27"): TransactionType.REFUND,
    ("0100", "030000", "06", "10"): TransactionType.PRE_AUTHORIZATION,
    ("0100", "200000", "06", "11"): TransactionType.PRE_AUTHORIZATION_VOID,
    ("0200", "000000", "06", "20"): TransactionType.COMPLETION,
    ("0200", "200000", "06", "21"): TransactionType.COMPLETION_VOID,
    ("0220", "000000", "06", "24"): TransactionType.COMPLETION_ADVICE,
    ("0220", "000000", "00", "30"): TransactionType.OFFLINE_ADVICE,
    ("0220", "000000", "00", "32"): TransactionType.ADJUSTMENT_ADVICE,
    ("0220", "000000", "00", "34"): TransactionType.ADJUSTMENT_ADVICE,
    ("0220", "000000", "00", "36"): TransactionType.OFFLINE_ADVICE,
    # a message whose keys do not belong together is none of them
    ("0200", "000000", "00", "23"): TransactionType.UNKNOWN,
    ("0200", "000000", "06", "22"): TransactionType.UNKNOWN,
    ("0220", "000000", "00", "22"): TransactionType.UNKNOWN,
    ("0100", "000000", "00", "22"): TransactionType.UNKNOWN,
    ("0210", "000000", "00", "22"): TransactionType.UNKNOWN,
    ("0200", "990000", "00", "22"): TransactionType.UNKNOWN,
    # a reversal has the keys of what it takes back
    ("0400", "000000", "00", "22"): TransactionType.SALE,
    ("0401", "000000", "00", "22"): TransactionType.SALE,
    ("0400", "000000", "64", "22"): TransactionType.INSTALMENT_SALE,
    ("0400", "200000", "00", "23"): TransactionType.SALE_VOID,
    ("0400", "030000", "06", "10"): TransactionType.PRE_AUTHORIZATION,
    ("0400", "200000", "06", "11"): TransactionType.PRE_AUTHORIZATION_VOID,
    ("0400", "000000", "06", "20"): TransactionType.COMPLETION,
    ("0400", "200000", "06", "21"): TransactionType.COMPLETION_VOID,
}


@pytest.mark.parametrize(
    ("keys", "want"),
    MESSAGES.items(),
    ids=lambda key: "-".join(key) if isinstance(key, tuple) else key.value,
)
def test_a_message_is_what_its_four_keys_say(world, make_message, keys, want):
    mti, code, condition, kind = keys
    world.send(
        make_message(
            mti,
            processing_code=code,
            pos_condition_code=condition,
            batch_data=f"{kind}00000100050",
            rrn="010000000099",
            authorization_id="AUTH99",
        )
    )
    [fact, *_] = world.journal[-1].events
    assert fact.request.transaction is want


def test_what_differs_in_a_legal_repeat_is_not_in_the_fingerprint(world, make_message):
    world.send(make_message())
    world.issuer_says("00")
    again = world.send(make_message("0201", expiration_date="", local_time="120000"))
    assert world.answers(again) == ["00"]


@pytest.mark.parametrize(
    "change",
    [
        {"amount_transaction": "000000000101"},
        {"currency": "840"},
        {"pan": "6243030000000001"},
        {"pos_entry_mode": "002"},
        {"processing_code": "310000"},
        {"batch_data": "0100000100050"},
    ],
)
def test_what_makes_it_another_payment_is_in_the_fingerprint(world, make_message, change):
    world.send(make_message())
    world.issuer_says("00")
    other = world.send(make_message(**change))
    assert world.answers(other) == ["94"]


def test_an_answer_echoes_its_own_request_and_adds_what_was_decided():
    asked = {"pan": "6200000000000005", "stan": "000123", "amount_transaction": "000000000100"}
    answer = Answer(
        response_code="10",
        at=1_700_000_000_000,
        rrn="010000000001",
        settlement_date="1115",
        amount=Money(50, "156"),
    )
    message = build_answer("0200", asked, answer, RULES, "00000000001")
    assert message.mti == "0210"
    assert message.fields["stan"] == "000123"
    assert message.fields["amount_transaction"] == "000000000050"
    assert (message.fields["local_time"], message.fields["local_date"]) == ("061320", "1115")
    assert message.fields["private_63"] == "CUP"


def test_a_refusal_carries_its_exact_reason_for_the_receipt():
    answer = Answer(response_code="03", at=0, reason="merchant-config-incomplete", detail="mcc")
    message = build_answer("0200", {}, answer, RULES, "1")
    assert message.fields["private_63"] == "CUPmerchant-config-incomplete: mcc"


def test_a_long_detail_is_cut_to_what_the_element_can_hold():
    answer = Answer(response_code="30", at=0, reason="format-error", detail="x" * 500)
    message = build_answer("0200", {}, answer, RULES, "1")
    assert len(message.fields["private_63"]) == 123


@pytest.mark.parametrize(("code", "digit"), [("A0", 3), ("77", 3), ("00", 0), ("51", 0)])
def test_a_terminal_whose_keys_or_batch_are_wrong_is_told_to_sign_on(code, digit):
    assert processing_requirement(Answer(response_code=code, at=0)) == digit


def test_the_origin_digit_does_not_change_what_is_asked():
    assert origin_free("0201") == origin_free("0200") == "0200"


def rows_of_the_documentation(heading):
    """Read the first table below a heading of docs/iso8583.md, cell by cell."""
    text = (Path(__file__).parents[3] / "docs" / "iso8583.md").read_text("utf-8")
    table = text.partition(heading)[2].partition("\n| ")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines()]


def test_the_table_of_the_documentation_is_that_of_the_code():
    told = set()
    for cells in rows_of_the_documentation("## 2. Which transaction a message is")[2:]:
        name, mti, code, condition, kinds, is_reversed, *side = cells
        if mti == "0400":
            continue
        for kind in kinds.split(", "):
            transaction = _TRANSACTIONS.get((mti, code, condition, kind), TransactionType.REFUND)
            told.add((mti, code, condition, kind))
            traits = TRAITS[transaction]
            assert traits.side.value == ("".join(side) or "neither"), name
            assert (traits.when_unknown is WhenUnknown.REVERSE) == (is_reversed == "yes"), name
    assert told == {*_TRANSACTIONS, _ELECTRONIC_CASH_REFUND}
