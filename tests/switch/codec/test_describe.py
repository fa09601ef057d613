import json

import msgspec
import pytest

from switch.codec import CodecError, Message, describe, load_dialect

POS = load_dialect("unionpay-pos")
PAN = "6200000000000005"
CHIP = bytes.fromhex(
    "5A08 6200000000000005 5F2403 301231 9F2608 1122334455667788 9505 0000048000"
    "7007 9C0100 DF0101 AB"
)


def line_of(name, value, dialect=POS):
    [line] = describe(Message("0200", {name: value}), dialect).elements
    return line


def test_elements_come_in_their_order_with_their_names():
    shown = describe(Message("0201", {"stan": "000123", "processing_code": "000000"}), POS)
    assert (shown.mti, shown.meaning) == ("0201", "financial request, acquirer repeat")
    assert [(line.de, line.name) for line in shown.elements] == [
        (3, "processing_code"),
        (11, "stan"),
    ]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("pan", PAN, "620000******0005"),
        ("pan", "62", "**"),
        ("track2", f"{PAN}=3012", "(hidden, 21 characters)"),
        ("expiration_date", "3012", "(hidden, 4 characters)"),
        ("pin_block", bytes(8), "(hidden, 8 bytes)"),
        ("mac", b"48E1FCAE", "(hidden, 8 bytes)"),
        ("private_62", "keys", "(hidden, 4 characters)"),
        ("private_63", f"card {PAN}", "card 620000******0005"),
        ("private_63", "哈".encode("gb18030").decode("latin-1"), "哈"),
        ("private_63", "a\x1b[31m", "a\\x1b[31m"),
        ("private_63", "\xff\xff", "\\xff\\xff"),
        ("merchant_id", "898110154110001", "898110154110001"),
        ("additional_data_private", PAN * 4, "(hidden, 64 characters)"),
        ("additional_data_private", "1" * 62, "1" * 62),
    ],
)
def test_a_value_is_shown_as_it_may_be(name, value, shown):
    assert line_of(name, value).value == shown


def test_a_composite_shows_its_parts():
    parts = line_of("batch_data", "22000001000").parts
    assert parts == {"transaction_code": "22", "batch": "000001", "network_code": "000"}


def test_a_value_that_fits_no_parts_is_shown_without():
    assert line_of("private_63", "01").parts == {}


def test_masked_text_shows_no_parts():
    assert line_of("private_63", PAN).parts == {}


def test_chip_tags_are_listed_and_those_with_card_data_have_no_value():
    tags = {tag.tag: tag for tag in line_of("icc_data", CHIP).tags}
    assert list(tags) == ["5A", "5F24", "9F26", "95", "70"]
    assert (tags["5A"].value, tags["5A"].size) == ("", 8)
    assert tags["5F24"].value == ""
    assert tags["9F26"].value == "1122334455667788"
    assert [(tag.tag, tag.value) for tag in tags["70"].tags] == [("9C", "00"), ("DF01", "")]


def test_chip_data_that_is_no_tlv_says_where():
    line = line_of("icc_data", b"\x9f")
    assert line.note == "BER-TLV at offset 0: the data ends inside the tag"
    assert line.note in str(describe(Message("0200", {"icc_data": b"\x9f"}), POS))


def test_chip_data_given_as_text_is_not_looked_into():
    assert line_of("icc_data", "9F").value == "(hidden, 2 bytes)"


def test_a_table_and_json_say_the_same_and_no_secret():
    message = Message(
        "0200",
        {
            "pan": PAN,
            "processing_code": "000000",
            "track2": f"{PAN}=3012",
            "icc_data": CHIP,
            "batch_data": "22000001000",
        },
    )
    shown = describe(message, POS)
    table, as_json = str(shown), msgspec.json.encode(shown).decode()
    for text in (table, as_json):
        assert "620000******0005" in text
        assert "transaction_code" in text
        assert "9F26" in text
        assert PAN not in text
        assert "3012" not in text
    assert json.loads(as_json)["elements"][0]["name"] == "pan"
    assert "DF01" in table
    assert "not known" in table


def test_an_element_that_the_dialect_does_not_have_is_refused():
    with pytest.raises(CodecError):
        describe(Message("0200", {"colour": "1"}), POS)
