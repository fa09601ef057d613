import json
from typing import get_args, get_type_hints

import msgspec
import pytest

from switch.domain.registry.decide import kind_of
from switch.domain.registry.entities import AgentStatus, Entity, SealedKey, StandIn, id_of
from switch.domain.registry.queries import (
    LIST_FIELDS,
    SEALED_FIELDS,
    registry_entity,
    registry_rows,
)
from switch.domain.registry.view import KINDS
from tests.switch.domain.registry.conftest import AGENT, ALL, ISSUER, MERCHANT, ROOT, TERMINAL, fill

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
    hidden = SEALED_FIELDS | {"key_hash"}
    assert set(entity.__struct_fields__) - set(row) <= hidden
    assert not hidden & set(row)
    assert row["id"] == id_of(entity)


def test_no_key_is_shown_only_its_check_value(registry):
    key = SealedKey(key_id="k", sealed=b"sealed", kcv="77800CBA")
    fill(registry, replace(TERMINAL, mak=key, tmk=key, pik=key), replace(ISSUER, zpk=key))
    [row] = registry_rows(registry, "terminals")
    assert (row["mak_kcv"], row["tmk_kcv"], row["pik_kcv"]) == ("77800CBA",) * 3
    [issuer_row] = registry_rows(registry, "issuers")
    assert issuer_row["zpk_kcv"] == "77800CBA"
    assert "c2VhbGVk" not in json.dumps([row, issuer_row])
    fill(registry, TERMINAL)
    assert registry_rows(registry, "terminals")[0]["mak_kcv"] == "none"
    assert "a" * 64 not in json.dumps(registry_rows(registry, "clients"))
    assert "b" * 64 not in json.dumps(registry_rows(registry, "operators"))


def test_a_sealed_key_of_any_name_is_hidden():
    sealed = {
        name
        for entity_type in Entity.__args__
        for name, annotation in get_type_hints(entity_type).items()
        if SealedKey in get_args(annotation)
    }
    assert sealed == SEALED_FIELDS


def test_a_table_is_shown_with_its_defaults(registry):
    row = registry_entity(registry, "merchants", MERCHANT.merchant_id)
    assert row["fee_plan"] == {
        "rate_ppm": 3800,
        "min_minor": 0,
        "cap_minor": None,
        "is_returned_on_refund": True,
    }
    assert row["duplicate_policy"] == "refuse"
    fill(registry, replace(ISSUER, stand_in=StandIn(floor_limit_minor=100)))
    [row] = registry_rows(registry, "issuers")
    assert row["stand_in"] == {"floor_limit_minor": 100, "bins": ()}


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
