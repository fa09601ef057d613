"""The precedence table: every row still carries the later faults."""

import pytest
from msgspec.structs import replace

from switch.domain.card import Card
from switch.domain.money import Money
from switch.domain.payment.checks import (
    CHECKS,
    BatchSize,
    DayTotals,
    check_amount,
    check_batch,
    check_binding,
    check_daily_limits,
    check_referred,
    first_refusal,
    is_batch_forgotten,
)
from switch.domain.payment.payment import Payment, Phase
from switch.domain.reasons import Reason
from switch.domain.registry.entities import Agent, AgentStatus, MerchantStatus, TerminalStatus
from switch.domain.transactions import TRAITS, TransactionType

SUSPENDED = Agent(agent_id="top", name="T", status=AgentStatus.SUSPENDED)


def _faulty(facts):
    """Everything is wrong at once; the table mends one fault after the other."""
    return replace(
        facts,
        request=replace(
            facts.request,
            transaction=TransactionType.UNKNOWN,
            pos_entry_mode="051",
            merchant_type="7995",
            amount=Money(20_000, "840"),
            batch="000009",
            start_before=facts.at - 1,
        ),
        terminal=replace(
            facts.terminal,
            merchant_id="",
            status=TerminalStatus.DISABLED,
            signed_on=False,
            transactions=(),
        ),
        merchant=None,
        agents=(SUSPENDED,),
        totals=DayTotals(49_999, 10),
        registry_confirmed=False,
        batch=BatchSize(facts.rules.batch_count_max, facts.at - 31 * 86_400_000),
        earlier=Payment(rrn="010000000003", request=facts.request, phase=Phase.ROUTED),
    )


def _broken_merchant(facts):
    return replace(
        facts.merchant,
        status=MerchantStatus.FROZEN,
        fee_plan=None,
        mcc="",
        transactions=(),
        entry_modes=("07",),
    )


def _mend(part, **changes):
    return lambda faulty, _good: replace(
        faulty, **{part: replace(getattr(faulty, part), **changes)}
    )


STEPS = [
    (Reason.MERCHANT_NOT_FOUND, lambda f, g: replace(f, merchant=_broken_merchant(g))),
    (Reason.TERMINAL_NOT_BOUND, _mend("terminal", merchant_id="898110154110002")),
    (Reason.TERMINAL_MISMATCH, _mend("terminal", merchant_id="898110154110001")),
    (Reason.TERMINAL_INACTIVE, _mend("terminal", status=TerminalStatus.ACTIVATED)),
    (Reason.SIGN_ON_REQUIRED, _mend("terminal", signed_on=True)),
    (Reason.BATCH_MISMATCH, _mend("request", batch="000001")),
    (Reason.BATCH_FULL, lambda f, _g: replace(f, batch=replace(f.batch, payment_count=1))),
    (Reason.BATCH_FULL, lambda f, g: replace(f, batch=BatchSize(1, g.at))),
    (Reason.MERCHANT_FROZEN, _mend("merchant", status=MerchantStatus.APPROVED)),
    (Reason.MERCHANT_NOT_ACTIVE, _mend("merchant", status=MerchantStatus.ACTIVATED)),
    (Reason.AGENT_NOT_ACTIVE, lambda f, g: replace(f, agents=g.agents)),
    (
        Reason.MERCHANT_CONFIG_INCOMPLETE,
        lambda f, g: replace(
            f, merchant=replace(f.merchant, fee_plan=g.merchant.fee_plan, mcc="5411")
        ),
    ),
    (Reason.TXN_NOT_SUPPORTED, _mend("request", transaction=TransactionType.SALE)),
    (Reason.TXN_NOT_ENABLED, _mend("merchant", transactions=(TransactionType.SALE,))),
    (Reason.TXN_NOT_ENABLED, _mend("terminal", transactions=(TransactionType.SALE,))),
    (Reason.ENTRY_MODE_NOT_ENABLED, _mend("merchant", entry_modes=("05", "02"))),
    (Reason.ENTRY_MODE_NOT_ENABLED, _mend("request", pos_entry_mode="021")),
    (Reason.MCC_MISMATCH, _mend("request", merchant_type="5411")),
    (Reason.CURRENCY_NOT_ENABLED, _mend("request", amount=Money(0, "156"))),
    (Reason.AMOUNT_NOT_POSITIVE, _mend("request", amount=Money(20_000, "156"))),
    (Reason.AMOUNT_OVER_LIMIT, _mend("request", amount=Money(100, "156"))),
    (Reason.DAILY_AMOUNT_OVER_LIMIT, lambda f, _g: replace(f, totals=DayTotals(100, 10))),
    (Reason.DAILY_COUNT_OVER_LIMIT, lambda f, _g: replace(f, totals=DayTotals(100, 1))),
    (Reason.SUSPECTED_DUPLICATE, lambda f, _g: replace(f, earlier=None)),
    (Reason.REQUEST_STALE, lambda f, g: replace(f, at=g.at - 10)),
    (Reason.REGISTRY_NOT_CONFIRMED, lambda f, _g: replace(f, registry_confirmed=True)),
]


def test_the_first_reason_in_order_wins_until_nothing_is_left(facts):
    state = _faulty(facts)
    seen = []
    for want, mend in STEPS:
        refusal = first_refusal(state)
        assert refusal is not None
        assert refusal.reason is want
        seen.append(want)
        state = mend(state, facts)
    assert first_refusal(state) is None
    order = list(Reason)
    without_frozen = [r for r in seen if r is not Reason.MERCHANT_FROZEN]
    assert without_frozen == sorted(without_frozen, key=order.index)


