import typing

import msgspec
import pytest

from switch.domain.payment.events import (
    Event,
    PaymentDeclined,
    PaymentEvent,
    PaymentRequested,
)
from switch.domain.payment.payment import SettlementLine
from switch.domain.payment.requests import Answer

EVENTS = typing.get_args(PaymentEvent)
SECRET_NAMES = {"pan", "track1", "track2", "track3", "pin_block", "icc_data", "mac"}


def test_every_event_is_in_the_union_that_readers_decode():
    assert set(EVENTS) == {
        kind for kind in Event.__subclasses__() if kind.__module__.endswith("payment.events")
    }


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_a_tag_is_written_by_hand_and_has_a_version(kind):
    config = kind.__struct_config__
    assert config.tag_field == "type"
    assert config.tag.endswith(".v1")
    assert config.frozen


def test_tags_are_never_shared():
    tags = [kind.__struct_config__.tag for kind in EVENTS]
    assert len(set(tags)) == len(tags)


def list_field_names(kind: type[msgspec.Struct], seen: set[type]) -> set[str]:
    """Name the fields of a struct and of all structs inside it."""
    if kind in seen:
        return set()
    seen.add(kind)
    names = set(kind.__struct_fields__)
    for hint in typing.get_type_hints(kind).values():
        for inner in (hint, *typing.get_args(hint)):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                names |= list_field_names(inner, seen)
    return names


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_no_event_has_room_for_a_card_secret(kind):
    assert not SECRET_NAMES & list_field_names(kind, set())


def test_the_search_for_secrets_looks_inside():
    assert "sealed_pan" in list_field_names(PaymentRequested, set())


def test_a_field_at_its_default_is_not_written():
    event = PaymentDeclined(rrn="010000000042", answer=Answer(response_code="51", at=1))
    assert msgspec.json.encode(event) == (
        b'{"type":"payment-declined.v1","rrn":"010000000042",'
        b'"answer":{"response_code":"51","at":1}}'
    )


def test_net_is_gross_less_fee():
    line = SettlementLine(
        acquirer="a",
        merchant_id="m",
        settlement_date="2026-11-22",
        currency="156",
        gross_minor=-10_000,
        fee_minor=-60,
    )
    assert line.net_minor == -9_940
