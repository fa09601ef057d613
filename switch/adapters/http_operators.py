"""Who asks as an operator: a person by a key in the registry, or whoever holds the machine's."""

import hmac
from typing import Final, Protocol

from starlette.types import Scope

from switch.adapters.http_exchange import ProblemRaised, find_bearer, make_problem
from switch.domain.cases.commands import LOCAL_OPERATOR
from switch.domain.registry.entities import OPERATOR_ROLES, Operator
from switch.security.api_keys import hash_api_key

VIEW: Final = "view"
RESOLVE: Final = "resolve"
REGISTRY: Final = "registry"
assert {VIEW, RESOLVE, REGISTRY} == set(OPERATOR_ROLES)


class FindOperator(Protocol):
    """The part of the registry view that knows operators."""

    def find_operator(self, key_hash: str) -> Operator | None:
        """Find the operator in service who holds this key."""
        ...


class Operators:
    """Proves who an operator is; the token of the machine may do everything, but is nobody."""

    def __init__(self, machine_token: str, registry: FindOperator) -> None:
        self._machine_token = machine_token.encode()
        self._registry = registry
        self._local = Operator(
            operator_id=LOCAL_OPERATOR, name="this machine", key_hash="", roles=OPERATOR_ROLES
        )

    def find(self, scope: Scope) -> Operator | None:
        """Return the operator whose key the request carries; None if it carries none."""
        token = find_bearer(scope)
        if not token:
            return None
        if hmac.compare_digest(token.encode("latin-1"), self._machine_token):
            return self._local
        operator = self._registry.find_operator(hash_api_key(token))
        # a person of that name would be taken for the machine
        return None if operator is None or operator.operator_id == LOCAL_OPERATOR else operator

    def may(self, scope: Scope, role: str) -> bool:
        """Say whether the request comes from an operator with this role."""
        operator = self.find(scope)
        return operator is not None and role in operator.roles

    def need(self, scope: Scope, role: str) -> str:
        """
        Return the id of the operator who asks, and who has this role.

        Raises:
            ProblemRaised: 401, or 403 for one without it.
        """
        operator = self.find(scope)
        if operator is None:
            detail = (
                "Send an operator's key, or the token of this machine (DIR/keys/operator.token), as"
                " a bearer token."
            )
            problem = make_problem(401, "operator-needed", detail)
            raise ProblemRaised(problem, {"WWW-Authenticate": "Bearer"})
        if role not in operator.roles:
            detail = f"{operator.operator_id} does not have the role {role!r}."
            raise ProblemRaised(make_problem(403, "role-needed", detail))
        return operator.operator_id
