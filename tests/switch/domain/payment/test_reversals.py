import pytest
from msgspec.structs import replace

from switch.domain.card import Card
from switch.domain.money import Money
from switch.domain.payment.events import (
    CaseOpened,
    LateAnswerReceived,
    PaymentReversed,
    ReversalAccepted,
    ReversalAnswered,
    ReversalRequested,
    SettlementLine,
    TombstoneSet,
)
from switch.domain.payment.requests import OriginalReference
from switch.domain.payment.reversals import (
    decide_late_answer,
    decide_reversal,
    decide_reversal_answer,
    fits_original,
    mirror_line,
    needs_confirmation,
    original_key,
)
from switch.domain.payment.rules import DecisionRules
from switch.domain.payment.state import Phase
from switch.domain.transactions import TransactionType

RULES = DecisionRules()
AT = 1_700_000_000_000
RRN = "010000000007"
LINE = SettlementLine(
    acquirer="demo",
    merchant_id="898110154110001",
    settlement_date="2023-11-15",
    currency="156",
    gross_minor=100,
    fee_minor=1,
    terminal_id="00000001",
    batch="000001",
)


@pytest.fixture
def reversal(request_):
    key = request_.idempotency_key.replace("|payment", "|reversal")
    return ReversalRequested(
        request=replace(request_, mti="0400", idempotency_key=key, reversal_reason="98"), at=AT
    )


def test_the_originals_key_differs_in_the_class_alone(reversal, request_):
    assert original_key(reversal.request) == request_.idempotency_key


@pytest.mark.parametrize(
    ("phase", "upstream"),
    [
        (Phase.ROUTED, True),
        (Phase.APPROVED, True),
        (Phase.DECLINED, False),
        (Phase.REVERSING, False),
        (Phase.REVERSED, False),
        (Phase.CASE, False),
    ],
)
def test_every_reversal_that_fits_is_answered_00(reversal, routed, phase, upstream):
    [event] = decide_reversal(reversal, replace(routed, phase=phase), RULES)
    assert isinstance(event, ReversalAccepted)
    assert event.answer.response_code == "00"
    assert event.upstream is upstream


def test_an_unknown_original_gets_a_tombstone_and_00(reversal, request_):
    tombstone, accepted = decide_reversal(reversal, None, RULES)
    assert isinstance(tombstone, TombstoneSet)
    assert tombstone.idempotency_key == request_.idempotency_key
    assert tombstone.until == AT + RULES.tombstone_ms
    assert accepted.answer.response_code == "00"


OTHER_CARD = Card(
    token="o" * 64,
    token_key_id="k1",
    masked_pan="",
    bin="",
    sealed_pan=b"",
    seal_key_id="",
    seal_id="",
)


@pytest.mark.parametrize(
    "change",
    [
        {"amount": Money(101, "156")},
        {"amount": Money(100, "840")},
        {"card": OTHER_CARD},
        {"transaction": TransactionType.SALE_VOID},
    ],
)
def test_what_does_not_fit_is_25_and_a_case(reversal, routed, change):
    fact = replace(reversal, request=replace(reversal.request, **change))
    case, refused = decide_reversal(fact, routed, RULES)
    assert isinstance(case, CaseOpened)
    assert refused.answer.response_code == "25"
    assert not refused.upstream


def test_a_reversal_without_a_card_fits(reversal, routed):
    assert fits_original(replace(reversal.request, card=None), routed)


def _says(code):
    return ReversalAnswered(rrn=RRN, response_code=code, at=AT)


@pytest.mark.parametrize(
    ("debit_answered", "before", "code", "want"),
    [
        (True, (), "00", PaymentReversed),
        (True, (), "25", CaseOpened),
        (False, (), "00", None),
        (False, (), "25", None),
        (False, ("00",), "00", PaymentReversed),
        (False, ("00",), "25", PaymentReversed),
        (False, ("25",), "00", PaymentReversed),
        (False, ("25",), "25", CaseOpened),
        (True, (), "96", None),
        (True, ("96",) * 4, "", CaseOpened),
        (True, ("96",) * 3, "00", PaymentReversed),
    ],
)
def test_an_issuers_answer_to_a_reversal_ends_it_or_not(routed, debit_answered, before, code, want):
    payment = replace(
        routed,
        phase=Phase.REVERSING,
        debit_answered=debit_answered,
        reversal_codes=before,
    )
    events = decide_reversal_answer(payment, _says(code), RULES)
    assert [type(event) for event in events] == ([want] if want else [])


def test_the_mirror_takes_exactly_back_and_never_into_a_day_that_is_over():
    early = mirror_line(replace(LINE, settlement_date="2023-11-10"), AT, RULES)
    assert (early.gross_minor, early.fee_minor, early.net_minor) == (-100, -1, -99)
    assert early.settlement_date == "2023-11-15"
    assert mirror_line(replace(LINE, settlement_date="2023-11-16"), AT, RULES).settlement_date == (
        "2023-11-16"
    )
    assert mirror_line(None, AT, RULES) is None


@pytest.mark.parametrize(
    ("phase", "is_approval", "is_case"),
    [
        (Phase.APPROVED, False, True),
        (Phase.APPROVED, True, False),
        (Phase.DECLINED, True, True),
        (Phase.DECLINED, False, False),
        (Phase.CASE, True, True),
        (Phase.REVERSING, True, False),
        (Phase.REVERSED, True, False),
    ],
)
def test_a_late_answer_is_a_case_only_where_it_contradicts(routed, phase, is_approval, is_case):
    fact = LateAnswerReceived(rrn=RRN, response_code="00", at=AT)
    events = decide_late_answer(replace(routed, phase=phase), fact, is_approval=is_approval)
    assert bool(events) is is_case


def test_only_the_first_answer_to_an_unanswered_debits_reversal_wants_another(routed):
    assert needs_confirmation(routed, ("00",))
    assert not needs_confirmation(routed, ("00", "00"))
    assert not needs_confirmation(replace(routed, debit_answered=True), ("00",))


def test_a_quoted_trace_number_goes_into_the_tombstone(reversal):
    request = replace(reversal.request, original=OriginalReference(stan="000099"))
    tombstone, _accepted = decide_reversal(replace(reversal, request=request), None, RULES)
    assert tombstone.stan == "000099"
