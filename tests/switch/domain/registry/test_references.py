import msgspec
import pytest

from switch.domain.registry.decide import kind_of
from switch.domain.registry.entities import (
    KEY_SCHEMES,
    Agent,
    AgentStatus,
    SealedKey,
    StandIn,
    TerminalStatus,
)
from switch.domain.registry.references import SINGULAR, find_problems
from switch.domain.registry.view import AGENT_DEPTH_MAX, KINDS
from tests.switch.domain.registry.conftest import (
    AGENT,
    ALL,
    CLIENT,
    ISSUER,
    MERCHANT,
    OPERATOR,
    ROOT,
    ROUTE,
    TERMINAL,
    fill,
)

replace = msgspec.structs.replace


def problems_of(registry, entity):
    return find_problems(fill(registry, entity), entity)


@pytest.mark.parametrize("entity", ALL, ids=kind_of)
def test_what_fits_together_has_no_problem(registry, entity):
    assert find_problems(registry, entity) == ()


@pytest.mark.parametrize(
    ("entity", "field", "kind"),
    [
        (replace(AGENT, parent_id="x"), "parent_id", "agents"),
        (replace(MERCHANT, agent_id="x"), "agent_id", "agents"),
        (replace(MERCHANT, group_id="x"), "group_id", "groups"),
        (replace(TERMINAL, acquirer="x"), "acquirer", "acquirers"),
        (replace(TERMINAL, merchant_id="x"), "merchant_id", "merchants"),
        (replace(ROUTE, issuer_id="x"), "issuer_id", "issuers"),
        (replace(ROUTE, link="x"), "link", "links"),
        (replace(CLIENT, acquirer="x"), "acquirer", "acquirers"),
        (replace(CLIENT, merchants=("x",)), "merchants", "merchants"),
    ],
)
def test_every_reference_needs_its_target(registry, entity, field, kind):
    problem = problems_of(registry, entity)[0]
    assert (problem.field, problem.missing_kind, problem.missing_id) == (field, kind, "x")
    assert problem.wrong == f"{SINGULAR[kind]} 'x' does not exist"
    assert f"[[{kind}]]" in problem.remedy


def test_a_circle_of_agents_is_named(registry):
    [problem] = problems_of(registry, replace(ROOT, parent_id="agent"))
    assert problem.field == "parent_id"
    assert "circle" in problem.wrong


def test_an_agent_is_not_its_own_parent(registry):
    [problem] = problems_of(registry, replace(ROOT, parent_id="root"))
    assert "circle" in problem.wrong


def test_a_chain_of_agents_has_a_longest_length(registry):
    agents = [
        Agent(agent_id=f"a{n}", name="", status=AgentStatus.ACTIVE, parent_id=f"a{n - 1}")
        for n in range(1, AGENT_DEPTH_MAX + 1)
    ]
    fill(registry, replace(ROOT, agent_id="a0"), *agents)
    assert find_problems(registry, agents[-2]) == ()
    [problem] = find_problems(registry, agents[-1])
    assert f"{AGENT_DEPTH_MAX}" in problem.remedy


@pytest.mark.parametrize(
    ("merchant_id", "mcc", "field"),
    [
        ("898110158120001", "5411", ["mcc"]),
        ("898110154110001", "", []),
        ("ANOTHER-MAKE-ID", "5411", []),
    ],
)
def test_the_mcc_agrees_with_the_one_that_the_merchant_id_spells(registry, merchant_id, mcc, field):
    merchant = replace(MERCHANT, merchant_id=merchant_id, mcc=mcc)
    assert [problem.field for problem in problems_of(registry, merchant)] == field


@pytest.mark.parametrize(
    ("status", "merchant_id", "is_fine"),
    [
        (TerminalStatus.ACTIVATED, MERCHANT.merchant_id, True),
        (TerminalStatus.ACTIVATED, "", False),
        (TerminalStatus.BOUND, "", False),
        (TerminalStatus.IN_STOCK, "", True),
        (TerminalStatus.ASSIGNED, MERCHANT.merchant_id, False),
        (TerminalStatus.SCRAPPED, MERCHANT.merchant_id, False),
        (TerminalStatus.LOST, MERCHANT.merchant_id, True),
        (TerminalStatus.LOST, "", True),
    ],
)
def test_a_terminal_names_a_merchant_exactly_where_its_status_says(
    registry, status, merchant_id, is_fine
):
    terminal = replace(TERMINAL, status=status, merchant_id=merchant_id)
    assert (problems_of(registry, terminal) == ()) is is_fine


