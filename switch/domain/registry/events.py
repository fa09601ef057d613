"""Events of the registry, as its log keeps them for ever; a tag never changes its meaning."""

import msgspec

from switch.domain.registry.entities import (
    Acquirer,
    Agent,
    ApiClient,
    Issuer,
    Link,
    Merchant,
    Operator,
    Route,
    StoreGroup,
    Terminal,
)


class _Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Whatever is written to the registry log; each kind has its own hand-written tag."""


class AcquirerRegistered(_Event, frozen=True, kw_only=True, tag="acquirer-registered.v1"):
    """A new acquirer."""

    acquirer: Acquirer


class AcquirerChanged(_Event, frozen=True, kw_only=True, tag="acquirer-changed.v1"):
    """A known acquirer is from now on as given here."""

    acquirer: Acquirer


class AgentRegistered(_Event, frozen=True, kw_only=True, tag="agent-registered.v1"):
    """A new agent."""

    agent: Agent


class AgentChanged(_Event, frozen=True, kw_only=True, tag="agent-changed.v1"):
    """A known agent is from now on as given here."""

    agent: Agent


class StoreGroupRegistered(_Event, frozen=True, kw_only=True, tag="store-group-registered.v1"):
    """A new store group."""

    group: StoreGroup


class StoreGroupChanged(_Event, frozen=True, kw_only=True, tag="store-group-changed.v1"):
    """A known store group is from now on as given here."""

    group: StoreGroup


class MerchantRegistered(_Event, frozen=True, kw_only=True, tag="merchant-registered.v1"):
    """A new merchant."""

    merchant: Merchant


class MerchantChanged(_Event, frozen=True, kw_only=True, tag="merchant-changed.v1"):
    """A known merchant is from now on as given here."""

    merchant: Merchant


class TerminalRegistered(_Event, frozen=True, kw_only=True, tag="terminal-registered.v1"):
    """A new terminal."""

    terminal: Terminal


class TerminalChanged(_Event, frozen=True, kw_only=True, tag="terminal-changed.v1"):
    """A known terminal is from now on as given here."""

    terminal: Terminal


class IssuerRegistered(_Event, frozen=True, kw_only=True, tag="issuer-registered.v1"):
    """A new issuer."""

    issuer: Issuer


class IssuerChanged(_Event, frozen=True, kw_only=True, tag="issuer-changed.v1"):
    """A known issuer is from now on as given here."""

    issuer: Issuer


class LinkRegistered(_Event, frozen=True, kw_only=True, tag="link-registered.v1"):
    """A new issuer link."""

    link: Link


class LinkChanged(_Event, frozen=True, kw_only=True, tag="link-changed.v1"):
    """A known issuer link is from now on as given here."""

    link: Link


class RouteRegistered(_Event, frozen=True, kw_only=True, tag="route-registered.v1"):
    """A new route."""

    route: Route


class RouteChanged(_Event, frozen=True, kw_only=True, tag="route-changed.v1"):
    """A known route is from now on as given here."""

    route: Route


class ApiClientRegistered(_Event, frozen=True, kw_only=True, tag="api-client-registered.v1"):
    """A new API client."""

    client: ApiClient


class ApiClientChanged(_Event, frozen=True, kw_only=True, tag="api-client-changed.v1"):
    """A known API client is from now on as given here."""

    client: ApiClient


class OperatorRegistered(_Event, frozen=True, kw_only=True, tag="operator-registered.v1"):
    """A new operator."""

    operator: Operator


class OperatorChanged(_Event, frozen=True, kw_only=True, tag="operator-changed.v1"):
    """A known operator is from now on as given here."""

    operator: Operator


class RegistryLoaded(_Event, frozen=True, kw_only=True, tag="registry-loaded.v1"):
    """
    A file was loaded as a whole: the last event of its load.

    `digest` is the SHA-256 of the file's bytes, `change_count` the number of events before this.
    """

    actor: str
    at: int
    digest: str
    change_count: int


EntityEvent = (
    AcquirerRegistered
    | AcquirerChanged
    | AgentRegistered
    | AgentChanged
    | StoreGroupRegistered
    | StoreGroupChanged
    | MerchantRegistered
    | MerchantChanged
    | TerminalRegistered
    | TerminalChanged
    | IssuerRegistered
    | IssuerChanged
    | LinkRegistered
    | LinkChanged
    | RouteRegistered
    | RouteChanged
    | ApiClientRegistered
    | ApiClientChanged
    | OperatorRegistered
    | OperatorChanged
)
RegistryEvent = EntityEvent | RegistryLoaded
