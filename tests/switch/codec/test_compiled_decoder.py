import pytest

from switch.codec import Message, load_dialect
from switch.codec.compiled_decoder import compile_decoder, compile_picker

POS = load_dialect("unionpay-pos")
FIELDS = {
    "pan": "6205500000000000004",
    "pos_entry_mode": "021",
    "card_sequence_number": "001",
    "rrn": "012345 78901",
    "batch_data": "2200000100050",
    "mac": b"48E1FCAE",
}
WIRE = POS.encode(Message("0200", FIELDS))


@pytest.fixture
def decode():
    return compile_decoder(POS.table, map(POS.get_spec, FIELDS), 10)


def test_a_message_is_read(decode):
    assert decode(WIRE) == Message("0200", FIELDS)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\x02\x00", b"\x02\x0f"),  # message type
        (b"\x19\x62", b"\x20\x62"),  # too long
        (b"\x19\x62", b"\x1a\x62"),  # length not decimal
        (b"\x00\x40\x02\x10", b"\x00\x4e\x02\x10"),  # foreign pad nibble
        (b"\x02\x10\x00\x01", b"\x02\x11\x00\x01"),
        (b"\x02\x10\x00\x01", b"\x02\x10\x10\x01"),
        (b"\x02\x10\x00\x01", b"\x02\x10\x00\x0a"),  # not decimal
        (b"012345 7", b"012345.7"),
        (b"48E1FCAE", b"48E1FCA"),
        (b"48E1FCAE", b"48E1FCAE+"),
        (b"\x00\x13\x22", b"\x00\x10\x22"),  # too short
    ],
)
def test_what_is_not_surely_right_is_left_to_the_table(decode, old, new):
    assert WIRE.count(old) == 1
    assert decode(WIRE.replace(old, new)) is None


def test_a_message_cut_anywhere_is_left_to_the_table(decode):
    assert {decode(WIRE[:size]) for size in range(len(WIRE))} == {None}


def test_accepted_pad_nibbles_are_read(decode):
    assert decode(WIRE.replace(b"\x00\x40\x02\x10", b"\x00\x4f\x02\x10")) == decode(WIRE)


@pytest.mark.parametrize(
    "names", [(), ("pan",), ("pan", "rrn"), ("rrn", "batch_data", "stan"), tuple(FIELDS)]
)
def test_a_few_elements_are_read_as_with_all_the_others(names):
    pick = compile_picker(POS.table, map(POS.get_spec, FIELDS), 10, names)
    assert pick(WIRE) == {name: FIELDS[name] for name in names if name in FIELDS}


def test_what_is_picked_out_of_a_message_cut_before_it_is_left_to_the_table():
    pick = compile_picker(POS.table, map(POS.get_spec, FIELDS), 10, ("rrn",))
    assert pick(b"\x02\x00") is None
