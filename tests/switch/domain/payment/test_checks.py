"""The precedence table: every row still carries the later faults."""

import pytest
from msgspec.structs import replace

from switch.domain.card import Card
from switch.domain.money import Money
from switch.domain.payment.checks import BatchSize, DayTotals, first_refusal
from switch.domain.payment.payment import Payment, Phase
from switch.domain.reasons import Reason
from switch.domain.registry.entities import Agent, AgentStatus, MerchantStatus, TerminalStatus
from switch.domain.transactions import TransactionType

SUSPENDED = Agent(agent_id="top", name="T", status=AgentStatus.SUSPENDED)


def _faulty(facts):
    """Everything is wrong at once; the table mends one fault after the other."""
    return facts._replace(
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
    return lambda faulty, _good: faulty._replace(
        **{part: replace(getattr(faulty, part), **changes)}
    )


STEPS = [
    (Reason.MERCHANT_NOT_FOUND, lambda f, g: f._replace(merchant=_broken_merchant(g))),
    (Reason.TERMINAL_NOT_BOUND, _mend("terminal", merchant_id="898110154110002")),
    (Reason.TERMINAL_MISMATCH, _mend("terminal", merchant_id="898110154110001")),
    (Reason.TERMINAL_INACTIVE, _mend("terminal", status=TerminalStatus.ACTIVATED)),
    (Reason.SIGN_ON_REQUIRED, _mend("terminal", signed_on=True)),
    (Reason.BATCH_MISMATCH, _mend("request", batch="000001")),
    (Reason.BATCH_FULL, lambda f, _g: f._replace(batch=f.batch._replace(payment_count=1))),
    (Reason.BATCH_FULL, lambda f, g: f._replace(batch=BatchSize(1, g.at))),
    (Reason.MERCHANT_FROZEN, _mend("merchant", status=MerchantStatus.APPROVED)),
    (Reason.MERCHANT_NOT_ACTIVE, _mend("merchant", status=MerchantStatus.ACTIVATED)),
    (Reason.AGENT_NOT_ACTIVE, lambda f, g: f._replace(agents=g.agents)),
    (
        Reason.MERCHANT_CONFIG_INCOMPLETE,
        lambda f, g: f._replace(
            merchant=replace(f.merchant, fee_plan=g.merchant.fee_plan, mcc="5411")
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
    (Reason.DAILY_AMOUNT_OVER_LIMIT, lambda f, _g: f._replace(totals=DayTotals(100, 10))),
    (Reason.DAILY_COUNT_OVER_LIMIT, lambda f, _g: f._replace(totals=DayTotals(100, 1))),
    (Reason.SUSPECTED_DUPLICATE, lambda f, _g: f._replace(earlier=None)),
    (Reason.REQUEST_STALE, lambda f, g: f._replace(at=g.at - 10)),
    (Reason.REGISTRY_NOT_CONFIRMED, lambda f, _g: f._replace(registry_confirmed=True)),
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
    assert first_refusal(facts._replace(terminal=None)) is None


def test_a_broken_agent_chain_blocks(facts):
    refusal = first_refusal(facts._replace(agents=None))
    assert refusal.reason is Reason.AGENT_NOT_ACTIVE


def test_an_inactive_ancestor_blocks_and_is_named(facts):
    refusal = first_refusal(facts._replace(agents=(*facts.agents, SUSPENDED)))
    assert refusal == (Reason.AGENT_NOT_ACTIVE, "top is suspended")


def test_what_is_missing_is_named(facts):
    merchant = replace(facts.merchant, fee_plan=None, settlement_account="")
    refusal = first_refusal(facts._replace(merchant=merchant))
    assert refusal == (Reason.MERCHANT_CONFIG_INCOMPLETE, "fee_plan,settlement_account")


def test_an_mcc_that_the_merchant_id_contradicts_is_refused(facts):
    merchant = replace(facts.merchant, mcc="5812")
    assert first_refusal(facts._replace(merchant=merchant)).reason is Reason.MCC_MISMATCH


def test_the_terminals_own_limit_counts_too(facts):
    terminal = replace(facts.terminal, amount_max_minor=50)
    refusal = first_refusal(facts._replace(terminal=terminal))
    assert refusal == (Reason.AMOUNT_OVER_LIMIT, "limit 0.50 CNY")


@pytest.mark.parametrize("limit", ["amount_max_minor", "daily_amount_max_minor", "daily_count_max"])
def test_no_limit_means_no_limit(facts, limit):
    merchant = replace(facts.merchant, **{limit: None})
    totals = DayTotals(10**12, 10**6)
    free = replace(merchant, daily_amount_max_minor=None, daily_count_max=None)
    assert first_refusal(facts._replace(merchant=free, totals=totals)) is None


def test_a_payment_that_reaches_the_daily_limit_exactly_is_allowed(facts):
    assert first_refusal(facts._replace(totals=DayTotals(49_900, 9))) is None
    assert first_refusal(facts._replace(totals=DayTotals(49_901, 9))) is not None


def test_details_hold_no_card_data(facts):
    assert isinstance(facts.request.card, Card)
    for _want, _mend_step in STEPS:
        refusal = first_refusal(_faulty(facts))
        assert facts.request.card.token not in refusal.detail
