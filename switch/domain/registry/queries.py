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
    id_of,
)
from switch.domain.registry.view import Registry

NO_KEY: Final = "none"
SEALED_FIELDS: Final = frozenset({"mak", "tmk", "pik", "zpk"})

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

    A sealed key `mak` is shown as `mak_kcv`, its check value; an API key not at all.
    """
    row: EntityRow = {"id": id_of(entity)}
    for name in entity.__struct_fields__:
        value = getattr(entity, name)
        if name in SEALED_FIELDS:
            row[f"{name}_kcv"] = value.kcv if value else NO_KEY
        elif name != "key_hash":
            row[name] = _write_whole(value)
    return row | _derive(registry, entity)


def _write_whole(value: object) -> object:
    """Write a value for JSON; a table with its defaults, which the log leaves out."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    return msgspec.to_builtins(value)


def _derive(registry: Registry, entity: Entity) -> EntityRow:
    """Add what a reader would otherwise have to find out: what is missing, what blocks it."""
    match entity:
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
    "terminals": (
        "id",
        "status",
        "merchant_id",
        "profile",
        "mac_algorithm",
        "mak_kcv",
        "tmk_kcv",
        "batch",
        "signed_on",
    ),
    "issuers": ("id", "name", "status", "bins", "routes", "zpk_kcv", "stand_in"),
    "links": ("id", "name", "status"),
    "routes": ("id", "issuer_id", "link", "priority", "status"),
    "clients": ("id", "name", "status", "acquirer", "merchants"),
    "operators": ("id", "name", "status", "roles"),
}
