import pytest
from msgspec.structs import replace

from switch.domain.cases.effects import Impossible, find_effect
from switch.domain.cases.events import Resolution
from switch.domain.payment.events import PaymentApproved, PaymentReversed, ReturnOrdered
from switch.domain.payment.payment import Phase, Touch
from switch.domain.payment.requests import Answer
from switch.domain.payment.rules import DecisionRules
from switch.domain.payment.state import evolve
from switch.domain.transactions import TransactionType

RULES = DecisionRules()
AT = 1_700_000_060_000
T, R = TransactionType, Resolution
DEBITS = (T.SALE, T.INSTALMENT_SALE, T.COMPLETION, T.OFFLINE_ADVICE, T.PRE_AUTHORIZATION)
GIVING_BACK = (T.SALE_VOID, T.REFUND, T.COMPLETION_VOID)


@pytest.fixture
def effect_of(case):
    def find(resolution, payment, original=None):
        return find_effect(resolution, case, payment, original, "anna", AT, RULES)

    return find


@pytest.mark.parametrize("phase", Phase)
def test_no_action_does_nothing_to_any_payment(effect_of, make_payment, phase):
    assert effect_of(R.NO_ACTION, make_payment(phase)) == ()


@pytest.mark.parametrize("resolution", [R.RETURNED, R.STANDS])
@pytest.mark.parametrize("phase", [Phase.APPROVED, Phase.DECLINED, Phase.REVERSED])
def test_what_is_known_is_never_rewritten_by_a_person(effect_of, make_payment, resolution, phase):
    assert effect_of(resolution, make_payment(phase)) == ()


@pytest.mark.parametrize("transaction", DEBITS)
@pytest.mark.parametrize("phase", [Phase.CASE, Phase.REVERSING])
def test_a_debit_found_returned_is_reversed_and_its_line_mirrored(
    effect_of, make_payment, transaction, phase
):
    [event] = effect_of(R.RETURNED, make_payment(phase, transaction))
    assert isinstance(event, PaymentReversed)
    assert event.line is not None
    assert (event.line.gross_minor, event.line.fee_minor) == (-10_000, -60)
    assert event.line.transaction is transaction


@pytest.mark.parametrize(
    "change",
    [
        {"answer": Answer(response_code="98", at=AT), "line": None},
        {"reverse_requested": True},
        {"is_taken_for_reversed": True},
        {"terms": None, "line": None},
    ],
    ids=[
        "its terminal saw it fail",
        "it was taken back",
        "its 0400 was answered",
        "no issuer knows of it",
    ],
)
def test_a_debit_found_to_stand_closes_its_case_only(effect_of, make_payment, change):
    assert effect_of(R.STANDS, make_payment(Phase.CASE, **change)) == ()


def test_an_advice_that_stands_after_all_is_approved_again_with_the_line_it_has(
    effect_of, make_payment
):
    advice = make_payment(Phase.CASE, T.OFFLINE_ADVICE)
    [event] = effect_of(R.STANDS, advice)
    assert event == PaymentApproved(rrn=advice.rrn, answer=advice.answer)
    after = evolve(advice, event)
    assert (after.phase, after.line) == (Phase.APPROVED, advice.line)


def test_a_void_that_was_taken_back_in_vain_keeps_the_one_line_it_has(
    effect_of, make_payment, sale
):
    void = make_payment(Phase.CASE, T.SALE_VOID, original_rrn=sale.rrn, reverse_requested=True)
    [event] = effect_of(R.RETURNED, void, sale)
    assert event == PaymentApproved(rrn=void.rrn, answer=void.answer)
    assert evolve(void, event).line == void.line


def test_a_debit_that_is_still_being_reversed_cannot_be_said_to_stand(effect_of, make_payment):
    refused = effect_of(R.STANDS, make_payment(Phase.REVERSING))
    assert isinstance(refused, Impossible)
    assert "still being asked to reverse it" in refused.why


@pytest.mark.parametrize("transaction", GIVING_BACK)
def test_a_void_or_refund_found_booked_is_approved_with_the_line_it_would_have_had(
    effect_of, make_payment, sale, transaction
):
    payment = make_payment(Phase.CASE, transaction, line=None, original_rrn=sale.rrn)
    [event] = effect_of(R.RETURNED, payment, sale)
    assert isinstance(event, PaymentApproved)
    assert event.answer.is_approval
    assert event.line is not None
    assert (event.line.gross_minor, event.line.fee_minor) == (-10_000, -60)


@pytest.mark.parametrize("transaction", GIVING_BACK)
def test_a_void_or_refund_found_not_booked_releases_its_original(
    effect_of, make_payment, sale, transaction
):
    payment = make_payment(Phase.CASE, transaction, line=None, original_rrn=sale.rrn)
    [event] = effect_of(R.STANDS, payment, sale)
    assert event == PaymentReversed(rrn=payment.rrn, at=AT)


