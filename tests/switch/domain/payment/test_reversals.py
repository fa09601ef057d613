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
    TombstoneSet,
)
from switch.domain.payment.payment import Phase, SettlementLine, Touch
from switch.domain.payment.requests import Answer, OriginalReference
from switch.domain.payment.reversals import (
    awaits_confirmation,
    decide_late_answer,
    decide_reversal,
    decide_reversal_answer,
    fits_original,
    mirror_line,
    original_keys,
)
from switch.domain.payment.rules import DecisionRules
from switch.domain.payment.state import evolve
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
    assert original_keys(reversal.request) == (request_.idempotency_key,)


@pytest.mark.parametrize(
    ("quoted_date", "days"), [("1115", ["1115"]), ("1114", ["1115", "1114"]), ("", ["1115"])]
)
def test_without_a_batch_the_original_has_the_trace_number_that_de_90_quotes(
    reversal, quoted_date, days
):
    quoted = OriginalReference(stan="000099", date=quoted_date)
    request = replace(reversal.request, batch="1115", local_date="1115", original=quoted)
    assert original_keys(request) == tuple(
        f"demo|898110154110001|00000001|{day}|000099|payment" for day in days
    )
    tombstones = decide_reversal(replace(reversal, request=request), None, RULES)[:-1]
    assert [event.idempotency_key for event in tombstones] == list(original_keys(request))


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
        {"processing_code": "200000"},
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
        (True, ("12",) * 4, "", CaseOpened),
        (True, ("12",) * 3, "00", PaymentReversed),
        (True, ("12",) * 4, "91", None),
    ],
)
def test_an_issuers_answer_to_a_reversal_ends_it_or_not(routed, debit_answered, before, code, want):
    payment = replace(
        routed,
        phase=Phase.REVERSING,
        debit_answered=debit_answered,
        reversal_codes=before,
        reversal_attempt_count=len(before) + 1,
        confirm_after_attempt=0 if debit_answered else len(before),
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
    ("phase", "code", "is_case"),
    [
        (Phase.APPROVED, "51", True),
        (Phase.APPROVED, "00", False),
        (Phase.APPROVED, "94", False),
        (Phase.APPROVED, "09", False),
        (Phase.APPROVED, "06", False),
        (Phase.DECLINED, "00", True),
        (Phase.DECLINED, "51", False),
        (Phase.CASE, "00", True),
        (Phase.REVERSING, "00", True),
        (Phase.REVERSING, "51", False),
        (Phase.REVERSED, "00", True),
    ],
)
def test_a_late_answer_is_a_case_where_it_contradicts_or_approves_what_goes_back(
    routed, phase, code, is_case
):
    payment = replace(routed, phase=phase, reversal_codes=("00",))
    fact = LateAnswerReceived(rrn=RRN, response_code=code, at=AT)
    assert bool(decide_late_answer(payment, fact, is_approval=code == "00")) is is_case


def test_only_the_first_late_approval_of_what_goes_back_is_a_case(routed):
    payment = replace(routed, phase=Phase.REVERSING, debit_answered=True)
    fact = LateAnswerReceived(rrn=RRN, response_code="00", at=AT)
    assert decide_late_answer(payment, fact, is_approval=True) == ()


def test_a_late_balance_is_no_case(routed):
    inquiry = replace(routed.request, transaction=TransactionType.BALANCE_INQUIRY)
    payment = replace(routed, request=inquiry, phase=Phase.DECLINED)
    fact = LateAnswerReceived(rrn=RRN, response_code="00", at=AT)
    assert decide_late_answer(payment, fact, is_approval=True) == ()


def test_an_approval_of_what_a_person_called_returned_is_a_case(routed):
    fact = LateAnswerReceived(rrn=RRN, response_code="00", at=AT)
    by_hand = replace(routed, phase=Phase.REVERSED)
    assert decide_late_answer(by_hand, fact, is_approval=True)


def test_only_the_first_answer_to_an_unanswered_debits_reversal_wants_another(routed):
    sent = replace(routed, reversal_attempt_count=2)
    answered = evolve(sent, _says("00"))
    assert awaits_confirmation(answered)
    assert awaits_confirmation(evolve(answered, _says("25")))
    assert decide_reversal_answer(answered, _says("00"), RULES) == ()
    assert not awaits_confirmation(replace(answered, reversal_attempt_count=3))
    assert not awaits_confirmation(evolve(replace(sent, debit_answered=True), _says("00")))
    assert not awaits_confirmation(evolve(sent, _says("96")))


