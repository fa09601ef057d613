import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.domain.fees import FeePlan
from switch.domain.registry.entities import (
    MAC_ALGORITHMS,
    REQUIRED_MERCHANT_FIELDS,
    Acquirer,
    Agent,
    AgentStatus,
    ApiClient,
    DuplicatePolicy,
    Entity,
    Issuer,
    Link,
    Merchant,
    MerchantStatus,
    Operator,
    Route,
    SealedKey,
    StoreGroup,
    Terminal,
    TerminalStatus,
    id_of,
    mcc_of_merchant_id,
)

COMPLETE = Merchant(
    merchant_id="898110154110001",
    status=MerchantStatus.ACTIVATED,
    name="Shop",
    mcc="5411",
    agent_id="agent",
    currency="156",
    fee_plan=FeePlan(rate_ppm=0),
    settlement_account="ref-1",
)


def test_a_complete_merchant_misses_nothing_even_with_a_free_fee_plan() -> None:
    assert COMPLETE.missing_fields() == ()


@given(missing=st.sets(st.sampled_from(REQUIRED_MERCHANT_FIELDS)))
def test_exactly_what_is_missing_is_named_in_order(missing: set[str]) -> None:
    empty = {field: None if field == "fee_plan" else "" for field in missing}
    merchant = msgspec.structs.replace(COMPLETE, **empty)
    assert merchant.missing_fields() == tuple(
        field for field in REQUIRED_MERCHANT_FIELDS if field in missing
    )


@pytest.mark.parametrize(
    ("merchant_id", "mcc"),
    [
        ("898110154110001", "5411"),
        ("898110158120001", "5812"),
        ("89811015411000", None),
        ("8981101541100011", None),
        ("88758D048165555", None),
        ("8981101５4110001", None),
        ("", None),
    ],
)
def test_a_merchant_id_of_fifteen_digits_spells_its_mcc(merchant_id: str, mcc: str | None) -> None:
    assert mcc_of_merchant_id(merchant_id) == mcc


@pytest.mark.parametrize(
    ("entity", "entity_id"),
    [
        (Acquirer(acquirer_id="a", name="", institution_id="1"), "a"),
        (Agent(agent_id="b", name="", status=AgentStatus.ACTIVE), "b"),
        (StoreGroup(group_id="c", name=""), "c"),
        (COMPLETE, "898110154110001"),
        (
            Terminal(acquirer="a", terminal_id="00000001", profile="", status=TerminalStatus.LOST),
            "a:00000001",
        ),
        (Issuer(issuer_id="d", name="", bins=()), "d"),
        (Link(link_id="e", name=""), "e"),
        (Route(route_id="f", issuer_id="", link="", priority=0), "f"),
        (ApiClient(client_id="g", name="", acquirer="", key_hash=""), "g"),
        (Operator(operator_id="h", name="", key_hash=""), "h"),
    ],
)
def test_every_kind_has_an_id(entity: Entity, entity_id: str) -> None:
    assert id_of(entity) == entity_id


def test_a_sealed_key_shows_its_check_value_only() -> None:
    key = SealedKey(key_id="working-key-1", sealed=b"secret", kcv="77800CBA")
    terminal = Terminal(
        acquirer="a", terminal_id="1", profile="", status=TerminalStatus.ACTIVATED, mak=key
    )
    assert "secret" not in f"{key!r} {terminal!r}"
    assert "77800CBA" in repr(terminal)


def test_what_was_written_before_a_field_came_is_read_with_its_default() -> None:
    terminal = msgspec.json.decode(
        b'{"acquirer":"a","terminal_id":"1","profile":"p","status":"activated"}', type=Terminal
    )
    assert (terminal.tmk, terminal.pik, terminal.key_scheme) == (None, None, "003")
    assert (terminal.pin_format, terminal.lost_at) == ("iso-0", 0)
    merchant = msgspec.json.decode(b'{"merchant_id":"m","status":"activated"}', type=Merchant)
    assert merchant.duplicate_policy is DuplicatePolicy.REFUSE
    assert merchant.duplicate_window_s == 0
    issuer = msgspec.json.decode(b'{"issuer_id":"i","name":"I","bins":["62"]}', type=Issuer)
    assert (issuer.zpk, issuer.pin_format, issuer.stand_in) == (None, "iso-0", None)
    plan = msgspec.json.decode(b'{"rate_ppm":6000,"min_minor":0,"cap_minor":null}', type=FeePlan)
    assert plan == FeePlan(rate_ppm=6000)
    assert plan.is_returned_on_refund


@pytest.mark.parametrize(
    ("algorithm", "needs"), [(each, each != "none") for each in MAC_ALGORITHMS]
)
def test_a_terminal_needs_macs_unless_its_profile_has_none(algorithm: str, needs: bool) -> None:  # noqa: FBT001 - a table row
    terminal = Terminal(
        acquirer="a",
        terminal_id="1",
        profile="",
        status=TerminalStatus.ACTIVATED,
        mac_algorithm=algorithm,
    )
    assert terminal.needs_mac is needs
