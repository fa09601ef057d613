"""Decisions of the registry: pure, from a view and a command to events or to what is wrong."""

from typing import NamedTuple, assert_never

from switch.domain.registry.commands import RegistryCommand
from switch.domain.registry.entities import (
    Acquirer,
    Agent,
    ApiClient,
    Entity,
    Issuer,
    Link,
    Merchant,
    Operator,
    Route,
    StoreGroup,
    Terminal,
    id_of,
)
from switch.domain.registry.events import (
    AcquirerChanged,
    AcquirerRegistered,
    AgentChanged,
    AgentRegistered,
    ApiClientChanged,
    ApiClientRegistered,
    EntityEvent,
    IssuerChanged,
    IssuerRegistered,
    LinkChanged,
    LinkRegistered,
    MerchantChanged,
    MerchantRegistered,
    OperatorChanged,
    OperatorRegistered,
    RegistryEvent,
    RouteChanged,
    RouteRegistered,
    StoreGroupChanged,
    StoreGroupRegistered,
    TerminalChanged,
    TerminalRegistered,
)
from switch.domain.registry.lifecycles import (
    AGENT_TRANSITIONS,
    MERCHANT_TRANSITIONS,
    TERMINAL_TRANSITIONS,
    can_reach,
)
from switch.domain.registry.references import Problem, find_problems
from switch.domain.registry.view import Registry


class Decision(NamedTuple):
    """What follows from a command: events, or every problem that stands in the way."""

    events: tuple[RegistryEvent, ...]
    problems: tuple[Problem, ...]


def decide(registry: Registry, command: RegistryCommand) -> Decision:
    """Decide one command on its own; a file of many is decided by the registrar."""
    change = decide_change(registry, command.entity)
    if change is None:
        return Decision((), ())
    candidate = registry.copy()
    candidate.apply(registry.position, change)
    problems = (
        *find_status_problems(registry, command.entity),
        *find_problems(candidate, command.entity),
    )
    return Decision(() if problems else (change,), problems)


def decide_change(registry: Registry, entity: Entity) -> EntityEvent | None:
    """Find the event that makes an entity what it is to be; None if it already is."""
    known = registry.find_entity(kind_of(entity), id_of(entity))
    if known == entity:
        return None
    return _registered(entity) if known is None else _changed(entity)


def find_status_problems(registry: Registry, entity: Entity) -> tuple[Problem, ...]:
    """Refuse a status that no sequence of steps leads to from the present one."""
    known = registry.find_entity(kind_of(entity), id_of(entity))
    match known, entity:
        case Merchant(), Merchant():
            reachable = can_reach(MERCHANT_TRANSITIONS, known.status, entity.status)
        case Agent(), Agent():
            reachable = can_reach(AGENT_TRANSITIONS, known.status, entity.status)
        case Terminal(), Terminal():
            reachable = can_reach(TERMINAL_TRANSITIONS, known.status, entity.status)
        case _:
            return ()
    if reachable:
        return ()
    return (
        Problem(
            "status",
            f"it is {known.status.value} for good and cannot become {entity.status.value}",
            "register a new one under another id",
        ),
    )


def kind_of(entity: Entity) -> str:  # noqa: C901 - one case a kind
    """Name the kind of an entity as `switch registry list KIND` does."""
    match entity:
        case Acquirer():
            return "acquirers"
        case Agent():
            return "agents"
        case StoreGroup():
            return "groups"
        case Merchant():
            return "merchants"
        case Terminal():
            return "terminals"
        case Issuer():
            return "issuers"
        case Link():
            return "links"
        case Route():
            return "routes"
        case ApiClient():
            return "clients"
        case Operator():
            return "operators"
        case _:
            assert_never(entity)


def _registered(entity: Entity) -> EntityEvent:  # noqa: C901 - one case a kind
    match entity:
        case Acquirer():
            return AcquirerRegistered(acquirer=entity)
        case Agent():
            return AgentRegistered(agent=entity)
        case StoreGroup():
            return StoreGroupRegistered(group=entity)
        case Merchant():
            return MerchantRegistered(merchant=entity)
        case Terminal():
            return TerminalRegistered(terminal=entity)
        case Issuer():
            return IssuerRegistered(issuer=entity)
        case Link():
            return LinkRegistered(link=entity)
        case Route():
            return RouteRegistered(route=entity)
        case ApiClient():
            return ApiClientRegistered(client=entity)
        case Operator():
            return OperatorRegistered(operator=entity)
        case _:
            assert_never(entity)


def _changed(entity: Entity) -> EntityEvent:  # noqa: C901 - one case a kind
    match entity:
        case Acquirer():
            return AcquirerChanged(acquirer=entity)
        case Agent():
            return AgentChanged(agent=entity)
        case StoreGroup():
            return StoreGroupChanged(group=entity)
        case Merchant():
            return MerchantChanged(merchant=entity)
        case Terminal():
            return TerminalChanged(terminal=entity)
        case Issuer():
            return IssuerChanged(issuer=entity)
        case Link():
            return LinkChanged(link=entity)
        case Route():
            return RouteChanged(route=entity)
        case ApiClient():
            return ApiClientChanged(client=entity)
        case Operator():
            return OperatorChanged(operator=entity)
        case _:
            assert_never(entity)
