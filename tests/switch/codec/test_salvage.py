import pytest

from switch.codec import CodecError, Dialect, Message, Rule, load_dialect
from switch.codec.salvage import salvage_message

POS = load_dialect("unionpay-pos")
MESSAGE = Message("0200", {"processing_code": "000000", "stan": "000123", "currency": "156"})
WIRE = POS.encode(MESSAGE)


def test_a_sound_message_is_read_whole():
    assert salvage_message(POS, WIRE) == MESSAGE
    assert salvage_message(POS, WIRE + b"tail") == MESSAGE


def test_reading_ends_before_what_is_broken():
    broken = salvage_message(POS, WIRE.replace(b"\x00\x01\x23", b"\x00\x01\x2a"))
    assert broken == Message("0200", {"processing_code": "000000"})
    assert salvage_message(POS, WIRE[:-1]).fields.keys() == {"processing_code", "stan"}


def test_reading_ends_before_an_element_without_a_row():
    dialect = Dialect.from_toml('name = "x"\nextends = "unionpay-pos"\ndrop = [11]\n')
    assert salvage_message(dialect, WIRE).fields.keys() == {"processing_code"}


@pytest.mark.parametrize(
    ("wire", "rule"), [(b"\x12\x00", Rule.NOT_MTI), (WIRE[:1], Rule.SHORT), (WIRE[:9], Rule.SHORT)]
)
def test_without_type_and_bitmap_there_is_nothing_to_read(wire, rule):
    with pytest.raises(CodecError) as caught:
        salvage_message(POS, wire)
    assert caught.value.rule is rule