def test_a_right_request_is_refused_for_nothing(facts):
    assert first_refusal(facts) is None


def test_a_partners_request_needs_no_terminal(facts):
    assert first_refusal(replace(facts, terminal=None)) is None


def test_a_broken_agent_chain_blocks(facts):
    refusal = first_refusal(replace(facts, agents=None))
    assert refusal.reason is Reason.AGENT_NOT_ACTIVE


def test_an_inactive_ancestor_blocks_and_is_named(facts):
    refusal = first_refusal(replace(facts, agents=(*facts.agents, SUSPENDED)))
    assert refusal == (Reason.AGENT_NOT_ACTIVE, "top is suspended")


def test_what_is_missing_is_named(facts):
    merchant = replace(facts.merchant, fee_plan=None, settlement_account="")
    refusal = first_refusal(replace(facts, merchant=merchant))
    assert refusal == (Reason.MERCHANT_CONFIG_INCOMPLETE, "fee_plan,settlement_account")


def test_an_mcc_that_the_merchant_id_contradicts_is_refused(facts):
    merchant = replace(facts.merchant, mcc="5812")
    assert first_refusal(replace(facts, merchant=merchant)).reason is Reason.MCC_MISMATCH


def test_the_terminals_own_limit_counts_too(facts):
    terminal = replace(facts.terminal, amount_max_minor=50)
    refusal = first_refusal(replace(facts, terminal=terminal))
    assert refusal == (Reason.AMOUNT_OVER_LIMIT, "limit 0.50 CNY")


@pytest.mark.parametrize("limit", ["amount_max_minor", "daily_amount_max_minor", "daily_count_max"])
def test_no_limit_means_no_limit(facts, limit):
    merchant = replace(facts.merchant, **{limit: None})
    totals = DayTotals(10**12, 10**6)
    free = replace(merchant, daily_amount_max_minor=None, daily_count_max=None)
    assert first_refusal(replace(facts, merchant=free, totals=totals)) is None


def test_a_payment_that_reaches_the_daily_limit_exactly_is_allowed(facts):
    assert first_refusal(replace(facts, totals=DayTotals(49_900, 9))) is None
    assert first_refusal(replace(facts, totals=DayTotals(49_901, 9))) is not None


@pytest.mark.parametrize("check", [one for one in CHECKS if one is not check_binding])
def test_a_check_says_nothing_about_what_an_earlier_one_has_missed(facts, check):
    request = replace(facts.request, transaction=TransactionType.SALE)
    refusal = check(replace(facts, merchant=None, terminal=None, request=request))
    assert refusal is None or check is check_amount


def test_an_amount_that_was_to_be_the_originals_is_not_missed_if_there_is_none(facts):
    request = replace(facts.request, transaction=TransactionType.SALE_VOID, amount=None)
    assert check_amount(replace(facts, request=request)) is None
    assert check_referred(replace(facts, request=request)).reason is Reason.ORIGINAL_NOT_FOUND


@pytest.mark.parametrize("kind", [TransactionType.SALE_VOID, TransactionType.REFUND])
def test_what_gives_money_back_is_not_under_the_limits_of_what_takes_it(facts, kind):
    request = replace(facts.request, transaction=kind, amount=Money(20_000, "156"))
    full = replace(facts, request=request, totals=DayTotals(10**12, 10**6))
    assert check_amount(full) is None
    assert check_daily_limits(full) is None


@pytest.mark.parametrize("kind", [TransactionType.PRE_AUTHORIZATION, TransactionType.SALE])
def test_a_hold_is_under_the_same_limits_as_a_sale(facts, kind):
    request = replace(facts.request, transaction=kind, amount=Money(10_001, "156"))
    assert check_amount(replace(facts, request=request)).reason is Reason.AMOUNT_OVER_LIMIT
    request = replace(request, amount=Money(10_000, "156"))
    full = replace(facts, request=request, totals=DayTotals(0, 10))
    assert check_daily_limits(full).reason is Reason.DAILY_COUNT_OVER_LIMIT


def test_an_inquiry_states_no_amount(facts):
    request = replace(facts.request, transaction=TransactionType.BALANCE_INQUIRY, amount=None)
    assert check_amount(replace(facts, request=request)) is None


@pytest.mark.parametrize("kind", [kind for kind, one in TRAITS.items() if one.has_amount])
def test_an_amount_of_nothing_is_13_whatever_is_asked(facts, kind):
    request = replace(facts.request, transaction=kind, amount=Money(0, "156"))
    assert check_amount(replace(facts, request=request)).reason is Reason.AMOUNT_NOT_POSITIVE


def test_details_hold_no_card_data(facts):
    assert isinstance(facts.request.card, Card)
    for _want, _mend_step in STEPS:
        refusal = first_refusal(_faulty(facts))
        assert facts.request.card.token not in refusal.detail


@pytest.mark.parametrize(("mmdd", "is_refused"), [("1115", False), ("1110", False), ("1105", True)])
def test_where_the_date_is_part_of_the_key_a_date_of_forgotten_keys_is_refused(
    facts, mmdd, is_refused
):
    request = replace(facts.request, batch=mmdd, local_date=mmdd)
    terminal = replace(facts.terminal, batch="")
    refusal = check_batch(replace(facts, request=request, terminal=terminal))
    assert (refusal is not None) is is_refused
    assert is_batch_forgotten(replace(facts, request=request, terminal=terminal)) is is_refused


def test_a_partner_has_no_date_in_its_key(facts):
    request = replace(facts.request, terminal_id="", batch="", local_date="")
    partner = replace(facts, request=request, terminal=None)
    assert check_batch(partner) is None
    assert not is_batch_forgotten(partner)
