from switch.domain.registry.commands import SetEntity
from tests.switch.domain.registry.conftest import AGENT


def test_a_command_names_the_entity_as_it_is_to_be():
    assert SetEntity(AGENT).entity is AGENT
