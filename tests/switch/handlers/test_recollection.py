"""A payment is read back as far as its answer, and only what was approved can be changed."""

import pytest

from switch.domain.fees import FeePlan
from switch.domain.money import Money
from switch.domain.payment.events import (
    OutcomeUnknown,
    PaymentApproved,
    PaymentDeclined,
    PaymentRequested,
    PaymentRouted,
)
from switch.domain.payment.payment import Phase, RouteTerms, SettlementLine
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.transactions import TransactionType
from switch.eventlog.journal import JournalRecord
from switch.handlers.recollection import (
    OPENED_WITHIN_COUNT,
    SETTLED_WITHIN_MS,
    Recollection,
)

RRN = "030000000007"
AT = 1_700_000_000_000
TERMS = RouteTerms(issuer_id="i", link="l", merchant_type="5411", fee_plan=FeePlan(rate_ppm=6_000))
LINE = SettlementLine(
    acquirer="a",
    merchant_id="m",
    settlement_date="2023-11-14",
    currency="156",
    gross_minor=100,
    fee_minor=1,
)


def _record(*events, at=AT):
    return JournalRecord(claim_id="c", at=at, watermark=0, registry_position=0, events=events)


def _opening(rrn=RRN):
    request = PaymentRequest(
        idempotency_key=rrn,
        fingerprint="f",
        channel="unionpay-pos",
        acquirer="a",
        merchant_id="m",
        transaction=TransactionType.SALE,
        received_at=AT,
        start_before=AT,
        deadline_at=AT,
        amount=Money(100, "156"),
    )
    routed = PaymentRouted(rrn=rrn, terms=TERMS, upstream_stan="000001", transmission_time="1114")
    return _record(PaymentRequested(rrn=rrn, request=request, at=AT), routed)


def _answer(code="00"):
    return Answer(response_code=code, at=AT, rrn=RRN)


def test_an_approved_payment_is_found_with_what_its_change_needs():
    recollection = Recollection(RRN)
    assert not recollection.feed(_opening())
    assert recollection.feed(_record(PaymentApproved(rrn=RRN, answer=_answer(), line=LINE)))
    payment = recollection.payment
    assert payment is not None
    assert (payment.phase, payment.terms, payment.line) == (Phase.APPROVED, TERMS, LINE)


@pytest.mark.parametrize(
    "end",
    [
        PaymentDeclined(rrn=RRN, answer=_answer("51")),
        OutcomeUnknown(rrn=RRN, cause="timeout", answer=_answer("98")),
    ],
)
def test_a_payment_that_was_not_approved_cannot_be_changed(end):
    recollection = Recollection(RRN)
    recollection.feed(_opening())
    assert recollection.feed(_record(end))
    assert recollection.payment is None


def test_other_payments_are_passed_over():
    recollection = Recollection(RRN)
    assert not recollection.feed(_opening("030000000006"))
    assert not recollection.feed(_opening())
    other = PaymentApproved(rrn="030000000006", answer=_answer(), line=LINE)
    assert not recollection.feed(_record(other))
    assert recollection.payment is None


def test_a_payment_that_is_not_there_is_not_looked_for_for_ever():
    recollection = Recollection(RRN)
    opened = [recollection.feed(_record()) for _ in range(OPENED_WITHIN_COUNT)]
    assert not any(opened)
    assert recollection.feed(_record())
    assert recollection.payment is None


def test_an_answer_is_not_waited_for_for_ever():
    recollection = Recollection(RRN)
    recollection.feed(_opening())
    assert recollection.feed(_record(at=AT + SETTLED_WITHIN_MS + 1))
    assert recollection.payment is None
