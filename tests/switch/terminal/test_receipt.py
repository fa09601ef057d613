"""A receipt says what happened, whether money moved, who must act and what to do next."""

from typing import Any

import pytest

from switch.domain.reasons import Reason
from switch.domain.transactions import MoneyState
from switch.terminal.batch import BatchTotals
from switch.terminal.operations import Operation
from switch.terminal.outcome import Balance, Earlier, OutcomeKind, PosOutcome, Settlement
from switch.terminal.receipt import explain, render_receipt


def outcome(kind: OutcomeKind, **changes: Any) -> PosOutcome:
    fields: dict[str, Any] = {
        "operation": Operation.SALE,
        "kind": kind,
        "terminal_id": "00000001",
        "merchant_id": "898110154110001",
        "batch": "000001",
        "stan": "000123",
        "amount_minor": 1234,
        "currency": "156",
        "masked_pan": "620000******0005",
        "at": 1_700_000_000_000,
        **changes,
    }
    return PosOutcome(**fields)


def test_an_approval_names_everything_that_a_refund_will_need() -> None:
    text = render_receipt(
        outcome(
            OutcomeKind.APPROVED,
            response_code="00",
            rrn="010000000007",
            authorization_id="123456",
            settlement_date="1115",
        )
    )
    for part in (
        "交易成功 / Approved",
        "12.34 CNY",
        "010000000007",
        "123456",
        "1115",
        "620000******0005",
        "000123",
        "已扣款 / Debited",
        "2023-11-15 06:13:20 +08:00",
    ):
        assert part in text


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_of_the_switch_is_explained_in_both_languages(reason: Reason) -> None:
    declined = outcome(OutcomeKind.DECLINED, response_code="03", reason=reason.value)
    explanation = explain(declined)
    for words in (explanation.happened, explanation.next_step):
        assert words.zh
        assert words.en
    assert f"{explanation.happened.zh} / {explanation.happened.en}" in render_receipt(declined)


def test_a_refusal_of_the_issuer_is_explained_by_its_code() -> None:
    text = render_receipt(
        outcome(OutcomeKind.DECLINED, response_code="51", reason="issuer-declined")
    )
    assert "余额不足" in text
    assert "未扣款 / Not debited" in text


def test_a_code_without_a_reason_and_without_an_entry_is_a_decline() -> None:
    explanation = explain(outcome(OutcomeKind.DECLINED, response_code="ZZ"))
    assert explanation.money_state is MoneyState.NOT_DEBITED


def test_a_partial_approval_says_what_is_missing() -> None:
    text = render_receipt(outcome(OutcomeKind.APPROVED, response_code="10", approved_minor=1000))
    assert "Approved for 10.00 CNY only" in text
    assert "Collect the rest" in text


@pytest.mark.parametrize(
    ("kind", "money_state"),
    [
        (OutcomeKind.REVERSED, MoneyState.RETURNING),
        (OutcomeKind.REVERSAL_OWED, MoneyState.UNKNOWN),
        (OutcomeKind.UNANSWERED, MoneyState.UNKNOWN),
        (OutcomeKind.NOT_SENT, MoneyState.NOT_DEBITED),
        (OutcomeKind.BLOCKED, MoneyState.NOT_DEBITED),
    ],
)
def test_money_is_never_said_to_be_safe_when_nobody_knows(
    kind: OutcomeKind, money_state: MoneyState
) -> None:
    assert explain(outcome(kind, owes_reversal=True)).money_state is money_state


def test_a_repeat_that_brought_nothing_leaves_the_first_result() -> None:
    text = render_receipt(outcome(OutcomeKind.UNANSWERED, operation=Operation.REPEAT))
    assert "the first result stands" in text


def test_notes_are_printed_only_where_they_matter() -> None:
    plain = render_receipt(outcome(OutcomeKind.APPROVED))
    noted = render_receipt(
        outcome(OutcomeKind.DECLINED, response_code="A0", must_sign_on=True, is_proven=False)
    )
    assert "Sign on before" not in plain
    assert "Sign on before" in noted
    assert "has no MAC" in noted


def test_a_mac_that_failed_for_another_merchants_keys_says_so_and_what_to_do() -> None:
    text = render_receipt(
        outcome(
            OutcomeKind.DECLINED,
            response_code="A0",
            reason="mac-invalid",
            must_sign_on=True,
            keys_merchant_id="898110154110099",
        )
    )
    assert "以商户 898110154110099 签到取得的" in text
    assert "a sign-on as merchant 898110154110099: pay as that one; if" in text
    assert "Sign on again" not in text
    assert "Sign on before" not in text


def test_the_end_of_a_batch_shows_both_counts_and_no_money_that_moved() -> None:
    settlement = Settlement(
        totals=BatchTotals(12_500, 2, 2_500, 1),
        switch_totals=BatchTotals(10_000, 1, 2_500, 1),
        uploaded_count=3,
    )
    text = render_receipt(
        outcome(
            OutcomeKind.UNBALANCED,
            operation=Operation.SETTLEMENT,
            masked_pan="",
            amount_minor=0,
            currency="",
            settlement=settlement,
        )
    )
    for part in ("debit 2 = 125.00 CNY", "debit 1 = 100.00 CNY", "credit 1 = 25.00 CNY", " 3"):
        assert part in text
    assert "资金 Money" not in text


