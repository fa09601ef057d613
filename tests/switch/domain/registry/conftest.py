import pytest

from switch.domain.fees import FeePlan
from switch.domain.registry.decide import decide_change
from switch.domain.registry.entities import (
    Acquirer,
    Agent,
    AgentStatus,
    ApiClient,
    Issuer,
    Link,
    Merchant,
    MerchantStatus,
    Operator,
    Route,
    StoreGroup,
    Terminal,
    TerminalStatus,
)
from switch.domain.registry.view import Registry
from switch.domain.transactions import TransactionType

ACQUIRER = Acquirer(acquirer_id="acq", name="Acquirer", institution_id="48981000")
ROOT = Agent(agent_id="root", name="Root", status=AgentStatus.ACTIVE)
AGENT = Agent(agent_id="agent", name="Agent", status=AgentStatus.ACTIVE, parent_id="root")
GROUP = StoreGroup(group_id="group", name="Group")
MERCHANT = Merchant(
    merchant_id="898110154110001",
    status=MerchantStatus.ACTIVATED,
    name="Shop",
    mcc="5411",
    agent_id="agent",
    currency="156",
    fee_plan=FeePlan(rate_ppm=3800),
    settlement_account="ref-1",
    transactions=(TransactionType.SALE,),
)
TERMINAL = Terminal(
    acquirer="acq",
    terminal_id="00000001",
    profile="unionpay-pos",
    status=TerminalStatus.ACTIVATED,
    merchant_id=MERCHANT.merchant_id,
    serial_number="SN1",
)
LINK = Link(link_id="link", name="Link")
ISSUER = Issuer(issuer_id="issuer", name="Issuer", bins=("62", "4"))
ROUTE = Route(route_id="route", issuer_id="issuer", link="link", priority=1)
CLIENT = ApiClient(
    client_id="client",
    name="Client",
    acquirer="acq",
    key_hash="a" * 64,
    merchants=(MERCHANT.merchant_id,),
)
OPERATOR = Operator(
    operator_id="operator", name="Operator", key_hash="b" * 64, roles=("view", "resolve")
)
ALL = (ACQUIRER, ROOT, AGENT, GROUP, MERCHANT, TERMINAL, LINK, ISSUER, ROUTE, CLIENT, OPERATOR)


def fill(registry, *entities):
    """Make entities what is given, one log record each."""
    for entity in entities:
        event = decide_change(registry, entity)
        if event is not None:
            registry.apply(registry.position, event)
    return registry


@pytest.fixture
def registry():
    return fill(Registry(), *ALL)
