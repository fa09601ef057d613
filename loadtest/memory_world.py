"""The shops of the memory benchmark: a registry of its own, and keys that open here only."""

import hashlib
from typing import Final

from msgspec.structs import replace

from loadtest.lone_partition import ACQUIRER, DIALECT
from loadtest.world import make_test_key
from switch.domain.fees import FeePlan
from switch.domain.registry.entities import (
    Agent,
    AgentStatus,
    DuplicatePolicy,
    Issuer,
    Link,
    Merchant,
    MerchantStatus,
    Route,
    Terminal,
    TerminalStatus,
)
from switch.domain.registry.events import (
    AgentRegistered,
    IssuerRegistered,
    LinkRegistered,
    MerchantRegistered,
    RegistryEvent,
    RouteRegistered,
    TerminalRegistered,
)
from switch.domain.registry.view import Registry
from switch.domain.transactions import TransactionType
from switch.security.keys import Keys, mak_owner, tmk_owner

LINK: Final = "line-1"
CURRENCY: Final = "156"
SCHEME: Final = "003"
FIRST_BATCH: Final = "000001"
_EVERYTHING: Final = tuple(one for one in TransactionType if one is not TransactionType.UNKNOWN)
_MERCHANT_PREFIX: Final = "89811015411"


def merchant_id_of(number: int) -> str:
    """Name a merchant (DE 42)."""
    return f"{_MERCHANT_PREFIX}{7000 + number:04d}"


def terminal_id_of(number: int) -> str:
    """Name a terminal (DE 41)."""
    return f"8{number:07d}"


def master_key_of(terminal_id: str) -> bytes:
    """Derive a terminal's test master key from its id."""
    return hashlib.sha256(f"load test TMK {terminal_id}".encode()).digest()[:16]


def first_mac_key_of(terminal_id: str) -> bytes:
    """Derive the MAC key that a terminal has before it signs on."""
    return bytes.fromhex(make_test_key(terminal_id))


def make_registry(keys: Keys, terminal_count: int, merchant_count: int) -> Registry:
    """Register one issuer and so many terminals, spread over so many merchants."""
    events: list[RegistryEvent] = [
        AgentRegistered(agent=Agent(agent_id="agent", name="Agent", status=AgentStatus.ACTIVE)),
        IssuerRegistered(issuer=Issuer(issuer_id="bank", name="Bank", bins=("62",))),
        LinkRegistered(link=Link(link_id=LINK, name="line")),
        RouteRegistered(route=Route(route_id="r1", issuer_id="bank", link=LINK, priority=1)),
    ]
    events += [MerchantRegistered(merchant=_make_merchant(n)) for n in range(merchant_count)]
    for number in range(terminal_count):
        merchant_id = merchant_id_of(number % merchant_count)
        events.append(TerminalRegistered(terminal=_make_terminal(keys, number, merchant_id)))
    registry = Registry()
    for offset, event in enumerate(events):
        registry.apply(offset, event)
    return registry


def _make_merchant(number: int) -> Merchant:
    return Merchant(
        merchant_id=merchant_id_of(number),
        status=MerchantStatus.ACTIVATED,
        name=f"Shop {number}",
        mcc="5411",
        agent_id="agent",
        currency=CURRENCY,
        fee_plan=FeePlan(rate_ppm=6_000),
        settlement_account=f"load-{number:04d}",
        transactions=_EVERYTHING,
        duplicate_policy=DuplicatePolicy.REFUSE,
    )


def _make_terminal(keys: Keys, number: int, merchant_id: str) -> Terminal:
    terminal = Terminal(
        acquirer=ACQUIRER,
        terminal_id=terminal_id_of(number),
        profile=DIALECT,
        status=TerminalStatus.ACTIVATED,
        merchant_id=merchant_id,
        serial_number=f"SN{number}",
        transactions=_EVERYTHING,
        key_scheme=SCHEME,
        batch=FIRST_BATCH,
        signed_on=True,
    )
    first_key = first_mac_key_of(terminal.terminal_id)
    master_key = master_key_of(terminal.terminal_id)
    return replace(
        terminal,
        mak=keys.seal_key(first_key, mak_owner(terminal)),
        tmk=keys.seal_key(master_key, tmk_owner(terminal)),
    )
