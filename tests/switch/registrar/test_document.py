import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.domain.registry.entities import AgentStatus
from switch.registrar.document import AgentEntry, MerchantEntry, parse_document

AGENT = b'[[agents]]\nagent_id = "a"\nname = "A"\nstatus = "active"\n'
MERCHANT = b'[[merchants]]\nmerchant_id = "898110154110001"\nstatus = "activated"\n'


def problems_of(content):
    return [str(problem) for problem in parse_document(content).problems]


def test_a_good_file_has_entries_and_no_problem():
    document = parse_document(AGENT)
    [(place, entry)] = document.entries
    assert entry == AgentEntry(agent_id="a", name="A", status=AgentStatus.ACTIVE)
    assert (place.kind, place.number, place.entity_id) == ("agents", 0, "a")
    assert document.digest == hashlib.sha256(AGENT).hexdigest()
    assert (document.problems, document.damaged) == ((), frozenset())


def test_an_empty_file_is_fine():
    assert parse_document(b"").entries == ()


def test_entries_come_in_the_order_in_which_they_must_exist():
    kinds = [place.kind for place, _ in parse_document(MERCHANT + AGENT).entries]
    assert kinds == ["agents", "merchants"]


def test_what_is_left_out_of_a_merchant_is_missing_not_wrong():
    [(_, entry)] = parse_document(MERCHANT).entries
    assert isinstance(entry, MerchantEntry)
    assert (entry.fee_plan, entry.mcc) == (None, "")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\xff", "the file: it is not UTF-8; save it as UTF-8 text"),
        (b"[[agents", "the file: it is not TOML"),
        (b"a = " + b"[" * 5_000, "the file: it is not TOML"),
        (b"a = " + b"9" * 5_000, "the file: it is not TOML"),
        (b"agents = 1", "agents: it is not a list of tables; write each one as [[agents]]"),
        (b"agents = [1]", "agents: it is not a list of tables"),
        (b"[agents]\na = 1", "agents: it is not a list of tables"),
        (b"[[agent]]", "agent: there is no such table; use one of: acquirers, agents"),
        (AGENT + b"x = 1", "agents[0] a: x: there is no such field; use: agent_id, name"),
        (b"[[agents]]", "agents[0]: agent_id: it is missing; give 1 to 32 lower-case letters"),
        (
            AGENT.replace(b"active", b"asleep"),
            "agents[0] a: status: invalid enum value 'asleep'; give one of: applied, active",
        ),
        (
            MERCHANT + b'mcc = "12"',
            "merchants[0] 898110154110001: mcc: it has another form; give four digits",
        ),
        (MERCHANT + b'transactions = ["sale", "loan"]', "(at `$[1]`); give one of: sale,"),
        (MERCHANT + b"fee_plan = { rate_ppm = -1 }", "fee_plan: expected `int` >= 0"),
        (MERCHANT + b"fee_plan = { rate_ppm = 1, x = 1 }", "unknown field `x`"),
        (MERCHANT + b"fee_plan = { }", "missing required field `rate_ppm`"),
    ],
)
def test_each_error_says_where_what_and_what_to_do(content, complaint):
    assert any(complaint in problem for problem in problems_of(content)), problems_of(content)


def test_all_errors_of_a_file_are_found_at_once():
    content = (
        b'[[agents]]\nagent_id = "A"\nstatus = 1\n'
        + MERCHANT
        + b'mcc = "x"\ncurrency = "y"\nfoo = 1\n[[bogus]]\n'
    )
    fields = sorted(
        problem.path.rpartition(": ")[2] for problem in parse_document(content).problems
    )
    assert fields == ["agent_id", "bogus", "currency", "foo", "mcc", "name", "status"]


def test_a_damaged_entry_is_known_by_its_id_or_by_its_kind():
    assert parse_document(AGENT + b"x = 1").damaged == {("agents", "a")}
    assert parse_document(b"[[agents]]").damaged == {("agents", "")}
    assert parse_document(b"agents = 1").damaged == {("agents", "")}


@pytest.mark.parametrize(
    ("table", "field", "secret"),
    [
        (b'[[terminals]]\nacquirer = "a"\nterminal_id = "00000001"\n', b"mak", b"SECRETSECRET"),
        (b'[[terminals]]\nacquirer = "a"\nterminal_id = "00000001"\n', b"tmk", b"SECRETSECRET"),
        (b'[[terminals]]\nacquirer = "a"\nterminal_id = "00000001"\n', b"pik", b"SECRETSECRET"),
        (b'[[issuers]]\nissuer_id = "a"\n', b"zpk", b"SECRETSECRET"),
        (b'[[clients]]\nclient_id = "a"\n', b"api_key", b"SECRET"),
        (b'[[operators]]\noperator_id = "a"\n', b"api_key", b"SECRET"),
    ],
)
def test_a_wrong_key_is_never_shown(table, field, secret):
    problems = problems_of(table + field + b' = "' + secret + b'"')
    assert any(f": {field.decode()}: it cannot be used" in problem for problem in problems)
    assert not any("SECRET" in problem for problem in problems)


@given(st.binary(max_size=200))
def test_no_file_makes_the_reader_fail(content):
    document = parse_document(content)
    assert document.problems or not document.entries


@given(
    st.dictionaries(
        st.sampled_from(["agent_id", "name", "status", "parent_id", "x"]),
        st.sampled_from(['"a"', '""', "1", "[]", "{}", '"active"', "true", "1.5", "2026-01-01"]),
    )
)
def test_an_entry_is_read_or_has_a_problem(values):
    body = "".join(f"{name} = {value}\n" for name, value in values.items())
    document = parse_document(f"[[agents]]\n{body}".encode())
    assert bool(document.entries) != bool(document.problems)
    assert bool(document.damaged) == bool(document.problems)
