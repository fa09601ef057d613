import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.domain.registry.commands import SetEntity
from switch.domain.registry.decide import (
    decide,
    decide_change,
    find_status_problems,
    kind_of,
)
from switch.domain.registry.entities import AgentStatus, MerchantStatus, TerminalStatus, id_of
from switch.domain.registry.events import EntityEvent
from switch.domain.registry.view import Registry
from tests.switch.domain.registry.conftest import ALL, MERCHANT, TERMINAL, fill

replace = msgspec.structs.replace


@pytest.mark.parametrize("entity", ALL, ids=kind_of)
def test_a_new_entity_is_registered_then_changed_then_left_alone(entity):
    registry = Registry()
    event = decide_change(registry, entity)
    assert type(event).__name__.endswith("Registered")
    registry.apply(0, event)
    assert decide_change(registry, entity) is None
    field = "bins" if kind_of(entity) == "issuers" else "name"
    other = (
        replace(entity, **{field: ("1",) if field == "bins" else "Other"})
        if hasattr(entity, field)
        else replace(entity, **{"batch" if kind_of(entity) == "terminals" else "priority": 9})
    )
    event = decide_change(registry, other)
    assert type(event).__name__.endswith("Changed")
    registry.apply(1, event)
    assert registry.find_entity(kind_of(entity), id_of(entity)) == other


@pytest.mark.parametrize("entity", ALL, ids=kind_of)
def test_events_come_back_from_json_as_they_were(entity):
    event = decide_change(Registry(), entity)
    assert msgspec.json.decode(msgspec.json.encode(event), type=EntityEvent) == event


@given(order=st.lists(st.sampled_from(ALL), max_size=30))
def test_the_fold_holds_the_last_word_on_every_entity(order):
    registry = fill(Registry(), *order)
    for entity in set(order):
        assert registry.find_entity(kind_of(entity), id_of(entity)) == entity
    assert registry.position == len(set(order))


def test_a_decision_is_events_or_problems_never_both(registry):
    good = decide(registry, SetEntity(replace(MERCHANT, name="Other")))
    assert (len(good.events), good.problems) == (1, ())
    same = decide(registry, SetEntity(MERCHANT))
    assert (same.events, same.problems) == ((), ())
    bad = decide(registry, SetEntity(replace(MERCHANT, agent_id="nobody", group_id="none")))
    assert bad.events == ()
    assert [problem.field for problem in bad.problems] == ["agent_id", "group_id"]


def test_deciding_changes_nothing(registry):
    position = registry.position
    decide(registry, SetEntity(replace(MERCHANT, name="Other")))
    assert registry.position == position
    assert registry.find_merchant(MERCHANT.merchant_id) == MERCHANT


def test_what_is_over_for_good_cannot_come_back(registry):
    closed = replace(MERCHANT, status=MerchantStatus.CLOSED)
    fill(registry, closed)
    [problem] = find_status_problems(registry, MERCHANT)
    assert problem.field == "status"
    assert "closed for good" in problem.wrong
    assert find_status_problems(registry, closed) == ()


def test_agents_and_terminals_have_their_end_too(registry):
    agent = registry.find_agent("root")
    fill(registry, replace(agent, status=AgentStatus.TERMINATED))
    assert find_status_problems(registry, agent)
    fill(registry, replace(TERMINAL, status=TerminalStatus.SCRAPPED))
    assert find_status_problems(registry, TERMINAL)
    assert find_status_problems(Registry(), TERMINAL) == ()
