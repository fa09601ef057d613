import msgspec
import pytest
from msgspec.structs import replace

from switch.domain.money import Money
from switch.domain.payment.payment import Payment, Phase, SettlementLine, Touch
from switch.domain.payment.requests import Answer, OriginalReference, PaymentRequest
from switch.domain.reasons import Reason
from switch.domain.transactions import MoneyState, TransactionType
from switch.handlers.json_answers import (
    make_resource,
    make_reversal,
    money_left,
    show_status,
    tell,
    write_in_progress,
    write_payment,
    write_reversal,
)

RRN, VOID_RRN = "010000000001", "010000000002"
REQUEST = PaymentRequest(
    idempotency_key="json|c|m|k",
    fingerprint="f",
    channel="json",
    acquirer="a",
    merchant_id="m",
    transaction=TransactionType.SALE,
    received_at=0,
    start_before=0,
    deadline_at=0,
    amount=Money(1000, "156"),
)
APPROVED = Answer(response_code="00", at=0, rrn=RRN)
SALE = Payment(rrn=RRN, request=REQUEST, phase=Phase.APPROVED, answer=APPROVED)
VOID = Payment(
    rrn=VOID_RRN,
    request=replace(
        REQUEST,
        transaction=TransactionType.SALE_VOID,
        original=OriginalReference(rrn=RRN),
    ),
    phase=Phase.APPROVED,
    answer=replace(APPROVED, rrn=VOID_RRN),
)


def decline(reason, code="96", detail=""):
    return Answer(response_code=code, at=0, reason=reason.value, rrn=VOID_RRN, detail=detail)


def nobody(_rrn):
    return None


@pytest.mark.parametrize(
    ("answer", "status", "word", "money"),
    [
        (Answer(response_code="00", at=0), 201, "approved", "debited"),
        (decline(Reason.ISSUER_DECLINED, "51"), 201, "declined", "not-debited"),
        (decline(Reason.MERCHANT_FROZEN, "03"), 201, "declined", "not-debited"),
        (decline(Reason.UPSTREAM_UNKNOWN, "98"), 202, "unknown", "unknown"),
    ],
)
def test_a_decline_is_a_resource_and_an_unknown_outcome_is_202(answer, status, word, money):
    found, body = write_payment(answer, None, nobody)
    resource = msgspec.json.decode(body)
    assert found == status
    assert (resource["status"], resource["money_state"]) == (word, money)
    assert resource["message_zh"]
    assert resource["next_action_en"]


def test_the_settlement_date_is_a_whole_date_as_a_look_up_gives_it_and_none_where_nothing_settles():
    line = SettlementLine(
        acquirer="a",
        merchant_id="m",
        settlement_date="2026-11-23",
        currency="156",
        gross_minor=1000,
        fee_minor=6,
    )
    answer = replace(APPROVED, settlement_date="1123")
    assert make_resource(answer, replace(SALE, line=line)).settlement_date == "2026-11-23"
    assert make_resource(answer, SALE).settlement_date == ""


def test_an_unknown_outcome_says_where_to_ask():
    resource = make_resource(decline(Reason.UPSTREAM_UNKNOWN, "98"), None)
    assert resource.status_url == f"/v1/payments/{VOID_RRN}"
    assert make_resource(APPROVED, SALE).status_url == ""


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_can_be_told_to_a_partner(reason):
    for transaction in (TransactionType.SALE, TransactionType.SALE_VOID):
        payment = replace(
            VOID, request=replace(VOID.request, transaction=transaction), phase=Phase.DECLINED
        )
        for resource in (
            make_resource(decline(reason), None),
            make_resource(decline(reason), payment, SALE),
            make_reversal(decline(reason), SALE),
        ):
            assert resource.message_en
            assert resource.message_zh
        assert write_payment(decline(reason), payment, nobody)[0] in {201, 202, 404, 422}


@pytest.mark.parametrize(
    ("phase", "reversed_", "sale", "void"),
    [
        (Phase.APPROVED, False, ("approved", "debited"), ("approved", "returned")),
        (Phase.DECLINED, False, ("declined", "not-debited"), ("declined", "debited")),
        (Phase.REVERSING, False, ("unknown", "returning"), ("unknown", "unknown")),
        (Phase.REVERSED, False, ("declined", "returned"), ("declined", "debited")),
        (Phase.REVERSING, True, ("reversed", "returning"), ("reversed", "unknown")),
        (Phase.REVERSED, True, ("reversed", "returned"), ("reversed", "debited")),
        (Phase.CASE, False, ("unknown", "unknown"), ("unknown", "unknown")),
    ],
)
def test_the_phase_says_the_status_and_the_kind_says_whose_money(phase, reversed_, sale, void):
    answer = decline(Reason.UPSTREAM_UNKNOWN, "98")
    for payment, want in ((SALE, sale), (VOID, void)):
        stands = replace(payment, phase=phase, reverse_requested=reversed_)
        resource = make_resource(answer, stands)
        assert (resource.status, resource.money_state) == want


