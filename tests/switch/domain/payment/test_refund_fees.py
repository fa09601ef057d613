"""The fee that refunds of a sale and its adjustments give back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from switch.domain.fees import FeePlan, compute_fee
from switch.domain.money import Money
from switch.domain.payment.originals import (
    Standing,
    give_back_line,
    standing_of,
    touch_of,
    with_touch,
)
from switch.domain.payment.outcomes import make_line
from switch.domain.payment.payment import Phase, Touch
from switch.domain.payment.requests import Answer
from switch.domain.transactions import TransactionType

FEE_PLANS = st.builds(
    FeePlan,
    rate_ppm=st.integers(0, 50_000),
    min_minor=st.integers(0, 30),
    cap_minor=st.none() | st.integers(30, 500),
)


@given(
    plan=FEE_PLANS,
    parts=st.lists(st.integers(1, 40_000), min_size=1, max_size=8),
    rest=st.integers(0, 1) | st.integers(0, 40_000),
)
def test_refunds_in_parts_give_back_exactly_the_fee(plan, parts, rest):
    gross = sum(parts) + rest
    sale = _sale_of(gross, plan)
    returned = 0
    for number, part in enumerate(parts):
        refund = _ask_back(sale, part, f"01{number:010d}")
        line = give_back_line(refund, sale, "2023-11-16")
        assert line.gross_minor == -part
        assert line.fee_minor <= 0, "a refund never costs the merchant another fee"
        returned -= line.fee_minor
        sale = with_touch(sale, refund.rrn, touch_of(_as_refund(refund, line)))
    kept = min(compute_fee(rest, plan), sale.line.fee_minor) if rest else 0
    assert sale.line.fee_minor - returned == kept
    assert 0 <= returned <= sale.line.fee_minor


@given(plan=FEE_PLANS, gross=st.integers(1, 40_000), extra=st.integers(1, 10_000))
def test_a_refund_of_an_adjusted_sale_gives_back_both_fees(plan, gross, extra):
    sale = _sale_of(gross, plan)
    own = compute_fee(extra, plan)
    added = _adjustment(extra, own)
    sale = with_touch(sale, added.rrn, added)
    lines = []
    for number, part in enumerate((gross, extra)):
        refund = _ask_back(sale, part, f"01{number:010d}")
        lines.append(give_back_line(refund, sale, "2023-11-16"))
        sale = with_touch(sale, refund.rrn, touch_of(_as_refund(refund, lines[-1])))
    assert sum(line.gross_minor for line in lines) == -(gross + extra)
    assert sum(line.fee_minor for line in lines) == -(sale.line.fee_minor + own)
    assert standing_of(sale) is Standing.REFUNDED


@given(
    plan=FEE_PLANS,
    extras=st.lists(st.integers(1, 1_000), min_size=1, max_size=3),
    part=st.integers(1, 1_000),
)
def test_refunds_leave_the_fee_of_what_may_yet_be_taken_back(plan, extras, part):
    sale = _sale_of(1_000, plan)
    for number, extra in enumerate(extras):
        added = _adjustment(extra, compute_fee(extra, plan), f"02{number:010d}")
        sale = with_touch(sale, added.rrn, added)
    fee_minor = sale.line.fee_minor + sum(touch.fee_minor for touch in sale.touches)
    asked = _ask_back(sale, part, "010000000001")
    line = give_back_line(asked, sale, "2023-11-16")
    fee_minor += line.fee_minor
    sale = with_touch(sale, asked.rrn, touch_of(_as_refund(asked, line)))
    for added in sale.touches[:-1]:  # each is taken back, with its own fee
        sale = with_touch(sale, added.rrn, None)
        fee_minor -= added.fee_minor
    assert fee_minor >= 0
    if part < 1_000:
        asked = _ask_back(sale, 1_000 - part, "010000000002")
        fee_minor += give_back_line(asked, sale, "2023-11-16").fee_minor
    assert fee_minor == 0


def test_of_adjustments_of_which_one_may_yet_be_taken_back_one_fee_is_left():
    sale = _sale_of(102, FeePlan(rate_ppm=60_000))
    for number in range(2):
        added = _adjustment(100, 6, f"02{number:010d}")
        sale = with_touch(sale, added.rrn, added)
    line = give_back_line(_ask_back(sale, 202, "010000000001"), sale, "2023-11-16")
    assert line.fee_minor == -12, "100 are left, and can be given back only once"


def test_a_fee_that_stays_is_not_given_back():
    plan = FeePlan(rate_ppm=6_000, is_returned_on_refund=False)
    sale = _sale_of(100, plan)
    line = give_back_line(_ask_back(sale, 100, "010000000001"), sale, "2023-11-16")
    assert (line.gross_minor, line.fee_minor) == (-100, 0)


_SALE = []


@pytest.fixture(autouse=True)
def _keep_a_sale(routed):
    answer = Answer(response_code="00", at=routed.opened_at, rrn=routed.rrn)
    _SALE[:] = [replace(routed, phase=Phase.APPROVED, answer=answer)]  # fixtures and given clash


def _sale_of(gross, plan):
    sale = _SALE[0]
    amount = Money(gross, "156")
    request = replace(sale.request, amount=amount)
    terms = replace(sale.terms, fee_plan=plan)
    line = make_line(request, terms, amount, "2023-11-15")
    return replace(sale, request=request, terms=terms, line=line)


def _adjustment(minor, fee_minor, rrn="010000000012"):
    return Touch(
        rrn=rrn,
        transaction=TransactionType.ADJUSTMENT_ADVICE,
        minor=minor,
        is_done=True,
        fee_minor=fee_minor,
    )


def _ask_back(sale, minor, rrn):
    return replace(sale, rrn=rrn, request=replace(sale.request, amount=Money(minor, "156")))


def _as_refund(asked, line):
    request = replace(asked.request, transaction=TransactionType.REFUND)
    return replace(asked, request=request, line=line, touches=(), original_rrn=asked.rrn)
