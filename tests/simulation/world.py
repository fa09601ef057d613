"""The world that a seed makes: who is registered, with which keys, cards and routes."""

from random import Random
from typing import NamedTuple

from switch.codec import load_dialect
from switch.domain.fees import FeePlan
from switch.domain.registry.entities import (
    NO_MAC,
    Agent,
    AgentStatus,
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
    RouteRegistered,
    TerminalRegistered,
)
from switch.domain.transactions import TransactionType
from switch.gateway.limits import ListenerProfile
from switch.security.keys import Keys
from tests.simulation.keystore import SeededKeyStore
from tests.simulation.options import Options

POS_ACQUIRER, ASCII_ACQUIRER = "00000001", "00000002"
UNIONPAY, ASCII = "unionpay-pos", "iso1987-ascii"
MCC = "5411"
CURRENCY = "156"
BATCH = "000001"
MINUTE_KEY_LIFETIME_MS = 10_000
BINS = ("62", "81", "4")  # one for each issuer
CARDS_PER_ISSUER = 4
SM4_MAC = "unionpay-ecb-sm4"
MACS = (  # algorithm and length of its key
    ("unionpay-ecb", 8),
    ("unionpay-ecb", 8),
    ("unionpay-ecb", 16),
    ("x9.9", 8),
    ("x9.19", 16),
    (SM4_MAC, 16),
)

LISTENERS = {
    UNIONPAY: ListenerProfile(
        dialect=load_dialect(UNIONPAY),
        channel=UNIONPAY,
        acquirer=POS_ACQUIRER,
        has_transport=True,
    ),
    ASCII: ListenerProfile(dialect=load_dialect(ASCII), channel=ASCII, acquirer=ASCII_ACQUIRER),
}


class TerminalSpec(NamedTuple):
    """One terminal as it is delivered to its shop."""

    acquirer: str
    dialect: str
    terminal_id: str
    merchant_id: str
    mak: bytes
    mac_algorithm: str
    tmk: bytes


class World(NamedTuple):
    """What stands when a run begins."""

    keys: Keys
    registry_events: tuple
    terminals: tuple[TerminalSpec, ...]
    cards: tuple[str, ...]
    links: dict[str, int]  # link -> index of its issuer


def with_check_digit(body: str) -> str:
    """Complete a card number (ISO/IEC 7812-1 annex B)."""
    total = 0
    for index, digit in enumerate(reversed(body)):
        doubled = int(digit) * (2 if index % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return body + str(-total % 10)


def make_cards(issuer_count: int) -> tuple[str, ...]:
    return tuple(
        with_check_digit(f"{BINS[issuer]}73197{number:0{10 - len(BINS[issuer])}d}")
        for issuer in range(issuer_count)
        for number in range(CARDS_PER_ISSUER)
    )


def make_world(options: Options, random: Random) -> World:
    keys = Keys(
        SeededKeyStore(options.seed),
        minute_key_lifetime_ms=MINUTE_KEY_LIFETIME_MS,
        random_bytes=random.randbytes,
    )
    links = {
        f"line-{issuer}{number}": issuer
        for issuer in range(options.issuer_count)
        for number in range(options.links_per_issuer)
    }
    merchants = [f"8981101{MCC}{number:04d}" for number in range(1, options.merchant_count + 1)]
    terminals = tuple(
        _make_terminal(number, merchants, options, random)
        for number in range(options.terminal_count)
    )
    events = (
        *_register_agents(),
        *(MerchantRegistered(merchant=make_merchant(name, n)) for n, name in enumerate(merchants)),
        *(TerminalRegistered(terminal=enter_terminal(spec, keys)) for spec in terminals),
        *_register_issuers(options, links),
    )
    return World(keys, events, terminals, make_cards(options.issuer_count), links)


def _make_terminal(
    number: int, merchants: list[str], options: Options, random: Random
) -> TerminalSpec:
    is_ascii = random.random() < options.ascii_share
    algorithm, key_bytes = (NO_MAC, 0) if is_ascii else MACS[int(random.random() * len(MACS))]
    return TerminalSpec(
        acquirer=ASCII_ACQUIRER if is_ascii else POS_ACQUIRER,
        dialect=ASCII if is_ascii else UNIONPAY,
        terminal_id=f"{number + 1:08d}",
        merchant_id=merchants[number % len(merchants)],
        mak=random.randbytes(key_bytes),
        mac_algorithm=algorithm,
        tmk=b"" if is_ascii else random.randbytes(16),
    )


def make_merchant(merchant_id: str, number: int) -> Merchant:
    return Merchant(
        merchant_id=merchant_id,
        status=MerchantStatus.ACTIVATED,
        name=f"Shop {number}",
        mcc=MCC,
        agent_id="agent-1" if number % 2 else "agent-0",
        currency=CURRENCY,
        fee_plan=FeePlan(rate_ppm=6_000 + 100 * number),
        settlement_account="****1234",
        transactions=tuple(TransactionType),
    )


def enter_terminal(spec: TerminalSpec, keys: Keys) -> Terminal:
    name = f"{spec.acquirer}:{spec.terminal_id}"
    scheme = "006" if spec.mac_algorithm == SM4_MAC else "003"
    cipher = "sm4" if spec.mac_algorithm == SM4_MAC else "des"
    return Terminal(
        acquirer=spec.acquirer,
        terminal_id=spec.terminal_id,
        profile=spec.dialect,
        status=TerminalStatus.ACTIVATED,
        merchant_id=spec.merchant_id,
        serial_number=f"SN{spec.terminal_id}",
        transactions=tuple(TransactionType),
        mac_algorithm=spec.mac_algorithm,
        mak=keys.seal_key(spec.mak, f"mak:{name}", cipher=cipher) if spec.mak else None,
        tmk=keys.seal_key(spec.tmk, f"tmk:{name}", cipher=cipher) if spec.tmk else None,
        key_scheme=scheme,
        batch=BATCH if spec.dialect == UNIONPAY else "",
        signed_on=True,
    )


def _register_agents() -> list:
    root = Agent(agent_id="agent-0", name="Root", status=AgentStatus.ACTIVE)
    below = Agent(agent_id="agent-1", name="B", status=AgentStatus.ACTIVE, parent_id="agent-0")
    return [AgentRegistered(agent=root), AgentRegistered(agent=below)]


def _register_issuers(options: Options, links: dict[str, int]) -> list:
    events: list = []
    for number in range(options.issuer_count):
        issuer = Issuer(issuer_id=f"bank-{number}", name=f"Bank {number}", bins=(BINS[number],))
        events.append(IssuerRegistered(issuer=issuer))
    for name, number in links.items():
        events.append(LinkRegistered(link=Link(link_id=name, name=name)))
        route = Route(
            route_id=f"to-{name}", issuer_id=f"bank-{number}", link=name, priority=int(name[-1])
        )
        events.append(RouteRegistered(route=route))
    return events
