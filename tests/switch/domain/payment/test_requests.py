import pytest

from switch.domain.payment.requests import APPROVED_CODES, Answer


@pytest.mark.parametrize("code", ["00", "10", "11", "A2", "A4", "A5", "A6"])
def test_these_codes_let_the_merchant_hand_over_the_goods(code):
    assert Answer(response_code=code, at=0).is_approval


@pytest.mark.parametrize("code", ["01", "51", "94", "96", "98", "A0", "A1", "A7", ""])
def test_every_other_code_does_not(code):
    assert code not in APPROVED_CODES
    assert not Answer(response_code=code, at=0).is_approval