def test_a_refund_that_is_still_repeated_can_be_settled_by_hand(effect_of, make_payment, sale):
    payment = make_payment(Phase.REPEATING, T.REFUND, line=None, original_rrn=sale.rrn)
    assert isinstance(effect_of(R.RETURNED, payment, sale)[0], PaymentApproved)
    assert isinstance(effect_of(R.STANDS, payment, sale)[0], PaymentReversed)


def test_a_void_that_is_still_being_reversed_settles_itself(effect_of, make_payment, sale):
    payment = make_payment(Phase.REVERSING, T.SALE_VOID, original_rrn=sale.rrn)
    assert isinstance(effect_of(R.RETURNED, payment, sale), Impossible)
    assert isinstance(effect_of(R.STANDS, payment, sale), Impossible)


def test_a_refund_whose_original_is_forgotten_gets_no_line_out_of_thin_air(effect_of, make_payment):
    refund = make_payment(Phase.CASE, T.REFUND, line=None, original_rrn="1")
    refused = effect_of(R.RETURNED, refund)
    assert isinstance(refused, Impossible)
    assert "no longer remembered" in refused.why


@pytest.mark.parametrize("resolution", [R.RETURNED, R.STANDS])
def test_an_advice_that_its_issuer_is_still_told_of_is_not_settled_by_hand(
    effect_of, make_payment, resolution
):
    payment = make_payment(Phase.APPROVED, T.OFFLINE_ADVICE, advice_open=True)
    assert isinstance(effect_of(resolution, payment), Impossible)


@pytest.mark.parametrize("resolution", [R.RETURNED, R.STANDS])
def test_a_case_without_a_payment_in_memory_is_closed_only(effect_of, resolution):
    assert effect_of(resolution, None) == ()


# -- return-money --------------------------------------------------------------------------------


@pytest.mark.parametrize("transaction", DEBITS)
@pytest.mark.parametrize("phase", [Phase.APPROVED, Phase.CASE])
def test_money_goes_back_of_a_debit_that_stands_or_may_stand(
    effect_of, make_payment, case, transaction, phase
):
    payment = make_payment(phase, transaction)
    ordered = ReturnOrdered(rrn=payment.rrn, case_id=case.case_id, by="anna", at=AT)
    assert effect_of(R.RETURN_MONEY, payment) == (ordered,)


def test_an_advice_that_was_never_sent_is_taken_back_without_its_issuer(effect_of, make_payment):
    payment = make_payment(Phase.APPROVED, T.OFFLINE_ADVICE, advice_open=True)
    [event] = effect_of(R.RETURN_MONEY, payment)
    assert isinstance(event, PaymentReversed)
    told = replace(payment, repeat_attempt_count=1)
    assert isinstance(effect_of(R.RETURN_MONEY, told)[0], ReturnOrdered)


@pytest.mark.parametrize(
    "phase", [p for p in Phase if p not in {Phase.APPROVED, Phase.CASE}], ids=lambda p: p.value
)
def test_there_is_nothing_to_give_back_of_what_is_not_approved(effect_of, make_payment, phase):
    refused = effect_of(R.RETURN_MONEY, make_payment(phase))
    assert isinstance(refused, Impossible)
    assert phase.value in refused.why


@pytest.mark.parametrize("transaction", [*GIVING_BACK, T.PRE_AUTHORIZATION_VOID, T.BALANCE_INQUIRY])
def test_what_took_no_money_gives_none_back(effect_of, make_payment, transaction):
    refused = effect_of(R.RETURN_MONEY, make_payment(Phase.APPROVED, transaction))
    assert refused == Impossible(f"a {transaction.value} has taken no money")


@pytest.mark.parametrize("phase", [Phase.APPROVED, Phase.CASE])
def test_a_payment_that_was_changed_since_is_not_taken_back_whole(effect_of, make_payment, phase):
    touch = Touch(rrn="010000000099", transaction=T.REFUND, minor=1, is_done=True)
    refused = effect_of(R.RETURN_MONEY, make_payment(phase, touches=(touch,)))
    assert isinstance(refused, Impossible)
    assert "refund 010000000099" in refused.why


def test_a_payment_of_long_ago_is_given_back_by_a_refund(effect_of):
    refused = effect_of(R.RETURN_MONEY, None)
    assert isinstance(refused, Impossible)
    assert "by a refund" in refused.why


def test_an_advice_that_nobody_could_be_told_of_has_nothing_to_reverse(effect_of, make_payment):
    refused = effect_of(R.RETURN_MONEY, make_payment(Phase.CASE, T.OFFLINE_ADVICE, terms=None))
    assert isinstance(refused, Impossible)
    assert "returned" in refused.why
