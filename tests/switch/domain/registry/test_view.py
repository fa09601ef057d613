import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.domain.registry.decide import kind_of
from switch.domain.registry.entities import (
    Agent,
    AgentStatus,
    Issuer,
    Route,
    ServiceStatus,
    id_of,
)
from switch.domain.registry.events import RegistryLoaded
from switch.domain.registry.view import AGENT_DEPTH_MAX, KINDS, Registry
from tests.switch.domain.registry.conftest import (
    AGENT,
    ALL,
    CLIENT,
    ISSUER,
    LINK,
    MERCHANT,
    OPERATOR,
    ROOT,
    ROUTE,
    TERMINAL,
    fill,
)

replace = msgspec.structs.replace
SUSPENDED = ServiceStatus.SUSPENDED


def test_every_entity_is_found_by_kind_and_id_and_listed(registry):
    for entity in ALL:
        kind = kind_of(entity)
        assert registry.find_entity(kind, id_of(entity)) == entity
        assert entity in registry.list_entities(kind)
    assert {kind_of(entity) for entity in ALL} == set(KINDS)


def test_what_is_not_there_is_not_found(registry):
    assert registry.find_terminal("acq", "99999999") is None
    assert registry.find_terminal("other", "00000001") is None
    assert registry.find_merchant("x") is None
    assert registry.find_acquirer("x") is None
    assert registry.find_agent("x") is None
    assert registry.find_api_client("x") is None
    assert registry.find_operator("x") is None
    assert registry.find_issuer("99") is None
    assert registry.routes_of("x") == ()
    assert registry.find_entity("terminals", "no-colon") is None
    with pytest.raises(KeyError):
        registry.find_entity("bogus", "x")
    with pytest.raises(KeyError):
        registry.list_entities("bogus")


def test_entities_are_listed_by_id():
    registry = fill(Registry(), *(replace(AGENT, agent_id=each) for each in "cab"))
    assert [agent.agent_id for agent in registry.list_entities("agents")] == ["a", "b", "c"]


def test_the_position_is_the_offset_below_which_all_is_known():
    registry = Registry()
    registry.apply(7, RegistryLoaded(actor="me", at=1, digest="", change_count=0))
    assert registry.position == 8
    registry.advance(8)
    assert registry.position == 9


# -- agents


def test_a_chain_begins_with_the_serving_agent_and_ends_with_the_root(registry):
    assert registry.agent_chain("agent") == (AGENT, ROOT)
    assert registry.agent_chain("root") == (ROOT,)


def test_a_chain_with_a_missing_agent_is_none(registry):
    fill(registry, replace(AGENT, parent_id="nobody"))
    assert registry.agent_chain("agent") is None
    assert registry.agent_chain("nobody") is None


def test_a_circle_is_none_not_for_ever(registry):
    fill(registry, replace(ROOT, parent_id="agent"))
    assert registry.agent_chain("agent") is None


def test_a_chain_follows_every_change(registry):
    assert registry.agent_chain("agent") == (AGENT, ROOT)
    suspended = replace(ROOT, status=AgentStatus.SUSPENDED)
    fill(registry, suspended)
    assert registry.agent_chain("agent") == (AGENT, suspended)


@pytest.mark.parametrize(
    ("depth", "is_known"), [(AGENT_DEPTH_MAX, True), (AGENT_DEPTH_MAX + 1, False)]
)
def test_a_chain_has_a_longest_length(depth, is_known):
    agents = [
        Agent(
            agent_id=f"a{n}",
            name="",
            status=AgentStatus.ACTIVE,
            parent_id=f"a{n - 1}" if n else "",
        )
        for n in range(depth)
    ]
    chain = fill(Registry(), *agents).agent_chain(f"a{depth - 1}")
    assert (chain is not None) is is_known


# -- issuers and routes


@pytest.mark.parametrize(
    ("pan_bin", "issuer_id"),
    [
        ("62000000", "issuer"),
        ("40000000", "issuer"),
        ("40000566", "special"),
        ("400005", "issuer"),
        ("35660020", None),
        ("6", None),
        ("", None),
    ],
)
def test_the_longest_bin_wins(registry, pan_bin, issuer_id):
    fill(registry, replace(ISSUER, issuer_id="special", bins=("40000566",)))
    found = registry.find_issuer(pan_bin)
    assert (found.issuer_id if found else None) == issuer_id


@given(
    bins=st.dictionaries(
        st.text("0123456789", min_size=1, max_size=8), st.sampled_from("abcd"), max_size=20
    ),
    pan_bin=st.text("0123456789", min_size=6, max_size=8),
)
def test_the_bin_table_finds_what_a_search_through_all_finds(bins, pan_bin):
    owned = {owner: tuple(b for b, o in bins.items() if o == owner) for owner in "abcd"}
    registry = fill(
        Registry(), *(Issuer(issuer_id=owner, name="", bins=b) for owner, b in owned.items())
    )
    fitting = [each for each in bins if pan_bin.startswith(each)]
    found = registry.find_issuer(pan_bin)
    assert (found.issuer_id if found else None) == (
        bins[max(fitting, key=len)] if fitting else None
    )


