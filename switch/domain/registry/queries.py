"""The registry for readers: whole entities without their keys, and one line each for a list."""

from collections.abc import Mapping
from typing import Final

import msgspec

from switch.domain.registry.entities import (
    Agent,
    AgentStatus,
    Entity,
    Issuer,
    Merchant,
    Terminal,
    id_of,
)
from switch.domain.registry.view import Registry

NO_KEY: Final = "none"

EntityRow = dict[str, object]


def registry_rows(registry: Registry, kind: str) -> list[EntityRow]:
    """
    Describe every entity of a kind (one of KINDS), ordered by id.

    Raises:
        KeyError: not one of KINDS.
    """
    return [describe_entity(registry, entity) for entity in registry.list_entities(kind)]


def registry_entity(registry: Registry, kind: str, entity_id: str) -> EntityRow | None:
    """
    Describe one entity by kind (one of KINDS) and id; a terminal is `ACQUIRER:TERMINAL_ID`.

    Raises:
        KeyError: not one of KINDS.
    """
    entity = registry.find_entity(kind, entity_id)
    return None if entity is None else describe_entity(registry, entity)


def describe_entity(registry: Registry, entity: Entity) -> EntityRow:
    """
    Write an entity with all its fields, its `id`, and what follows from it.

    A terminal's key is shown by its check value, an API client's not at all.
    """
    fields = {name: getattr(entity, name) for name in entity.__struct_fields__}
    row: EntityRow = {"id": id_of(entity)}
    row |= {
        name: msgspec.to_builtins(value)
        for name, value in fields.items()
        if name not in {"mak", "key_hash"}
    }
    return row | _derive(registry, entity)


def _derive(registry: Registry, entity: Entity) -> EntityRow:
    """Add what a reader would otherwise have to find out: what is missing, what blocks it."""
    match entity:
        case Terminal():
            return {"mak_kcv": entity.mak.kcv if entity.mak else NO_KEY}
        case Merchant():
            return {
                "missing_fields": list(entity.missing_fields()),
                "inactive_agents": _inactive_agents(registry, entity.agent_id),
            }
        case Agent():
            return {"inactive_agents": _inactive_agents(registry, entity.agent_id)}
        case Issuer():
            return {"routes": [route.route_id for route in registry.routes_of(entity.issuer_id)]}
        case _:
            return {}


def _inactive_agents(registry: Registry, agent_id: str) -> list[str]:
    """Name the agents of a chain that are not active, the nearest first."""
    chain = registry.agent_chain(agent_id) or ()
    return [agent.agent_id for agent in chain if agent.status is not AgentStatus.ACTIVE]


# what a list shows of each kind
LIST_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "acquirers": ("id", "name", "institution_id"),
    "agents": ("id", "name", "status", "parent_id", "inactive_agents"),
    "groups": ("id", "name"),
    "merchants": ("id", "name", "status", "mcc", "agent_id", "missing_fields", "inactive_agents"),
    "terminals": ("id", "status", "merchant_id", "profile", "mak_kcv", "batch", "signed_on"),
    "issuers": ("id", "name", "status", "bins", "routes"),
    "links": ("id", "name", "status"),
    "routes": ("id", "issuer_id", "link", "priority", "status"),
    "clients": ("id", "name", "status", "acquirer", "merchants"),
}
