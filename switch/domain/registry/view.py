"""The registry as its events made it: what every message is checked against."""

from collections.abc import Iterable, Mapping
from typing import Final, assert_never

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
    ServiceStatus,
    StoreGroup,
    Terminal,
)
from switch.domain.registry.events import (
    AcquirerChanged,
    AcquirerRegistered,
    AgentChanged,
    AgentRegistered,
    ApiClientChanged,
    ApiClientRegistered,
    IssuerChanged,
    IssuerRegistered,
    LinkChanged,
    LinkRegistered,
    MerchantChanged,
    MerchantRegistered,
    OperatorChanged,
    OperatorRegistered,
    RegistryEvent,
    RegistryLoaded,
    RouteChanged,
    RouteRegistered,
    StoreGroupChanged,
    StoreGroupRegistered,
    TerminalChanged,
    TerminalRegistered,
)

AGENT_DEPTH_MAX: Final = 16  # real estates have four levels; a longer chain is a mistake
BIN_DIGITS_MAX: Final = 8  # what a card shows of itself


class Registry:
    """
    The fold of the registry log; lookups are made for every message, changes are rare.

    `position` is the offset below which every event is in this view. What is derived (agent
    chains, BIN table, routes) is made at the first lookup after a change.
    """

    def __init__(self) -> None:
        self.position = 0
        self._acquirers: dict[str, Acquirer] = {}
        self._agents: dict[str, Agent] = {}
        self._groups: dict[str, StoreGroup] = {}
        self._merchants: dict[str, Merchant] = {}
        self._terminals: dict[tuple[str, str], Terminal] = {}
        self._issuers: dict[str, Issuer] = {}
        self._links: dict[str, Link] = {}
        self._routes: dict[str, Route] = {}
        self._clients: dict[str, ApiClient] = {}
        self._operators: dict[str, Operator] = {}
        self._terminals_by_serial: dict[str, tuple[Terminal, ...]] = {}
        self._client_by_key_hash: dict[str, ApiClient] = {}
        self._operator_by_key_hash: dict[str, Operator] = {}
        self._chains: dict[str, tuple[Agent, ...] | None] = {}
        self._issuers_by_bin: tuple[tuple[int, dict[str, Issuer]], ...] | None = None
        self._routes_by_issuer: dict[str, tuple[Route, ...]] | None = None

    def apply(self, offset: int, event: RegistryEvent) -> None:  # noqa: C901 - one case a kind
        """Take the next event; `offset` is that of the log record it came in."""
        self.position = offset + 1
        match event:
            case TerminalRegistered(terminal=terminal) | TerminalChanged(terminal=terminal):
                self._put_terminal(terminal)
            case MerchantRegistered(merchant=merchant) | MerchantChanged(merchant=merchant):
                self._merchants[merchant.merchant_id] = merchant
            case AgentRegistered(agent=agent) | AgentChanged(agent=agent):
                self._agents[agent.agent_id] = agent
                self._chains.clear()
            case AcquirerRegistered(acquirer=acquirer) | AcquirerChanged(acquirer=acquirer):
                self._acquirers[acquirer.acquirer_id] = acquirer
            case StoreGroupRegistered(group=group) | StoreGroupChanged(group=group):
                self._groups[group.group_id] = group
            case IssuerRegistered(issuer=issuer) | IssuerChanged(issuer=issuer):
                self._issuers[issuer.issuer_id] = issuer
                self._issuers_by_bin = self._routes_by_issuer = None
            case LinkRegistered(link=link) | LinkChanged(link=link):
                self._links[link.link_id] = link
                self._routes_by_issuer = None
            case RouteRegistered(route=route) | RouteChanged(route=route):
                self._routes[route.route_id] = route
                self._routes_by_issuer = None
            case ApiClientRegistered(client=client) | ApiClientChanged(client=client):
                self._put_client(client)
            case OperatorRegistered(operator=operator) | OperatorChanged(operator=operator):
                self._put_operator(operator)
            case RegistryLoaded():
                pass
            case _:
                assert_never(event)

    def advance(self, offset: int) -> None:
        """Note a record that changed nothing (a claim)."""
        self.position = offset + 1

    def find_terminal(self, acquirer: str, terminal_id: str) -> Terminal | None:
        """Find a terminal by acquirer and DE 41."""
        return self._terminals.get((acquirer, terminal_id))

    def find_merchant(self, merchant_id: str) -> Merchant | None:
        """Find a merchant by DE 42."""
        return self._merchants.get(merchant_id)

    def find_acquirer(self, acquirer_id: str) -> Acquirer | None:
        """Find an acquirer by the name that listeners and API clients use."""
        return self._acquirers.get(acquirer_id)

    def find_agent(self, agent_id: str) -> Agent | None:
        """Find one agent."""
        return self._agents.get(agent_id)

    def agent_chain(self, agent_id: str) -> tuple[Agent, ...] | None:
        """Return the serving agent first, the root last; None if one is missing or in a circle."""
        try:
            return self._chains[agent_id]
        except KeyError:
            chain = self._chains[agent_id] = self._walk_up(agent_id)
            return chain

    def find_issuer(self, pan_bin: str) -> Issuer | None:
        """Find the issuer whose BIN is the longest beginning of the card's first digits."""
        table = self._issuers_by_bin
        if table is None:
            table = self._issuers_by_bin = _index_bins(self._issuers.values())
        for length, issuers in table:
            issuer = issuers.get(pan_bin[:length])
            if issuer is not None:
                return issuer
        return None

    def routes_of(self, issuer_id: str) -> tuple[Route, ...]:
        """Return the routes in service to an issuer in service, in the order to be tried."""
        routes = self._routes_by_issuer
        if routes is None:
            routes = self._routes_by_issuer = self._index_routes()
        return routes.get(issuer_id, ())

    def find_api_client(self, key_hash: str) -> ApiClient | None:
        """Find the client in service that holds this API key (`hash_api_key` of it)."""
        client = self._client_by_key_hash.get(key_hash)
        return client if client and client.status is ServiceStatus.IN_SERVICE else None

    def find_operator(self, key_hash: str) -> Operator | None:
        """Find the operator in service who holds this key (`hash_api_key` of it)."""
        operator = self._operator_by_key_hash.get(key_hash)
        return operator if operator and operator.status is ServiceStatus.IN_SERVICE else None

    def bound_terminals(self, serial_number: str) -> tuple[Terminal, ...]:
        """Return the terminals that a device with this serial number is bound to: one at most."""
        return self._terminals_by_serial.get(serial_number, ())

    def find_entity(self, kind: str, entity_id: str) -> Entity | None:
        """
        Find an entity by kind (one of KINDS) and id; a terminal is `ACQUIRER:TERMINAL_ID`.

        Raises:
            KeyError: not one of KINDS.
        """
        if kind == "terminals":
            acquirer, _, terminal_id = entity_id.partition(":")
            return self.find_terminal(acquirer, terminal_id)
        return self._tables()[kind].get(entity_id)

    def list_entities(self, kind: str) -> tuple[Entity, ...]:
        """
        List the entities of a kind (one of KINDS), ordered by id.

        Raises:
            KeyError: not one of KINDS.
        """
        if kind == "terminals":
            return tuple(terminal for _, terminal in sorted(self._terminals.items()))
        return tuple(entity for _, entity in sorted(self._tables()[kind].items()))

    def copy(self) -> "Registry":
        """Copy the view; a decision tries its changes on the copy."""
        twin = Registry()
        twin.position = self.position
        for name, value in vars(self).items():
            if isinstance(value, dict):
                setattr(twin, name, dict(value))
        twin._routes_by_issuer = None
        return twin

    def _tables(self) -> Mapping[str, Mapping[str, Entity]]:
        return {
            "acquirers": self._acquirers,
            "agents": self._agents,
            "groups": self._groups,
            "merchants": self._merchants,
            "issuers": self._issuers,
            "links": self._links,
            "routes": self._routes,
            "clients": self._clients,
            "operators": self._operators,
        }

    def _put_terminal(self, terminal: Terminal) -> None:
        key = terminal.acquirer, terminal.terminal_id
        before = self._terminals.get(key)
        if before is not None and before.serial_number:
            self._terminals_by_serial[before.serial_number] = tuple(
                bound for bound in self.bound_terminals(before.serial_number) if bound is not before
            )
        self._terminals[key] = terminal
        if terminal.serial_number and terminal.merchant_id:
            bound = self.bound_terminals(terminal.serial_number)
            self._terminals_by_serial[terminal.serial_number] = (*bound, terminal)

    def _put_client(self, client: ApiClient) -> None:
        before = self._clients.get(client.client_id)
        if before is not None and self._client_by_key_hash.get(before.key_hash) is before:
            del self._client_by_key_hash[before.key_hash]
        self._clients[client.client_id] = client
        self._client_by_key_hash[client.key_hash] = client

    def _put_operator(self, operator: Operator) -> None:
        before = self._operators.get(operator.operator_id)
        if before is not None and self._operator_by_key_hash.get(before.key_hash) is before:
            del self._operator_by_key_hash[before.key_hash]
        self._operators[operator.operator_id] = operator
        self._operator_by_key_hash[operator.key_hash] = operator

    def _walk_up(self, agent_id: str) -> tuple[Agent, ...] | None:
        chain: list[Agent] = []
        while agent_id:
            agent = self._agents.get(agent_id)
            if agent is None or len(chain) == AGENT_DEPTH_MAX:
                return None
            chain.append(agent)
            agent_id = agent.parent_id
        return tuple(chain)

    def _index_routes(self) -> dict[str, tuple[Route, ...]]:
        """Collect, for each issuer in service, its routes over links in service."""
        index: dict[str, list[Route]] = {}
        for route in sorted(self._routes.values(), key=lambda r: (r.priority, r.route_id)):
            in_service = (route, self._issuers.get(route.issuer_id), self._links.get(route.link))
            if all(part and part.status is ServiceStatus.IN_SERVICE for part in in_service):
                index.setdefault(route.issuer_id, []).append(route)
        return {issuer_id: tuple(routes) for issuer_id, routes in index.items()}


KINDS: Final = (
    "acquirers",
    "agents",
    "groups",
    "merchants",
    "terminals",
    "issuers",
    "links",
    "routes",
    "clients",
    "operators",
)


def _index_bins(issuers: Iterable[Issuer]) -> tuple[tuple[int, dict[str, Issuer]], ...]:
    """One table a prefix length, longest first."""
    tables: dict[int, dict[str, Issuer]] = {}
    for issuer in issuers:
        for prefix in issuer.bins:
            tables.setdefault(len(prefix), {})[prefix] = issuer
    return tuple(sorted(tables.items(), key=lambda item: -item[0]))
