import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from switch.domain.money import Money
from switch.domain.payment.events import (
    AdviceConfirmed,
    IssuerAnswered,
    IssuerTimedOut,
    OutcomeAwaited,
    OutcomeUnknown,
    PaymentApproved,
    PaymentDeclined,
)
from switch.domain.payment.outcomes import (
    NEVER_SENT,
    decide_issuer_answer,
    decide_issuer_timeout,
    decide_repeat_answer,
)
from switch.domain.payment.payment import Phase
from switch.domain.payment.rules import DecisionRules
from switch.domain.transactions import TransactionType

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


@pytest.mark.parametrize("amount", [None, Money(50, "840")])
def test_a_partial_approval_of_who_knows_how_much_is_unknown(routed, amount):
    request = replace(routed.request, partial_approval_accepted=True)
    [event] = decide_issuer_answer(
        replace(routed, request=request), _answer("10", amount=amount), RULES
    )
    assert isinstance(event, OutcomeUnknown)
    assert event.answer.response_code == "98"


@pytest.mark.parametrize("kind", [TransactionType.SALE_VOID, TransactionType.COMPLETION_VOID])
def test_what_gives_money_back_is_never_approved_in_part(routed, kind):
    request = replace(routed.request, transaction=kind, partial_approval_accepted=True)
    [event] = decide_issuer_answer(
        replace(routed, request=request), _answer("10", amount=Money(50, "156")), RULES
    )
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


# -- requests that are repeated until answered -----------------------------------------------------

PATIENCE = ["09", "68", "90", "91", "92", "96", "98"]
SAYS_NOTHING = ["", "06", "20", "94"]


@pytest.fixture
def repeating(routed):
    """A refund without an answer."""
    request = replace(routed.request, transaction=TransactionType.REFUND)
    return replace(routed, request=request, phase=Phase.REPEATING)


@pytest.fixture
def advice(routed):
    """An offline sale that its issuer has not taken yet."""
    request = replace(routed.request, transaction=TransactionType.OFFLINE_ADVICE)
    return replace(routed, request=request, phase=Phase.APPROVED, advice_open=True)


@pytest.mark.parametrize("code", PATIENCE)
@pytest.mark.parametrize("bad_answer_count", [0, 99])
def test_an_issuer_that_asks_for_patience_gets_it_however_often(
    repeating, advice, code, bad_answer_count
):
    for payment in (repeating, advice):
        payment = replace(payment, bad_answer_count=bad_answer_count)  # noqa: PLW2901 - the same one, later
        assert decide_repeat_answer(payment, _answer(code), RULES) == ()


@pytest.mark.parametrize("code", SAYS_NOTHING)
def test_an_answer_that_says_nothing_leaves_it_open_until_there_were_too_many(
    repeating, advice, code
):
    last = RULES.reversal_answers_bad_count_max - 1
    for payment in (repeating, advice):
        assert decide_repeat_answer(payment, _answer(code), RULES) == ()
        [case] = decide_repeat_answer(replace(payment, bad_answer_count=last), _answer(code), RULES)
        assert case.kind == "repeat-poisoned"


def test_a_fault_or_another_amount_says_nothing(repeating, advice):
    for payment in (repeating, advice):
        for fields in ({"fault": "bad MAC"}, {"amount": Money(99, "156")}):
            assert decide_repeat_answer(payment, _answer("00", **fields), RULES) == ()


def test_the_word_on_a_repeated_refund_is_final(repeating):
    [approved] = decide_repeat_answer(repeating, _answer("00"), RULES)
    assert isinstance(approved, PaymentApproved)
    declined, case = decide_repeat_answer(repeating, _answer("61"), RULES)
    assert isinstance(declined, PaymentDeclined)
    assert case.kind == "refund-declined-late"


def test_the_word_on_an_advice_confirms_it_or_is_a_case(advice):
    [confirmed] = decide_repeat_answer(advice, _answer("00"), RULES)
    assert isinstance(confirmed, AdviceConfirmed)
    [case] = decide_repeat_answer(advice, _answer("51"), RULES)
    assert case.kind == "advice-refused"


@pytest.mark.parametrize(
    ("kind", "want", "code"),
    [
        (TransactionType.SALE, OutcomeUnknown, "98"),
        (TransactionType.PRE_AUTHORIZATION, OutcomeUnknown, "98"),
        (TransactionType.COMPLETION, OutcomeUnknown, "98"),
        (TransactionType.SALE_VOID, OutcomeUnknown, "98"),
        (TransactionType.PRE_AUTHORIZATION_VOID, OutcomeUnknown, "98"),
        (TransactionType.COMPLETION_VOID, OutcomeUnknown, "98"),
        (TransactionType.REFUND, OutcomeAwaited, "98"),
        (TransactionType.BALANCE_INQUIRY, PaymentDeclined, "91"),
    ],
)
@pytest.mark.parametrize("cause", ["timeout", "link-lost", "taken-over"])
def test_what_silence_means_by_what_was_asked(routed, kind, want, code, cause):
    payment = replace(routed, request=replace(routed.request, transaction=kind))
    [event] = decide_issuer_timeout(payment, IssuerTimedOut(rrn=RRN, cause=cause, at=AT))
    assert isinstance(event, want)
    assert event.answer.response_code == code
