from switch.apps.roles import INSTANCE_ROLES, Role
from switch.cli.main import SUBCOMMANDS


def test_every_role_has_a_command_of_its_own():
    assert {role.value for role in Role} <= SUBCOMMANDS.keys()


def test_the_projector_never_shares_an_event_loop_with_payments():
    assert set(Role) - INSTANCE_ROLES == {Role.PROJECTOR}