def test_a_receipt_says_no_more_of_the_money_than_is_known() -> None:
    refunded = render_receipt(outcome(OutcomeKind.APPROVED, operation=Operation.REFUND))
    assert "The refunded amount was given back" in refunded
    reported = render_receipt(outcome(OutcomeKind.APPROVED, operation=Operation.OFFLINE))
    assert "its issuer has not booked it yet" in reported
    noticed = outcome(OutcomeKind.APPROVED, operation=Operation.SCRIPT_NOTICE)
    assert "资金 Money" not in render_receipt(noticed)


def test_an_unknown_void_promises_no_money_back() -> None:
    unknown = outcome(
        OutcomeKind.DECLINED,
        operation=Operation.VOID,
        response_code="98",
        reason="upstream-unknown",
    )
    text = render_receipt(unknown)
    assert "the first payment stands as before" in text
    assert "Not known yet whether it was given back" in text
    assert "debit, if there was one" not in text


def test_a_refund_without_an_answer_is_not_to_be_reversed() -> None:
    text = render_receipt(
        outcome(OutcomeKind.UNANSWERED, operation=Operation.REFUND, owes_repeat=True)
    )
    assert "the terminal sends it again before its next payment" in text
    assert "Not known yet whether it was given back" in text
    assert "reverse it" not in text


def test_balances_are_printed_with_their_sign() -> None:
    balances = (Balance(account_type="01", amount_type="02", minor=-12_345, currency="156"),)
    text = render_receipt(
        outcome(OutcomeKind.APPROVED, operation=Operation.BALANCE, balances=balances)
    )
    assert "-123.45 CNY" in text
    assert "金额 Amount" not in text


def test_a_refused_void_says_that_the_first_payment_stands() -> None:
    refused = outcome(OutcomeKind.DECLINED, operation=Operation.VOID, response_code="25")
    assert "The first payment stays as it was" in render_receipt(refused)
    taken_back = outcome(OutcomeKind.REVERSED, operation=Operation.REVERSAL, about=Operation.VOID)
    assert "The first payment stays as it was" in render_receipt(taken_back)


def test_a_pre_authorization_is_held_not_debited() -> None:
    text = render_receipt(outcome(OutcomeKind.APPROVED, operation=Operation.PRE_AUTHORIZATION))
    assert "Held, not debited" in text


@pytest.mark.parametrize(
    ("operation", "kind", "words"),
    [
        (Operation.REFUND, OutcomeKind.APPROVED, "Refund 000122, 5.00 CNY: 现已确认 / approved"),
        (Operation.REFUND, OutcomeKind.DECLINED, "Refund 000122, 5.00 CNY: 被拒绝 / declined"),
        (Operation.SALE, OutcomeKind.REVERSED, "Sale 000122, 5.00 CNY: 现已冲正 / taken back now"),
        (Operation.SALE, OutcomeKind.REVERSAL_REFUSED, "its reversal was refused"),
        (
            Operation.SALE,
            OutcomeKind.REVERSAL_OWED,
            "5.00 CNY: 冲正仍未确认 / still not taken back",
        ),
        (Operation.SCRIPT_NOTICE, OutcomeKind.REPEAT_OWED, "000122: 仍未得到确认 / still not"),
    ],
)
def test_what_became_of_an_earlier_payment_is_printed(
    operation: Operation, kind: OutcomeKind, words: str
) -> None:
    earlier = Earlier(
        operation=operation, stan="000122", amount_minor=500, currency="156", kind=kind
    )
    assert words in render_receipt(outcome(OutcomeKind.APPROVED, earlier=earlier))


def test_what_is_concerned_is_printed() -> None:
    text = render_receipt(outcome(OutcomeKind.APPROVED, original_rrn="010000000001"))
    assert "010000000001" in text


def test_a_settlement_without_an_answer_says_to_settle_again() -> None:
    text = render_receipt(outcome(OutcomeKind.UNANSWERED, operation=Operation.SETTLEMENT))
    assert "settle again" in text


@pytest.mark.parametrize("operation", [Operation.ADJUSTMENT, Operation.TIP, Operation.OFFLINE])
def test_what_was_recorded_as_a_case_is_not_said_to_go_to_its_issuer(operation: Operation) -> None:
    recorded = outcome(OutcomeKind.APPROVED, operation=operation, response_code="00")
    assert "its issuer is told" in render_receipt(recorded)
    doubtful = outcome(
        OutcomeKind.APPROVED,
        operation=operation,
        response_code="00",
        reason="case-opened",
        detail="original-not-open: refunded",
    )
    text = render_receipt(doubtful)
    assert "no issuer can be told: a case was opened for it" in text
    assert explain(doubtful).money_state is MoneyState.NOT_DEBITED
    assert "its issuer is told" not in text
    assert "Nothing to do" not in text
