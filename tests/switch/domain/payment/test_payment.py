import pytest
from msgspec.structs import replace

from switch.domain.money import Money
from switch.domain.payment.payment import Phase, money_state_of
from switch.domain.payment.requests import Answer
from switch.domain.transactions import TransactionType

T = TransactionType
APPROVED = Answer(response_code="00", at=1)

# what a holder of the card is told, by what was asked for and where that stands
MONEY = {
    (T.SALE, Phase.ROUTED): "unknown",
    (T.SALE, Phase.APPROVED): "debited",
    (T.SALE, Phase.DECLINED): "not-debited",
    (T.SALE, Phase.REVERSING): "returning",
    (T.SALE, Phase.REVERSED): "returned",
    (T.SALE, Phase.CASE): "unknown",
    (T.SALE_VOID, Phase.APPROVED): "returned",
    (T.SALE_VOID, Phase.DECLINED): "debited",
    (T.SALE_VOID, Phase.REVERSING): "unknown",
    (T.SALE_VOID, Phase.REVERSED): "debited",
    (T.REFUND, Phase.REPEATING): "returning",
    (T.REFUND, Phase.APPROVED): "returned",
    (T.REFUND, Phase.DECLINED): "debited",
    (T.PRE_AUTHORIZATION, Phase.ROUTED): "unknown",
    (T.PRE_AUTHORIZATION, Phase.APPROVED): "not-debited",
    (T.PRE_AUTHORIZATION, Phase.REVERSING): "returning",
    (T.PRE_AUTHORIZATION, Phase.REVERSED): "not-debited",
    (T.PRE_AUTHORIZATION_VOID, Phase.APPROVED): "not-debited",
    (T.PRE_AUTHORIZATION_VOID, Phase.DECLINED): "not-debited",
    (T.PRE_AUTHORIZATION_VOID, Phase.REVERSING): "unknown",
    (T.COMPLETION_VOID, Phase.APPROVED): "returned",
    (T.BALANCE_INQUIRY, Phase.APPROVED): "not-debited",
    (T.BALANCE_INQUIRY, Phase.ROUTED): "not-debited",
}


@pytest.mark.parametrize(("transaction", "phase"), MONEY)
def test_where_the_money_is(transaction, phase):
    assert money_state_of(transaction, phase).value == MONEY[transaction, phase]


def test_every_kind_of_transaction_has_a_money_state_in_every_phase():
    for transaction in TransactionType:
        for phase in Phase:
            assert money_state_of(transaction, phase)


def test_what_was_approved_is_what_was_given_not_what_was_asked(routed):
    assert routed.approved_minor == 0
    assert replace(routed, answer=APPROVED).approved_minor == 100
    partial = replace(APPROVED, response_code="10", amount=Money(40, "156"))
    assert replace(routed, answer=partial).approved_minor == 40
    assert replace(routed, answer=replace(APPROVED, response_code="51")).approved_minor == 0


@pytest.mark.parametrize("phase", Phase)
def test_a_payment_is_open_while_its_issuer_has_not_spoken_or_must_be_told(routed, phase):
    payment = replace(routed, phase=phase)
    assert payment.is_open == (phase in {Phase.ROUTED, Phase.REVERSING, Phase.REPEATING})
    assert replace(payment, advice_open=True).is_open
