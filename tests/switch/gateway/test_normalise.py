"""What the log may hold of a message, and where its card is found."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.codec import load_dialect
from switch.codec.tlv import Tlv, encode_tlv
from switch.gateway.normalise import (
    CLEAR_NAMES,
    PRIVATE_NAMES,
    REQUEST_MTIS,
    CardNumber,
    FormatFault,
    check_card_number,
    clear_fields,
    find_card_number,
    find_missing,
    original_stan,
)

PAN = "6200000000000005"
OTHER_PAN = "6200000000000047"


@pytest.mark.parametrize("name", ["unionpay-pos", "iso1987-ascii", "iso1987-binary"])
def test_nothing_that_a_dialect_keeps_secret_is_ever_clear(name: str) -> None:
    assert not CLEAR_NAMES & load_dialect(name).secret_names
    assert not PRIVATE_NAMES & load_dialect(name).secret_names


def test_what_is_not_known_to_be_harmless_stays_in_the_sealed_message() -> None:
    fields: dict[str, str | bytes] = {
        "stan": "000001",
        "pan": PAN,
        "track2": f"{PAN}=3012",
        "pin_block": bytes(8),
        "reserved_105": "anything",
        "private_63": "001",
    }
    assert clear_fields(fields) == {"stan": "000001", "private_63": "001"}


def test_a_private_element_that_may_hold_a_card_number_is_left_out() -> None:
    assert clear_fields({"private_60": f"card {PAN}", "private_61": "12345"}) == {
        "private_61": "12345"
    }


@pytest.mark.parametrize("name", ["original_transaction", "original_data_elements", "batch_data"])
def test_an_element_that_holds_the_card_number_of_its_message_is_left_out(name: str) -> None:
    fields = {"stan": "000001", name: f"00{PAN}00"}
    assert clear_fields(fields, PAN) == {"stan": "000001"}
    assert clear_fields(fields, OTHER_PAN) == fields


@pytest.mark.parametrize(
    ("fields", "want"),
    [
        ({"pan": PAN, "track2": f"{OTHER_PAN}=2901", "expiration_date": "3012"}, (PAN, "3012")),
        ({"track2": f"{PAN}=3012101"}, (PAN, "3012")),
        ({"track2": f"{PAN}D3012101", "expiration_date": "2901"}, (PAN, "2901")),
        ({"track2": f"{PAN}="}, (PAN, "")),
        ({"stan": "000001"}, None),
    ],
)
def test_the_card_is_de_2_before_the_track(
    fields: dict[str, str | bytes], want: tuple[str, str] | None
) -> None:
    assert find_card_number(fields) == want


@pytest.mark.parametrize(
    ("tags", "want"),
    [
        ({"5A": PAN, "5F24": "301231", "57": f"{OTHER_PAN}D2901"}, (PAN, "3012")),
        ({"5A": "6205500000000000004F"}, ("6205500000000000004", "")),
        ({"57": f"{PAN}D30122010000000000F"}, (PAN, "3012")),
        ({"9F36": "0001"}, None),
    ],
)
def test_the_card_of_a_chip_is_tag_5a_before_57(
    tags: dict[str, str], want: tuple[str, str] | None
) -> None:
    objects = [
        Tlv(tag, bytes.fromhex(value + "F" * (len(value) % 2))) for tag, value in tags.items()
    ]
    assert find_card_number({"icc_data": encode_tlv(objects)}) == want


@pytest.mark.parametrize("pan", ["620000000005", "6" * 20, "62000000000000O5", "６" * 16])
def test_what_cannot_be_a_card_number_is_refused_without_being_shown(pan: str) -> None:
    with pytest.raises(FormatFault) as caught:
        check_card_number("DE 2 pan", pan, "")
    assert pan not in str(caught.value)


def test_a_card_number_hides() -> None:
    assert PAN not in repr(CardNumber(PAN, "3012"))


@given(st.dictionaries(st.sampled_from(["pan", "track2", "icc_data"]), st.binary(max_size=60)))
def test_no_card_data_raises_anything_but_a_format_fault(raw: dict[str, bytes]) -> None:
    fields: dict[str, Any] = {
        name: value if name == "icc_data" else value.decode("latin-1")
        for name, value in raw.items()
    }
    try:
        found = find_card_number(fields)
    except FormatFault:
        return
    assert found is None or 13 <= len(found.pan) <= 19


def test_every_missing_element_is_named() -> None:
    assert find_missing({"stan": "1", "terminal_id": "t", "merchant_id": "m"}) is None
    assert find_missing({"stan": "1"}) == "DE 41 terminal_id missing, DE 42 merchant_id missing"


def test_requests_and_advices_of_terminals_are_taken_and_answers_are_not() -> None:
    assert {
        "0100",
        "0200",
        "0201",
        "0220",
        "0221",
        "0320",
        "0400",
        "0401",
        "0500",
        "0620",
        "0800",
        "0820",
    } <= REQUEST_MTIS
    assert not REQUEST_MTIS & {"0110", "0210", "0410", "0430", "0810", "1200", "0202", "0700"}


def test_a_reversal_names_its_original_by_de_90_or_by_its_own_stan() -> None:
    quoted = "0200" + "000123" + "1122073000" + "0" * 22
    assert original_stan({"stan": "000124", "original_data_elements": quoted}) == "000123"
    assert original_stan({"stan": "000124"}) == "000124"
