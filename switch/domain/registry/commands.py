"""What an operator may ask of the registry."""

from typing import NamedTuple

from switch.domain.registry.entities import Entity


class SetEntity(NamedTuple):
    """Register an entity, or change it to what is given; the same again changes nothing."""

    entity: Entity


RegistryCommand = SetEntity