@pytest.mark.parametrize(("batch", "want"), [("1115", "000099"), ("000001", "000123")])
def test_a_tombstone_names_the_trace_number_that_its_key_has(reversal, batch, want):
    """With a batch, what an 0400 quotes (DE 61) is the sale of the void that it takes back."""
    quoted = OriginalReference(stan="000099")
    request = replace(reversal.request, batch=batch, local_date="1115", original=quoted)
    tombstone, _accepted = decide_reversal(replace(reversal, request=request), None, RULES)
    assert tombstone.stan == want
    assert f"|{want}|" in tombstone.idempotency_key


# -- a partner's, who names the payment by its RRN ------------------------------------------------


@pytest.fixture
def partners(request_, routed):
    """A reversal over JSON, and the payment that it names."""
    asked = replace(
        request_, terminal_id="", batch="", stan="", mti="", processing_code="", channel="json"
    )
    fact = ReversalRequested(
        request=replace(asked, card=None, amount=None, original=OriginalReference(rrn=RRN)), at=AT
    )
    answer = Answer(response_code="00", at=AT)
    return fact, replace(routed, request=asked, phase=Phase.APPROVED, answer=answer)


def test_a_partners_reversal_is_accepted_like_an_0400(partners):
    fact, payment = partners
    [accepted] = decide_reversal(fact, payment, RULES)
    assert (accepted.answer.response_code, accepted.upstream) == ("00", True)


def test_a_partner_that_names_nothing_known_is_told_so_and_no_tombstone_is_set(partners):
    fact, _ = partners
    [refused] = decide_reversal(fact, None, RULES)
    assert refused.answer.reason == "original-not-found"
    assert not refused.upstream


def _touched(payment, transaction, *, minor=100, is_done=True):
    touch = Touch(rrn="1", transaction=transaction, minor=minor, is_done=is_done)
    return replace(payment, touches=(touch,))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda p: replace(p, request=replace(p.request, terminal_id="1")), "other-batch"),
        (lambda p: _touched(p, TransactionType.SALE_VOID), "not-open"),
        (lambda p: _touched(p, TransactionType.REFUND), "not-open"),
        (lambda p: _touched(p, TransactionType.REFUND, minor=30), "refund-only"),
        (lambda p: _touched(p, TransactionType.REFUND, is_done=False), "held"),
    ],
)
def test_a_partner_is_refused_what_an_0400_would_leave_to_a_person(partners, spoil, reason):
    fact, payment = partners
    [refused] = decide_reversal(fact, spoil(payment), RULES)
    assert refused.answer.reason.endswith(reason)
    assert refused.answer.rrn == RRN
    assert not refused.upstream


def test_a_partner_that_states_another_amount_reverses_nothing(partners):
    fact, payment = partners
    other = replace(fact, request=replace(fact.request, amount=Money(99, "156")))
    [refused] = decide_reversal(other, payment, RULES)
    assert refused.answer.reason == "original-amount-mismatch"


def test_a_refund_is_not_reversed_for_a_partner(partners):
    fact, payment = partners
    refund = replace(payment, request=replace(payment.request, transaction=TransactionType.REFUND))
    [refused] = decide_reversal(fact, refund, RULES)
    assert refused.answer.reason == "txn-not-supported"


def test_a_payment_that_a_partner_reversed_is_not_reversed_twice(partners):
    fact, payment = partners
    [again] = decide_reversal(fact, replace(payment, reverse_requested=True), RULES)
    assert (again.answer.response_code, again.upstream) == ("00", False)


def test_an_0400_of_a_batch_that_is_forgotten_is_answered_00_and_a_case(routed):
    request = replace(routed.request, mti="0400", batch="000007")
    fact = ReversalRequested(request=request, at=AT)
    *buried, case, accepted = decide_reversal(fact, None, RULES, is_forgotten=True)
    assert accepted.answer.response_code == "00"
    assert (case.kind, case.amount, case.terminal_id) == (
        "reversal-forgotten",
        request.amount,
        request.terminal_id,
    )
    assert [type(one) for one in buried] == [TombstoneSet]
    assert case.case_id in {
        one.case_id
        for one in decide_reversal(replace(fact, at=AT + 9), None, RULES, is_forgotten=True)
        if isinstance(one, CaseOpened)
    }, "the same 0400 is the same case"
