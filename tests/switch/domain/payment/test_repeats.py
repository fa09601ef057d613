"""One row of the decision table (docs/rules.md 1) a test."""

import pytest
from msgspec.structs import replace

from switch.domain.payment.payment import Phase
from switch.domain.payment.repeats import Verdict, check_key
from switch.domain.payment.requests import Answer
from switch.domain.reasons import Reason
from switch.domain.transactions import TransactionType

AT = 5
ANSWER = Answer(response_code="00", at=1, rrn="010000000007")


class Memory:
    def __init__(self, payment=None, *, tombstone_until=0, is_latest=True):
        self._payment, self._until, self._is_latest = payment, tombstone_until, is_latest

    def find_by_key(self, _key):
        return self._payment

    def is_tombstoned(self, _key, at):
        return self._until > at

    def is_latest_of_terminal(self, _payment):
        return self._is_latest


@pytest.fixture
def approved(routed):
    return replace(routed, phase=Phase.APPROVED, answer=ANSWER)


def test_a_new_key_is_fresh(request_):
    assert check_key(request_, Memory(), 5).verdict is Verdict.FRESH


def test_a_completed_key_with_the_same_content_gets_the_stored_answer(request_, approved):
    check = check_key(request_, Memory(approved), 5)
    assert (check.verdict, check.answer) == (Verdict.REPLAY, ANSWER)


def test_other_content_is_refused_whatever_the_first_came_to(request_, routed, approved):
    other = replace(request_, fingerprint="f2")
    for payment in (routed, approved):
        check = check_key(other, Memory(payment), 5)
        assert (check.verdict, check.reason) == (Verdict.CONFLICT, Reason.DUPLICATE_CONFLICT)


def test_a_running_key_is_joined(request_, routed):
    assert check_key(request_, Memory(routed), 5).verdict is Verdict.JOIN


def test_a_tombstone_bars_the_original(request_):
    check = check_key(request_, Memory(tombstone_until=6), 5)
    assert (check.verdict, check.reason) == (Verdict.CONFLICT, Reason.LATE_AFTER_REVERSAL)


def test_a_tombstone_that_is_over_bars_nothing(request_):
    assert check_key(request_, Memory(tombstone_until=5), 5).verdict is Verdict.FRESH


def test_a_payment_that_its_terminal_took_back_is_not_approved_again(request_, approved):
    check = check_key(request_, Memory(replace(approved, reverse_requested=True)), 5)
    assert (check.verdict, check.reason) == (Verdict.CONFLICT, Reason.ALREADY_REVERSED)


def test_an_old_approval_is_not_given_for_new_goods(request_, approved):
    check = check_key(request_, Memory(approved, is_latest=False), 5)
    assert (check.verdict, check.reason) == (Verdict.CONFLICT, Reason.STAN_REUSED)


def test_an_old_decline_may_be_repeated(request_, routed):
    declined = replace(routed, phase=Phase.DECLINED, answer=replace(ANSWER, response_code="51"))
    assert check_key(request_, Memory(declined, is_latest=False), 5).verdict is Verdict.REPLAY


def test_a_partner_has_no_counter_that_could_fall_back(request_, approved):
    partner = replace(request_, terminal_id="")
    assert check_key(partner, Memory(approved, is_latest=False), 5).verdict is Verdict.REPLAY


@pytest.mark.parametrize(
    ("kind", "mti", "want"),
    [
        (TransactionType.REFUND, "0221", Verdict.REPLAY),
        (TransactionType.REFUND, "0220", Verdict.CONFLICT),
        (TransactionType.OFFLINE_ADVICE, "0221", Verdict.REPLAY),
        (TransactionType.OFFLINE_ADVICE, "0220", Verdict.CONFLICT),
        (TransactionType.SALE, "0201", Verdict.CONFLICT),
        (TransactionType.PRE_AUTHORIZATION, "0101", Verdict.CONFLICT),
        (TransactionType.SALE_VOID, "0201", Verdict.CONFLICT),
    ],
)
def test_only_the_explicit_repeat_of_an_advice_or_a_refund_is_answered_behind_later_ones(
    request_, approved, kind, mti, want
):
    known = replace(approved, request=replace(approved.request, transaction=kind))
    check = check_key(
        replace(request_, transaction=kind, mti=mti), Memory(known, is_latest=False), AT
    )
    assert check.verdict is want


def test_an_approval_that_its_terminal_takes_for_reversed_is_not_given_again(request_, approved):
    known = replace(approved, is_taken_for_reversed=True)
    assert check_key(request_, Memory(known), AT).reason is Reason.ALREADY_REVERSED


def test_a_decline_that_was_reversed_is_still_the_answer(request_, routed):
    declined = replace(
        routed,
        phase=Phase.DECLINED,
        answer=Answer(response_code="51", at=AT),
        is_taken_for_reversed=True,
    )
    assert check_key(request_, Memory(declined), AT).verdict is Verdict.REPLAY


def test_a_balance_inquiry_that_was_answered_is_asked_again(request_, routed):
    inquiry = replace(request_, transaction=TransactionType.BALANCE_INQUIRY)
    known = replace(routed, request=inquiry, phase=Phase.APPROVED)
    assert check_key(inquiry, Memory(known), AT).verdict is Verdict.JOIN
    known = replace(known, answer=Answer(response_code="00", at=AT))
    assert check_key(inquiry, Memory(known), AT).verdict is Verdict.FRESH