def test_one_device_belongs_to_one_terminal_and_both_are_told(registry):
    second = replace(TERMINAL, terminal_id="00000002")
    fill(registry, second)
    for terminal, other in ((TERMINAL, second), (second, TERMINAL)):
        [problem] = find_problems(registry, terminal)
        assert problem.field == "serial_number"
        assert f"acq:{other.terminal_id}" in problem.wrong


def test_terminals_without_a_serial_number_do_not_clash(registry):
    terminals = [replace(TERMINAL, terminal_id=f"0000001{n}", serial_number="") for n in range(3)]
    fill(registry, *terminals)
    assert all(find_problems(registry, terminal) == () for terminal in terminals)


def test_the_same_bin_at_two_issuers_is_a_problem_a_longer_one_is_not(registry):
    [problem] = problems_of(registry, replace(ISSUER, issuer_id="second", bins=("4", "6201")))
    assert problem.field == "bins"
    assert "BIN 4 " in problem.wrong
    assert problems_of(registry, replace(ISSUER, issuer_id="second", bins=("6201",))) == ()


@pytest.mark.parametrize(
    ("entity", "holder"),
    [
        (replace(CLIENT, client_id="second"), "API client 'client'"),
        (replace(OPERATOR, operator_id="second"), "operator 'operator'"),
        (replace(CLIENT, key_hash=OPERATOR.key_hash), "operator 'operator'"),
        (replace(OPERATOR, key_hash=CLIENT.key_hash), "API client 'client'"),
        (replace(OPERATOR, operator_id="client", key_hash=CLIENT.key_hash), "API client 'client'"),
    ],
)
def test_clients_and_operators_never_share_a_key(registry, entity, holder):
    [problem] = problems_of(registry, entity)
    assert problem.field == "key_hash"
    assert problem.wrong == f"{holder} holds the same API key"
    assert entity.key_hash not in problem.wrong


@pytest.mark.parametrize(
    ("mac_algorithm", "schemes"),
    [
        ("unionpay-ecb", {"001", "003", "004"}),
        ("x9.9", {"001", "003", "004"}),
        ("x9.19", {"003", "004"}),
        ("unionpay-ecb-sm4", {"006"}),
        ("none", set(KEY_SCHEMES)),
    ],
)
def test_a_sign_on_gives_a_key_that_the_mac_algorithm_takes(registry, mac_algorithm, schemes):
    tmk = SealedKey(key_id="k", sealed=b"sealed", kcv="08D7B4FB")
    terminal = replace(TERMINAL, mac_algorithm=mac_algorithm, tmk=tmk)
    for scheme in KEY_SCHEMES:
        problems = problems_of(registry, replace(terminal, key_scheme=scheme))
        assert [each.field for each in problems] == ([] if scheme in schemes else ["key_scheme"])
        without = replace(terminal, key_scheme=scheme, tmk=None)
        assert problems_of(registry, without) == (), "its keys are as issued, there is no sign-on"


@pytest.mark.parametrize(
    ("bins", "wrong"),
    [
        ((), []),
        (("62", "4000"), []),
        (("5", "4"), ["BIN 5 is not this issuer's"]),
        (("6",), ["BIN 6 is not this issuer's"]),
    ],
)
def test_stand_in_is_for_cards_of_the_issuer_only(registry, bins, wrong):
    issuer = replace(ISSUER, stand_in=StandIn(floor_limit_minor=100, bins=bins))
    problems = problems_of(registry, issuer)
    assert [each.wrong for each in problems] == wrong
    assert {each.field for each in problems} <= {"stand_in"}


def test_every_kind_has_a_word_for_one_of_it():
    assert set(SINGULAR) == set(KINDS)