def test_what_can_only_be_refunded_is_still_debited_and_says_what_to_do_instead():
    resource = make_reversal(decline(Reason.ORIGINAL_REFUND_ONLY), SALE)
    assert (resource.status, resource.money_state) == ("declined", "debited")
    assert resource.next_action_en == "Refund what is left of it instead"
    assert resource.retry == "never"


def test_a_partial_approval_that_goes_back_is_a_decline():
    answer = decline(Reason.PARTIAL_APPROVAL_REFUSED, "51")
    resource = make_resource(answer, replace(SALE, phase=Phase.REVERSING))
    assert (resource.status, resource.money_state) == ("declined", "returning")


@pytest.mark.parametrize(
    ("changes", "money"),
    [
        ({}, MoneyState.DEBITED),
        ({"phase": Phase.DECLINED}, MoneyState.NOT_DEBITED),
        ({"phase": Phase.REVERSING}, MoneyState.RETURNING),
        ({"phase": Phase.ROUTED, "reverse_requested": True}, MoneyState.RETURNING),
        ({"phase": Phase.REVERSED}, MoneyState.RETURNED),
    ],
)
def test_the_money_left_is_that_of_the_phase(changes, money):
    assert money_left(replace(SALE, **changes)) is money


@pytest.mark.parametrize(
    ("kind", "minor", "is_done", "money"),
    [
        (TransactionType.SALE_VOID, 1000, False, MoneyState.DEBITED),
        (TransactionType.SALE_VOID, 1000, True, MoneyState.RETURNED),
        (TransactionType.REFUND, 400, True, MoneyState.DEBITED),
        (TransactionType.REFUND, 1000, True, MoneyState.RETURNED),
    ],
)
def test_the_money_left_is_what_voids_and_refunds_leave(kind, minor, is_done, money):
    touch = Touch(rrn=VOID_RRN, transaction=kind, minor=minor, is_done=is_done)
    assert money_left(replace(SALE, touches=(touch,))) is money


@pytest.mark.parametrize(
    ("kind", "money"),
    [
        (None, MoneyState.NOT_DEBITED),
        (TransactionType.COMPLETION, MoneyState.DEBITED),
        (TransactionType.PRE_AUTHORIZATION_VOID, MoneyState.NOT_DEBITED),
    ],
)
def test_what_is_held_is_not_debited_until_it_is_completed(kind, money):
    request = replace(SALE.request, transaction=TransactionType.PRE_AUTHORIZATION)
    touches = (Touch(rrn=VOID_RRN, transaction=kind, minor=1000, is_done=True),) if kind else ()
    assert money_left(replace(SALE, request=request, touches=touches)) is money


def test_what_a_person_must_find_out_is_not_said_to_be_approved_with_nothing_to_do():
    told = tell("00", "", TransactionType.OFFLINE_ADVICE, Phase.CASE)
    assert (told.actor, told.retry) == ("acquirer", "never")
    assert told.message.en == "A person must find out what became of this"


@pytest.mark.parametrize("transaction", [TransactionType.SALE, TransactionType.SALE_VOID])
def test_words_change_once_an_unknown_outcome_has_ended(transaction):
    unknown = Reason.UPSTREAM_UNKNOWN.value
    before = tell("98", unknown, transaction, Phase.REVERSING)
    after = tell("98", unknown, transaction, Phase.REVERSED)
    assert before.retry == "never"
    assert after.retry == "new-attempt"
    assert before.message != after.message


def test_no_word_of_an_unknown_void_speaks_of_charging_a_card():
    unknown = Reason.UPSTREAM_UNKNOWN.value
    for phase in (Phase.REVERSING, Phase.REVERSED):
        told = tell("98", unknown, TransactionType.SALE_VOID, phase)
        assert "charge" not in told.message.en + told.next_action.en


