import msgspec
import pytest

from projections.audit.payments import PaymentRow
from projections.queries.case_file import Standing
from switch.adapters.http_api import Unavailable
from switch.apps.payment_status import AuditStatus, make_found
from switch.domain.payment.payment import Phase, money_state_of
from switch.domain.transactions import TransactionType

ROW = PaymentRow(
    rrn="000000000042",
    partition=0,
    opened_at_ms=1_767_225_600_000,
    updated_at_ms=1_767_225_600_000,
    idempotency_key="json|partner|898110154110001|k",
    channel="json",
    acquirer="00000001",
    merchant_id="898110154110001",
    terminal_id="",
    batch="",
    stan="",
    kind="sale",
    amount_minor=1234,
    currency="156",
    masked_pan="620000******0005",
    issuer_id="demo",
    link="demo",
    state="approved",
    money_state="debited",
    response_code="00",
    reason="",
    authorization_id="000001",
    settlement_date="0101",
    reversal_attempts=0,
    case_count=0,
)


def found(*changed_by, **changes):
    row = msgspec.structs.replace(ROW, **changes)
    return make_found(Standing(payment=row, changed_by=changed_by)).resource


def change(rrn, kind, **changes):
    """Another transaction that changes the payment."""
    row = msgspec.structs.replace(ROW, rrn=rrn, kind=kind, original_rrn=ROW.rrn)
    money_state = money_state_of(TransactionType(kind), Phase(changes.get("state", "approved")))
    return msgspec.structs.replace(row, money_state=money_state.value, **changes)


def test_an_approved_payment_reads_as_its_first_answer_did():
    resource = found()
    assert (resource.status, resource.money_state) == ("approved", "debited")
    assert (resource.message_en, resource.card) == ("Approved", "620000******0005")
    assert resource.status_url == ""
    assert make_found(Standing(payment=ROW)).merchant_id == "898110154110001"


def test_an_issuers_refusal_is_told_in_the_words_of_its_code():
    resource = found(
        state="declined", money_state="not-debited", response_code="51", reason="issuer-declined"
    )
    assert (resource.status, resource.actor) == ("declined", "cardholder")


def test_a_payment_that_is_still_with_the_issuer_has_no_words_yet():
    resource = found(state="routed", money_state="unknown", response_code="", reason="")
    assert (resource.status, resource.message_en) == ("unknown", "")
    assert resource.status_url == "/v1/payments/000000000042"


@pytest.mark.parametrize(
    ("state", "money_state", "status"),
    [("reversing", "returning", "unknown"), ("reversed", "returned", "declined")],
)
def test_an_unknown_outcome_is_unknown_until_it_ends_declined_with_its_money_returned(
    state, money_state, status
):
    resource = found(
        state=state, money_state=money_state, response_code="98", reason="upstream-unknown"
    )
    assert (resource.status, resource.money_state) == (status, money_state)


def test_an_approval_that_was_taken_back_is_reversed():
    assert found(state="reversed", money_state="returned").status == "reversed"


def test_what_was_reversed_is_not_called_approved_in_words():
    resource = found(state="reversed", money_state="returned")
    assert resource.message_en.startswith("This payment was reversed")


def test_a_refused_void_is_looked_up_with_the_money_still_debited():
    resource = found(
        kind="sale-void",
        state="declined",
        money_state="debited",
        response_code="25",
        reason="original-of-other-batch",
    )
    assert (resource.transaction, resource.status) == ("sale-void", "declined")
    assert resource.money_state == "debited"
    assert "Refund it instead" in resource.next_action_en


def test_a_refund_that_is_repeated_is_unknown_with_its_money_on_the_way():
    resource = found(
        kind="refund",
        state="repeating",
        money_state="returning",
        response_code="98",
        reason="refund-unknown",
    )
    assert (resource.status, resource.money_state) == ("unknown", "returning")
    assert resource.status_url == "/v1/payments/000000000042"


def test_what_was_done_to_a_payment_is_told_with_it():
    first = change("000000000043", "refund", amount_minor=300)
    second = change("000000000044", "refund", amount_minor=200, state="repeating")
    resource = found(first, second)
    assert [(one.rrn, one.status, one.money_state) for one in resource.changes] == [
        ("000000000043", "approved", "returned"),
        ("000000000044", "unknown", "returning"),
    ]
    assert resource.refunded_minor == 300
    assert resource.money_state == "debited"
    assert resource.changes[0].at == "2026-01-01T00:00:00Z"
    assert resource.verdict.startswith("DEBITED: 12.34 CNY")
    assert "3.00 CNY was given back by refund 000000000043" in resource.verdict


@pytest.mark.parametrize(
    ("kind", "minor"), [("sale-void", 1234), ("refund", 1234)], ids=["void", "refund"]
)
def test_what_was_given_back_whole_is_no_longer_debited(kind, minor):
    resource = found(change("000000000043", kind, amount_minor=minor))
    assert (resource.status, resource.money_state) == ("approved", "returned")
    assert resource.verdict.startswith("DEBITED AND RETURNED")


def test_a_void_names_the_payment_that_it_gives_back():
    void = change("000000000043", "sale-void")
    resource = make_found(Standing(payment=void)).resource
    assert (resource.transaction, resource.original_rrn) == ("sale-void", ROW.rrn)
    assert (resource.status, resource.money_state) == ("approved", "returned")


def test_the_void_of_a_capture_is_told_with_the_hold():
    capture = change("000000000043", "completion")
    void = msgspec.structs.replace(
        change("000000000044", "completion-void"), original_rrn=capture.rrn
    )
    resource = found(capture, void, kind="pre-authorization")
    assert [one.original_rrn for one in resource.changes] == [ROW.rrn, capture.rrn]
    assert resource.verdict.startswith("HELD")


async def test_without_a_database_it_says_so():
    status = AuditStatus(lambda: "")
    with pytest.raises(Unavailable, match=r"knows no database .*set projector\.dsn"):
        await status.find_by_rrn("000000000042")


async def test_what_no_text_of_the_database_can_be_is_not_there():
    status = AuditStatus(lambda: "")  # it is not even asked
    assert await status.find_by_rrn("0100\x00") is None
    assert await status.find_by_key("partner", "898110154110001", "a\x00") is None
    assert await status.find_by_key("partner", "8981\x00", "a") is None


async def test_a_database_that_does_not_answer_is_unavailable(tmp_path):
    status = AuditStatus(lambda: f"postgresql://nobody@/none?host={tmp_path}")
    with pytest.raises(Unavailable, match="payments go on without it"):
        await status.find_by_key("partner", "m", "k")
    with pytest.raises(Unavailable):
        await status.list_last(10)
    await status.close()


def test_an_adjustment_among_the_changes_is_returned_once_it_was_refunded_with_its_sale():
    tip = change("000000000043", "adjustment-advice", amount_minor=100)
    part = change("000000000044", "refund", amount_minor=1234)
    assert [one.money_state for one in found(tip, part).changes] == ["debited", "returned"]
    rest = change("000000000045", "refund", amount_minor=100)
    whole = found(tip, part, rest)
    assert whole.money_state == "returned"
    assert {one.money_state for one in whole.changes} == {"returned"}
