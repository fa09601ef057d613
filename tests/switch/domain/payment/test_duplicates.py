import pytest
from msgspec.structs import replace

from switch.domain.payment.duplicates import find_suspicion
from switch.domain.payment.payment import Payment, Phase
from switch.domain.registry.entities import DuplicatePolicy
from switch.domain.transactions import TransactionType

AT = 1_700_000_000_000


@pytest.fixture
def earlier(request_):
    return Payment(rrn="010000000003", request=request_, opened_at=AT - 5_000, phase=Phase.ROUTED)


@pytest.mark.parametrize("phase", Phase)
def test_without_a_window_only_a_first_payment_without_an_outcome_is_suspicious(
    request_, merchant, earlier, phase
):
    found = find_suspicion(request_, merchant, replace(earlier, phase=phase), AT)
    assert (found is not None) == (phase in {Phase.ROUTED, Phase.REVERSING})


@pytest.mark.parametrize(("window_s", "is_found"), [(0, False), (5, False), (6, True)])
def test_within_the_window_an_approved_first_payment_is_suspicious(
    request_, merchant, earlier, window_s, is_found
):
    merchant = replace(merchant, duplicate_window_s=window_s)
    approved = replace(earlier, phase=Phase.APPROVED)
    assert (find_suspicion(request_, merchant, approved, AT) is not None) is is_found


def test_a_declined_first_payment_may_be_tried_again_at_once(request_, merchant, earlier):
    merchant = replace(merchant, duplicate_window_s=600)
    declined = replace(earlier, phase=Phase.DECLINED)
    assert find_suspicion(request_, merchant, declined, AT) is None


def test_a_first_payment_that_its_terminal_took_back_is_over_for_the_cashier(
    request_, merchant, earlier
):
    taken_back = replace(earlier, phase=Phase.REVERSING, reverse_requested=True)
    assert find_suspicion(request_, merchant, taken_back, AT) is None


def test_a_merchant_that_does_not_care_is_not_bothered(request_, merchant, earlier):
    merchant = replace(merchant, duplicate_policy=DuplicatePolicy.OFF)
    assert find_suspicion(request_, merchant, earlier, AT) is None


@pytest.mark.parametrize("kind", TransactionType)
def test_only_what_a_cashier_keys_in_as_a_new_debit_is_suspicious(
    request_, merchant, earlier, kind
):
    found = find_suspicion(replace(request_, transaction=kind), merchant, earlier, AT)
    assert (found is not None) == (
        kind
        in {
            TransactionType.SALE,
            TransactionType.INSTALMENT_SALE,
            TransactionType.PRE_AUTHORIZATION,
        }
    )
