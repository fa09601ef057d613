"""What must fit together in the registry: every reference has its target, nothing is used twice."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from switch.domain.registry.entities import (
    KEY_SCHEMES,
    MAC_ALGORITHMS,
    NO_MAC,
    Agent,
    ApiClient,
    Entity,
    Issuer,
    Merchant,
    Operator,
    Route,
    Terminal,
    TerminalStatus,
    id_of,
    mcc_of_merchant_id,
)
from switch.domain.registry.lifecycles import STATUSES_WITH_MERCHANT, STATUSES_WITHOUT_MERCHANT
from switch.domain.registry.view import AGENT_DEPTH_MAX, Registry


class Problem(NamedTuple):
    """One thing that is wrong with one field of one entity, and what to do about it."""

    field: str
    wrong: str
    remedy: str
    missing_kind: str = ""  # for a reference without target: what is missing
    missing_id: str = ""


# what people call one entity of a kind
SINGULAR: Final = {
    "acquirers": "acquirer",
    "agents": "agent",
    "groups": "store group",
    "merchants": "merchant",
    "terminals": "terminal",
    "issuers": "issuer",
    "links": "link",
    "routes": "route",
    "clients": "API client",
    "operators": "operator",
}
# what a sign-on can hand out: 001 a MAC key of eight bytes, 003 and 004 of eight or sixteen,
# all for DES; 006 one for SM4
_SCHEMES_OF_MAC: Final = {
    "unionpay-ecb": ("001", "003", "004"),
    "x9.9": ("001", "003", "004"),
    "x9.19": ("003", "004"),
    "unionpay-ecb-sm4": ("006",),
    NO_MAC: KEY_SCHEMES,
}
assert set(_SCHEMES_OF_MAC) == set(MAC_ALGORITHMS)


def find_problems(registry: Registry, entity: Entity) -> tuple[Problem, ...]:
    """
    Check an entity against a registry that already contains it.

    A merchant whose configuration is incomplete is no problem here: its payments are declined
    and told which fields are missing.
    """
    match entity:
        case Agent():
            return tuple(_agent_problems(registry, entity))
        case Merchant():
            return tuple(_merchant_problems(registry, entity))
        case Terminal():
            return (
                *_terminal_problems(registry, entity),
                *_device_problems(registry, entity),
                *_sign_on_problems(entity),
            )
        case Issuer():
            return (*_issuer_problems(registry, entity), *_stand_in_problems(entity))
        case Route():
            return (
                *_missing(registry, "issuer_id", "issuers", entity.issuer_id),
                *_missing(registry, "link", "links", entity.link),
            )
        case ApiClient():
            return (*_client_problems(registry, entity), *_api_key_problems(registry, entity))
        case Operator():
            return tuple(_api_key_problems(registry, entity))
        case _:
            return ()


def _missing(registry: Registry, field: str, kind: str, target: str) -> Iterator[Problem]:
    """Report a reference whose target is not there."""
    if registry.find_entity(kind, target) is None:
        yield Problem(
            field,
            f"{SINGULAR[kind]} {target!r} does not exist",
            f"add it under [[{kind}]] or correct the id",
            missing_kind=kind,
            missing_id=target,
        )


def _agent_problems(registry: Registry, agent: Agent) -> Iterator[Problem]:
    if not agent.parent_id:
        return
    yield from _missing(registry, "parent_id", "agents", agent.parent_id)
    seen = {agent.agent_id}
    parent = registry.find_agent(agent.parent_id)
    while parent is not None:
        if parent.agent_id in seen:
            yield Problem(
                "parent_id",
                "its ancestors lead round in a circle: " + " -> ".join(sorted(seen)),
                "let one of them have no parent",
            )
            return
        seen.add(parent.agent_id)
        parent = registry.find_agent(parent.parent_id)
    if len(seen) > AGENT_DEPTH_MAX:
        yield Problem(
            "parent_id",
            f"it has {len(seen) - 1} ancestors",
            f"keep a chain of agents to {AGENT_DEPTH_MAX}",
        )


def _merchant_problems(registry: Registry, merchant: Merchant) -> Iterator[Problem]:
    if merchant.agent_id:
        yield from _missing(registry, "agent_id", "agents", merchant.agent_id)
    if merchant.group_id:
        yield from _missing(registry, "group_id", "groups", merchant.group_id)
    spelt = mcc_of_merchant_id(merchant.merchant_id)
    if merchant.mcc and spelt is not None and spelt != merchant.mcc:
        yield Problem(
            "mcc",
            f"the approved MCC is {merchant.mcc}, but the merchant id spells {spelt}",
            "digits 8 to 11 of a merchant id are its MCC: correct one of the two",
        )


def _terminal_problems(registry: Registry, terminal: Terminal) -> Iterator[Problem]:
    yield from _missing(registry, "acquirer", "acquirers", terminal.acquirer)
    if terminal.merchant_id:
        yield from _missing(registry, "merchant_id", "merchants", terminal.merchant_id)
    status = terminal.status
    if terminal.merchant_id and status in STATUSES_WITHOUT_MERCHANT:
        yield Problem(
            "merchant_id",
            f"a terminal that is {status.value} belongs to no merchant",
            "leave merchant_id out, or bind the terminal: status bound, keyed or activated",
        )
    if not terminal.merchant_id and status in STATUSES_WITH_MERCHANT:
        yield Problem(
            "merchant_id",
            f"a terminal that is {status.value} belongs to a merchant, none is named",
            f"name it, or make the status {TerminalStatus.ASSIGNED.value}",
        )


def _device_problems(registry: Registry, terminal: Terminal) -> Iterator[Problem]:
    if not (terminal.serial_number and terminal.merchant_id):
        return
    for holder in registry.bound_terminals(terminal.serial_number):
        if (holder.acquirer, holder.terminal_id) != (terminal.acquirer, terminal.terminal_id):
            yield Problem(
                "serial_number",
                f"device {terminal.serial_number} is bound to terminal "
                f"{holder.acquirer}:{holder.terminal_id} as well",
                "one device belongs to one terminal: correct the number or unbind the other",
            )


def _sign_on_problems(terminal: Terminal) -> Iterator[Problem]:
    """A terminal that can sign on must be able to use the MAC key that it is given."""
    if terminal.tmk is None:
        return
    fitting = _SCHEMES_OF_MAC[terminal.mac_algorithm]
    if terminal.key_scheme not in fitting:
        yield Problem(
            "key_scheme",
            f"a sign-on under {terminal.key_scheme} gives no MAC key for {terminal.mac_algorithm}",
            f"use one of: {', '.join(fitting)}",
        )


def _issuer_problems(registry: Registry, issuer: Issuer) -> Iterator[Problem]:
    for other in registry.list_entities("issuers"):
        if not isinstance(other, Issuer) or other.issuer_id == issuer.issuer_id:
            continue
        for prefix in issuer.bins:
            if prefix in other.bins:
                yield Problem(
                    "bins",
                    f"BIN {prefix} belongs to issuer {other.issuer_id!r} as well",
                    "take it from one of the two; a longer BIN inside a shorter one is fine",
                )


def _stand_in_problems(issuer: Issuer) -> Iterator[Problem]:
    for prefix in issuer.stand_in.bins if issuer.stand_in else ():
        if not prefix.startswith(issuer.bins):
            yield Problem(
                "stand_in",
                f"BIN {prefix} is not this issuer's",
                "take it out, or make it longer than one of bins",
            )


def _client_problems(registry: Registry, client: ApiClient) -> Iterator[Problem]:
    yield from _missing(registry, "acquirer", "acquirers", client.acquirer)
    for merchant_id in client.merchants:
        yield from _missing(registry, "merchants", "merchants", merchant_id)


def _api_key_problems(registry: Registry, holder: ApiClient | Operator) -> Iterator[Problem]:
    """A key names one holder: a partner's never opens what is an operator's."""
    for kind in ("clients", "operators"):
        for other in registry.list_entities(kind):
            if (
                isinstance(other, ApiClient | Operator)
                and other.key_hash == holder.key_hash
                and (type(other), id_of(other)) != (type(holder), id_of(holder))
            ):
                yield Problem(
                    "key_hash",
                    f"{SINGULAR[kind]} {id_of(other)!r} holds the same API key",
                    "give each a key of its own",
                )
