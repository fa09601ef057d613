import json

import msgspec
import pytest

from switch.domain.registry.decide import kind_of
from switch.domain.registry.entities import AgentStatus, SealedKey, id_of
from switch.domain.registry.queries import LIST_FIELDS, registry_entity, registry_rows
from switch.domain.registry.view import KINDS
from tests.switch.domain.registry.conftest import AGENT, ALL, MERCHANT, ROOT, TERMINAL, fill

replace = msgspec.structs.replace


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_listed_with_the_fields_of_its_table(registry, kind):
    rows = registry_rows(registry, kind)
    assert rows
    assert all(set(LIST_FIELDS[kind]) <= set(row) for row in rows)
    json.dumps(rows)


@pytest.mark.parametrize("entity", ALL, ids=kind_of)
def test_an_entity_is_shown_with_all_its_fields_but_its_keys(registry, entity):
    row = registry_entity(registry, kind_of(entity), id_of(entity))
    assert row is not None
    assert set(entity.__struct_fields__) - set(row) <= {"mak", "key_hash"}
    assert row["id"] == id_of(entity)


def test_no_key_is_shown_only_its_check_value(registry):
    key = SealedKey(key_id="k", sealed=b"sealed", kcv="77800CBA")
    fill(registry, replace(TERMINAL, mak=key))
    [row] = registry_rows(registry, "terminals")
    assert row["mak_kcv"] == "77800CBA"
    assert "c2VhbGVk" not in json.dumps(row)
    fill(registry, TERMINAL)
    assert registry_rows(registry, "terminals")[0]["mak_kcv"] == "none"
    assert "a" * 64 not in json.dumps(registry_rows(registry, "clients"))


def test_a_merchant_shows_what_would_decline_its_payments(registry):
    fill(registry, replace(ROOT, status=AgentStatus.SUSPENDED), replace(MERCHANT, currency=""))
    row = registry_entity(registry, "merchants", MERCHANT.merchant_id)
    assert row is not None
    assert row["missing_fields"] == ["currency"]
    assert row["inactive_agents"] == ["root"]
    assert registry_entity(registry, "agents", AGENT.agent_id)["inactive_agents"] == ["root"]


def test_an_issuer_shows_the_routes_in_service(registry):
    assert registry_rows(registry, "issuers")[0]["routes"] == ["route"]


def test_what_is_not_there_is_none(registry):
    assert registry_entity(registry, "merchants", "x") is None
    with pytest.raises(KeyError):
        registry_rows(registry, "bogus")
