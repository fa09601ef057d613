"""A request that nothing is wrong with, and the registry that agrees."""

import pytest
from msgspec.structs import replace

from switch.domain.card import Card
from switch.domain.fees import FeePlan
from switch.domain.money import Money
from switch.domain.payment.checks import DayTotals, Facts
from switch.domain.payment.events import PaymentRequested, PaymentRouted
from switch.domain.payment.payment import RouteTerms
from switch.domain.payment.requests import PaymentRequest
from switch.domain.payment.state import evolve, open_payment
from switch.domain.registry.entities import (
    Agent,
    AgentStatus,
    Merchant,
    MerchantStatus,
    Terminal,
    TerminalStatus,
)
from switch.domain.transactions import TransactionType

CARD = Card(
    token="t" * 64,
    token_key_id="k1",
    masked_pan="620000******0005",
    bin="62000000",
    sealed_pan=b"sealed",
    seal_key_id="s1",
    seal_id="gw-1",
)
AT = 1_700_000_000_000


@pytest.fixture
def request_():
    return PaymentRequest(
        idempotency_key="demo|898110154110001|00000001|000001|000123|payment",
        fingerprint="f1",
        channel="unionpay-pos",
        acquirer="demo",
        merchant_id="898110154110001",
        transaction=TransactionType.SALE,
        received_at=AT,
        start_before=AT + 1_000,
        deadline_at=AT + 5_000,
        amount=Money(100, "156"),
        card=CARD,
        terminal_id="00000001",
        batch="000001",
        stan="000123",
        mti="0200",
        processing_code="000000",
        pos_entry_mode="012",
        pos_condition_code="00",
    )


@pytest.fixture
def merchant():
    return Merchant(
        merchant_id="898110154110001",
        status=MerchantStatus.ACTIVATED,
        name="Shop",
        mcc="5411",
        agent_id="agent",
        currency="156",
        fee_plan=FeePlan(rate_ppm=6_000),
        settlement_account="****1234",
        transactions=(TransactionType.SALE,),
        amount_max_minor=10_000,
        daily_amount_max_minor=50_000,
        daily_count_max=10,
    )


@pytest.fixture
def terminal():
    return Terminal(
        acquirer="demo",
        terminal_id="00000001",
        profile="unionpay-pos",
        status=TerminalStatus.ACTIVATED,
        merchant_id="898110154110001",
        transactions=(TransactionType.SALE,),
        entry_modes=("01", "02"),
        batch="000001",
        signed_on=True,
    )


@pytest.fixture
def facts(request_, merchant, terminal):
    return Facts(
        request=request_,
        terminal=terminal,
        merchant=merchant,
        agents=(Agent(agent_id="agent", name="A", status=AgentStatus.ACTIVE),),
        totals=DayTotals(),
        at=AT,
        registry_confirmed=True,
    )


@pytest.fixture
def routed(request_):
    payment = open_payment(PaymentRequested(rrn="010000000007", request=request_, at=AT))
    event = PaymentRouted(
        rrn="010000000007",
        terms=RouteTerms(
            issuer_id="bank",
            link="issuer-1",
            merchant_type="5411",
            fee_plan=FeePlan(rate_ppm=6_000),
            agent_id="agent",
        ),
        upstream_stan="000004",
        transmission_time="1114221320",
    )
    return evolve(payment, event)


@pytest.fixture
def change():
    return replace