def test_a_bin_that_an_issuer_gave_up_is_no_longer_its(registry):
    assert registry.find_issuer("40000000")
    fill(registry, replace(ISSUER, bins=("62",)))
    assert registry.find_issuer("40000000") is None


def test_routes_come_in_order_of_priority_then_id(registry):
    fill(
        registry,
        replace(ROUTE, route_id="b", priority=0),
        replace(ROUTE, route_id="a", priority=2),
        replace(ROUTE, route_id="a2", priority=0),
    )
    routes = registry.routes_of("issuer")
    assert [route.route_id for route in routes] == ["a2", "b", "route", "a"]


@pytest.mark.parametrize("part", [ROUTE, ISSUER, LINK])
def test_a_route_serves_only_with_its_issuer_and_its_link(registry, part):
    assert registry.routes_of("issuer") == (ROUTE,)
    fill(registry, replace(part, status=SUSPENDED))
    assert registry.routes_of("issuer") == ()
    fill(registry, part)
    assert registry.routes_of("issuer") == (ROUTE,)


def test_a_route_over_an_unknown_link_does_not_serve(registry):
    fill(registry, Route(route_id="other", issuer_id="issuer", link="nowhere", priority=0))
    assert registry.routes_of("issuer") == (ROUTE,)


# -- terminals and clients


def test_a_device_is_bound_to_the_terminals_that_name_it_and_a_merchant(registry):
    assert registry.bound_terminals("SN1") == (TERMINAL,)
    shelf = replace(TERMINAL, terminal_id="00000002", merchant_id="")
    fill(registry, shelf)
    assert registry.bound_terminals("SN1") == (TERMINAL,)
    fill(registry, replace(TERMINAL, serial_number="SN2"))
    assert registry.bound_terminals("SN1") == ()
    assert len(registry.bound_terminals("SN2")) == 1
    assert registry.bound_terminals("") == ()


def test_a_client_is_known_by_its_present_key_and_only_in_service(registry):
    assert registry.find_api_client("a" * 64) == CLIENT
    fill(registry, replace(CLIENT, key_hash="c" * 64))
    assert registry.find_api_client("a" * 64) is None
    assert registry.find_api_client("c" * 64) is not None
    fill(registry, replace(CLIENT, key_hash="c" * 64, status=SUSPENDED))
    assert registry.find_api_client("c" * 64) is None


def test_an_operator_is_known_by_their_present_key_and_only_in_service(registry):
    assert registry.find_operator("b" * 64) == OPERATOR
    assert registry.find_operator("a" * 64) is None, "a partner is no operator"
    assert registry.find_api_client("b" * 64) is None, "an operator is no partner"
    fill(registry, replace(OPERATOR, key_hash="c" * 64))
    assert registry.find_operator("b" * 64) is None
    assert registry.find_operator("c" * 64) is not None
    fill(registry, replace(OPERATOR, key_hash="c" * 64, status=SUSPENDED))
    assert registry.find_operator("c" * 64) is None


# -- copies


def test_a_copy_goes_its_own_way(registry):
    registry.agent_chain("agent")
    twin = registry.copy()
    assert twin.position == registry.position
    fill(
        twin,
        replace(ROOT, status=AgentStatus.SUSPENDED),
        replace(MERCHANT, name="Other"),
        replace(TERMINAL, serial_number="SN2"),
        replace(ISSUER, bins=("9",)),
    )
    assert registry.agent_chain("agent") == (AGENT, ROOT)
    assert registry.find_merchant(MERCHANT.merchant_id) == MERCHANT
    assert registry.bound_terminals("SN1") == (TERMINAL,)
    assert registry.find_issuer("62") == ISSUER
    assert twin.routes_of("issuer") == registry.routes_of("issuer")


@given(
    changes=st.lists(
        st.sampled_from((*ALL, replace(ROOT, status=AgentStatus.SUSPENDED))), max_size=25
    )
)
def test_lookups_between_changes_never_change_what_is_found_at_the_end(changes):
    asked, quiet = Registry(), Registry()
    for entity in changes:
        fill(asked, entity)
        asked.find_issuer("62000000")
        asked.routes_of("issuer")
        asked.agent_chain("agent")
        fill(quiet, entity)
    assert asked.find_issuer("62000000") == quiet.find_issuer("62000000")
    assert asked.routes_of("issuer") == quiet.routes_of("issuer")
    assert asked.agent_chain("agent") == quiet.agent_chain("agent")
    assert asked.position == quiet.position
