import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from switch.domain.money import Money
from switch.domain.payment.events import (
    IssuerAnswered,
    IssuerTimedOut,
    OutcomeUnknown,
    PaymentApproved,
    PaymentDeclined,
)
from switch.domain.payment.outcomes import NEVER_SENT, decide_issuer_answer, decide_issuer_timeout
from switch.domain.payment.rules import DecisionRules

RULES = DecisionRules()
RRN = "010000000007"
AT = 1_700_000_000_000


def _answer(code, **fields):
    return IssuerAnswered(rrn=RRN, response_code=code, at=AT, **fields)


@pytest.mark.parametrize("code", ["00", "11", "A2", "A4", "A5", "A6"])
def test_an_approval_makes_a_settlement_line(routed, code):
    [event] = decide_issuer_answer(routed, _answer(code, authorization_id="A1"), RULES)
    assert isinstance(event, PaymentApproved)
    assert (event.line.gross_minor, event.line.fee_minor, event.line.net_minor) == (100, 1, 99)
    assert event.answer.response_code == code
    assert event.answer.authorization_id == "A1"


@pytest.mark.parametrize("code", ["01", "05", "51", "54", "55", "61", "91", "92"])
def test_the_issuers_no_is_passed_on_unchanged(routed, code):
    [event] = decide_issuer_answer(routed, _answer(code), RULES)
    assert isinstance(event, PaymentDeclined)
    assert event.answer.response_code == code


@pytest.mark.parametrize("code", ["06", "20", "68", "96", "98"])
def test_a_code_that_leaves_the_outcome_open_is_unknown(routed, code):
    [event] = decide_issuer_answer(routed, _answer(code), RULES)
    assert isinstance(event, OutcomeUnknown)
    assert event.answer.response_code == "98"


@given(st.integers(0, 10**12 - 1))
def test_an_approval_of_any_other_amount_is_unknown(minor):
    from switch.domain.payment.payment import Payment  # noqa: PLC0415 - fixtures and given clash

    payment = _ROUTED[0]
    assert isinstance(payment, Payment)
    events = decide_issuer_answer(payment, _answer("00", amount=Money(minor, "156")), RULES)
    assert isinstance(events[0], PaymentApproved) is (minor == 100)


_ROUTED = []


@pytest.fixture(autouse=True)
def _keep_a_routed_payment(routed):
    _ROUTED[:] = [routed]


def test_an_answer_that_cannot_be_trusted_is_unknown(routed):
    [event] = decide_issuer_answer(routed, _answer("00", fault="bad MAC"), RULES)
    assert isinstance(event, OutcomeUnknown)


def test_an_approval_after_the_terminal_took_it_back_goes_back(routed):
    payment = replace(routed, reverse_requested=True)
    [event] = decide_issuer_answer(payment, _answer("00"), RULES)
    assert isinstance(event, OutcomeUnknown)
    assert event.cause == "reversal-requested"


def test_an_odd_settlement_date_is_ours_with_a_warning(routed):
    [event] = decide_issuer_answer(routed, _answer("00", settlement_date="0101"), RULES)
    assert event.line.settlement_date == "2023-11-15"
    assert event.warning == "settlement-date-not-adjacent"


@pytest.mark.parametrize("minor", [0, 101])
def test_a_partial_approval_of_nothing_or_of_more_is_unknown(routed, minor):
    request = replace(routed.request, partial_approval_accepted=True)
    payment = replace(routed, request=request)
    [event] = decide_issuer_answer(payment, _answer("10", amount=Money(minor, "156")), RULES)
    assert isinstance(event, OutcomeUnknown)


def test_the_fee_of_a_partial_approval_is_that_of_what_was_given(routed):
    request = replace(routed.request, partial_approval_accepted=True, amount=Money(10_000, "156"))
    payment = replace(routed, request=request)
    [event] = decide_issuer_answer(payment, _answer("10", amount=Money(5_000, "156")), RULES)
    assert (event.line.gross_minor, event.line.fee_minor) == (5_000, 30)
    assert event.answer.amount == Money(5_000, "156")


@pytest.mark.parametrize("cause", ["timeout", "link-lost", "taken-over"])
def test_silence_intends_a_reversal(routed, cause):
    [event] = decide_issuer_timeout(routed, IssuerTimedOut(rrn=RRN, cause=cause, at=AT))
    assert isinstance(event, OutcomeUnknown)
    assert event.answer.response_code == "98"


def test_what_was_certainly_never_sent_is_declined_and_not_reversed(routed):
    [event] = decide_issuer_timeout(routed, IssuerTimedOut(rrn=RRN, cause=NEVER_SENT, at=AT))
    assert isinstance(event, PaymentDeclined)
    assert event.answer.response_code == "96"