def test_a_reversal_that_is_accepted_speaks_of_the_payment_as_it_is_now():
    reversing = replace(SALE, phase=Phase.REVERSING, reverse_requested=True)
    status, body = write_reversal(APPROVED, {RRN: reversing}.get)
    resource = msgspec.json.decode(body)
    assert (status, resource["status"], resource["money_state"]) == (201, "reversed", "returning")
    assert resource["rrn"] == resource["original_rrn"] == RRN
    assert resource["message_en"] == "The reversal is accepted"


@pytest.mark.parametrize(
    ("changes", "status", "word", "money"),
    [
        ({"phase": Phase.ROUTED, "reverse_requested": True}, 201, "reversed", "returning"),
        ({"phase": Phase.REVERSED}, 201, "reversed", "returned"),
        ({"phase": Phase.DECLINED}, 201, "reversed", "not-debited"),
        ({"phase": Phase.CASE}, 202, "unknown", "unknown"),
    ],
)
def test_a_reversal_says_where_the_money_is(changes, status, word, money):
    found, body = write_reversal(APPROVED, {RRN: replace(SALE, **changes)}.get)
    resource = msgspec.json.decode(body)
    assert (found, resource["status"], resource["money_state"]) == (status, word, money)


def test_a_reversal_whose_payment_is_forgotten_has_long_been_carried_out():
    resource = msgspec.json.decode(write_reversal(APPROVED, nobody)[1])
    assert (resource["status"], resource["money_state"]) == ("reversed", "returned")


@pytest.mark.parametrize(
    ("reason", "status"), [(Reason.FORMAT_ERROR, 400), (Reason.ORIGINAL_UNREADABLE, 503)]
)
def test_what_never_became_a_payment_is_a_problem(reason, status):
    found, body = write_payment(replace(decline(reason), rrn=""), None, nobody)
    problem = msgspec.json.decode(body)
    assert (found, problem["status"], problem["reason_code"]) == (status, status, reason.value)
    assert problem["type"].startswith("urn:payment-switch:problem:")


def test_not_found_is_404_but_the_wrong_kind_is_a_decline():
    missing = decline(Reason.ORIGINAL_NOT_FOUND, "25")
    assert write_payment(missing, VOID, nobody)[0] == 404
    assert write_reversal(missing, nobody)[0] == 404
    kind = decline(Reason.ORIGINAL_NOT_FOUND, "25", "it is a refund")
    assert write_payment(kind, replace(VOID, phase=Phase.DECLINED), nobody)[0] == 201


def test_a_key_with_other_content_is_422():
    for write in (
        lambda answer: write_payment(answer, SALE, nobody),
        lambda answer: write_reversal(answer, nobody),
    ):
        status, body = write(decline(Reason.DUPLICATE_CONFLICT, "94"))
        assert (status, msgspec.json.decode(body)["rrn"]) == (422, VOID_RRN)


def test_a_key_whose_first_request_runs_is_409():
    status, body = write_in_progress(SALE)
    assert (status, msgspec.json.decode(body)["retry"]) == (409, "same-key")


@pytest.mark.parametrize(
    ("phase", "code", "reason", "word"),
    [
        (Phase.ROUTED, "", "", "unknown"),
        (Phase.REVERSING, "98", "upstream-unknown", "unknown"),
        (Phase.REVERSING, "51", "partial-approval-refused", "declined"),
        (Phase.REVERSED, "98", "upstream-unknown", "declined"),
        (Phase.REVERSING, "00", "", "reversed"),
        (Phase.REVERSED, "00", "", "reversed"),
        (Phase.REVERSED, "94", "already-reversed", "reversed"),
        (Phase.REPEATING, "98", "refund-unknown", "unknown"),
        (Phase.CASE, "00", "", "unknown"),
    ],
)
def test_what_is_looked_up_reads_as_it_stands(phase, code, reason, word):
    assert show_status(phase, code, reason) == word


@pytest.mark.parametrize("phase", [Phase.REVERSING, Phase.REVERSED, Phase.CASE])
@pytest.mark.parametrize("reason", [Reason.UPSTREAM_UNKNOWN, Reason.PARTIAL_APPROVAL_REFUSED])
def test_a_look_up_and_a_repeat_under_the_same_key_say_the_same(phase, reason):
    answer = decline(reason, "98")
    for payment in (SALE, VOID):
        stands = replace(payment, phase=phase)
        repeated = make_resource(answer, stands)
        assert show_status(phase, answer.response_code, answer.reason) == repeated.status
        assert repeated.money_state == stands.money_state.value, "as a look-up gives it"
