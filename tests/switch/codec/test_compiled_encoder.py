import pytest

from switch.codec import Message, load_dialect
from switch.codec.compiled_encoder import compile_encoder, encode_mtis
from switch.codec.table_driven import TableDriven

POS = load_dialect("unionpay-pos")
FIELDS = {  # not in the elements' order, as answers are built
    "mac": b"48E1FCAE",
    "pan": "6205500000000000004",
    "track2": "62=3012",
    "stan": "000123",
    "pos_entry_mode": "021",
    "rrn": "012345 78901",
    "terminal_id": "00000001",
    "private_63": "\xb9\xfe",
}


@pytest.fixture
def encode():
    specs = sorted(map(POS.get_spec, FIELDS), key=lambda spec: spec.de)
    return compile_encoder(POS.table, specs, FIELDS)


def test_a_message_is_written_as_by_the_table(encode):
    wanted = TableDriven(POS.table).encode(Message("0200", FIELDS))
    assert encode("0200", FIELDS) == wanted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mac", "48E1FCAE"),
        ("mac", b"48E1FCA"),
        ("mac", bytearray(8)),
        ("pan", "1" * 20),
        ("pan", "62055x"),
        ("pan", b"62055"),
        ("pan", 62055),
        ("track2", "62-3012"),
        ("track2", None),
        ("stan", "00012"),
        ("stan", "१२३४५६"),
        ("stan", b"000123"),
        ("pos_entry_mode", "0 1"),
        ("rrn", "012345.78901"),
        ("terminal_id", "0000000\n"),
        ("terminal_id", b"00000001"),
        ("private_63", "商户"),
        ("private_63", b"CUP"),
    ],
)
def test_what_is_not_surely_right_is_left_to_the_table(encode, name, value):
    assert encode("0200", {**FIELDS, name: value}) is None


@pytest.mark.parametrize("mti", ["0299", "", "1200", None, b"0200"])
def test_an_unknown_message_type_is_left_to_the_table(encode, mti):
    assert encode(mti, FIELDS) is None


def test_message_types_are_written_as_the_dialect_says():
    assert encode_mtis("0", "bcd")["0200"] == b"\x02\x00"
    assert encode_mtis("0", "ascii")["0200"] == b"0200"
    assert encode_mtis("0", "ebcdic")["0200"] == b"\xf0\xf2\xf0\xf0"
