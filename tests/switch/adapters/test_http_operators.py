import pytest

from switch.adapters.http_exchange import ProblemRaised
from switch.adapters.http_operators import REGISTRY, RESOLVE, VIEW, Operators
from switch.domain.registry.entities import Operator, ServiceStatus
from switch.domain.registry.events import OperatorRegistered
from switch.domain.registry.view import Registry
from switch.security.api_keys import hash_api_key


def scope(token):
    return {"type": "http", "headers": [(b"authorization", f"Bearer {token}".encode())]}


@pytest.fixture
def operators():
    view = Registry()
    people = (
        ("anna", (VIEW, RESOLVE), ServiceStatus.IN_SERVICE),
        ("local", (VIEW, RESOLVE), ServiceStatus.IN_SERVICE),
        ("gone", (VIEW,), ServiceStatus.SUSPENDED),
    )
    for offset, (name, roles, status) in enumerate(people):
        operator = Operator(
            operator_id=name,
            name=name,
            key_hash=hash_api_key(f"key-{name}"),
            roles=roles,
            status=status,
        )
        view.apply(offset, OperatorRegistered(operator=operator))
    return Operators("op_machine", view)


def test_the_token_of_the_machine_may_everything_and_is_nobody(operators):
    assert [operators.need(scope("op_machine"), role) for role in (VIEW, RESOLVE, REGISTRY)] == [
        "local"
    ] * 3


def test_a_person_is_known_by_a_key_and_may_what_the_roles_say(operators):
    assert operators.need(scope("key-anna"), RESOLVE) == "anna"
    with pytest.raises(ProblemRaised) as raised:
        operators.need(scope("key-anna"), REGISTRY)
    assert raised.value.problem.status == 403
    assert operators.may(scope("key-anna"), VIEW)
    assert not operators.may(scope("key-anna"), REGISTRY)


@pytest.mark.parametrize("token", ["", "wrong", "key-gone", "key-local"])
def test_who_proves_nothing_is_nobody(operators, token):
    assert not operators.may(scope(token), VIEW)
    with pytest.raises(ProblemRaised) as raised:
        operators.need(scope(token), VIEW)
    assert raised.value.problem.status == 401
    assert raised.value.headers == {"WWW-Authenticate": "Bearer"}
