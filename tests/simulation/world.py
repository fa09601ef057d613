"""The world that a seed makes: who is registered, with which keys, cards and routes."""

from random import Random
from typing import NamedTuple

from switch.codec import load_dialect
from switch.domain.fees import FeePlan
from switch.domain.registry.entities import (
    NO_MAC,
    Agent,
    AgentStatus,
    DuplicatePolicy,
    Issuer,
    Link,
    Merchant,
    MerchantStatus,
    Route,
    StandIn,
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
from tests.simulation.oddities import ODDITIES, spoil_shop, spoil_terminal
from tests.simulation.options import Options

POS_ACQUIRER, ASCII_ACQUIRER = "00000001", "00000002"
UNIONPAY, ASCII = "unionpay-pos", "iso1987-ascii"
MCC = "5411"
CURRENCY = "156"
BATCH = "000001"
MINUTE_KEY_LIFETIME_MS = 10_000
_POLICIES = tuple(DuplicatePolicy)
_ODDITIES = tuple(ODDITIES)
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
    oddity: str = ""


class World(NamedTuple):
    """What stands when a run begins."""

    keys: Keys
    registry_events: tuple
    terminals: tuple[TerminalSpec, ...]
    merchants: tuple[str, ...]
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
    odd = [spec for spec in terminals if spec.oddity]
    events = (
        *_register_agents(),
        *(
            MerchantRegistered(merchant=make_merchant(name, n, random))
            for n, name in enumerate(merchants)
        ),
        *(
            MerchantRegistered(
                merchant=spoil_shop(make_merchant(spec.merchant_id, 0, random), spec.oddity)
            )
            for spec in odd
            if not ODDITIES[spec.oddity].is_shop_unknown
        ),
        *(
            TerminalRegistered(terminal=spoil_terminal(enter_terminal(spec, keys), spec.oddity))
            for spec in terminals
            if not spec.oddity or not ODDITIES[spec.oddity].is_terminal_unknown
        ),
        *_register_issuers(options, links, random),
    )
    return World(keys, events, terminals, tuple(merchants), make_cards(options.issuer_count), links)


def _make_terminal(
    number: int, merchants: list[str], options: Options, random: Random
) -> TerminalSpec:
    is_odd = random.random() < options.odd_share
    oddity = _ODDITIES[int(random.random() * len(_ODDITIES))] if is_odd else ""
    is_ascii = not is_odd and random.random() < options.ascii_share
    algorithm, key_bytes = (NO_MAC, 0) if is_ascii else MACS[int(random.random() * len(MACS))]
    return TerminalSpec(
        acquirer=ASCII_ACQUIRER if is_ascii else POS_ACQUIRER,
        dialect=ASCII if is_ascii else UNIONPAY,
        terminal_id=f"{number + 1:08d}",
        merchant_id=f"8981101{MCC}{9_000 + number}"
        if is_odd
        else merchants[number % len(merchants)],
        mak=random.randbytes(key_bytes),
        mac_algorithm=algorithm,
        tmk=b"" if is_ascii else random.randbytes(16),
        oddity=oddity,
    )


def make_merchant(merchant_id: str, number: int, random: Random) -> Merchant:
    chance = random.random
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
        duplicate_policy=_POLICIES[int(chance() * len(_POLICIES))],
        duplicate_window_s=20 if chance() < 0.3 else 0,
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


def _register_issuers(options: Options, links: dict[str, int], random: Random) -> list:
    events: list = []
    for number in range(options.issuer_count):
        stands_in = random.random() < options.stand_in_rate
        issuer = Issuer(
            issuer_id=f"bank-{number}",
            name=f"Bank {number}",
            bins=(BINS[number],),
            stand_in=StandIn(floor_limit_minor=200_000) if stands_in else None,
        )
        events.append(IssuerRegistered(issuer=issuer))
    for name, number in links.items():
        events.append(LinkRegistered(link=Link(link_id=name, name=name)))
        route = Route(
            route_id=f"to-{name}", issuer_id=f"bank-{number}", link=name, priority=int(name[-1])
        )
        events.append(RouteRegistered(route=route))
    return events
