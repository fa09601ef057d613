import pytest

from switch.codec.element import decode_element, encode_element
from switch.codec.errors import CodecError, Rule
from switch.codec.field_spec import FieldSpec


def spec_of(**row):
    spec = FieldSpec(**{"de": 2, "name": "x", "kind": "n", "length": 5, **row})
    spec.check()
    return spec


PACKED = {"wire": "bcd", "prefix": "bcd", "prefix_digits": 2}
TRACK = {
    **PACKED,
    "kind": "z",
    "length": 37,
    "pad_side": "right",
    "pad_nibbles": "0fd",
    "separator": "D",
}
COUNTED = {**PACKED, "prefix": "binary", "counts": "bytes", "pad_nibbles": "fe"}

BOTH_WAYS = [
    ({}, "12345", b"12345"),
    ({"wire": "ebcdic"}, "12345", b"\xf1\xf2\xf3\xf4\xf5"),
    ({"wire": "bcd"}, "12345", b"\x01\x23\x45"),
    ({"wire": "bcd", "pad_side": "right", "pad_nibbles": "f0"}, "12345", b"\x12\x34\x5f"),
    ({"wire": "bcd", "length": 4}, "1234", b"\x12\x34"),
    (PACKED, "123", b"\x03\x01\x23"),
    (PACKED, "", b"\x00"),
    ({**PACKED, "prefix": "ascii"}, "1234", b"04\x12\x34"),
    ({**PACKED, "prefix": "ebcdic"}, "1234", b"\xf0\xf4\x12\x34"),
    ({**PACKED, "prefix": "binary", "length": 16}, "1" * 16, b"\x10" + b"\x11" * 8),
    ({**PACKED, "length": 16}, "1" * 16, b"\x16" + b"\x11" * 8),
    (COUNTED, "123", b"\x02\xf1\x23"),
    ({**COUNTED, "pad_side": "right"}, "123", b"\x02\x12\x3f"),
    ({**COUNTED, "pad_side": "right"}, "1234", b"\x02\x12\x34"),
    (COUNTED, "", b"\x00"),
    (TRACK, "62=30", b"\x05\x62\xd3\x00"),
    ({"kind": "z", "length": 37, "prefix_digits": 2, "separator": "D"}, "62=3", b"0462D3"),
    ({"kind": "xn"}, "C1234", b"C1234"),
    ({"kind": "xn", "wire": "bcd"}, "D1234", b"D\x12\x34"),
    ({"kind": "b", "wire": "binary"}, b"\0\1\2\3\4", b"\0\1\2\3\4"),
    ({"kind": "b", "wire": "hex"}, b"\0\1\2\3\xff", b"00010203FF"),
    ({"kind": "b", "wire": "hex", "prefix_digits": 3, "counts": "bytes"}, b"\xff", b"002FF"),
    ({"kind": "b", "wire": "hex", "prefix_digits": 3}, b"\xff", b"001FF"),
    ({"kind": "ans", "content": "lenient"}, "\x00\xb9\xfe\n~", b"\x00\xb9\xfe\n~"),
    ({"kind": "ans", "content": "lenient", "wire": "ebcdic"}, "A\x00é b", None),
    ({"kind": "a"}, "aZ x ", b"aZ x "),
    ({"kind": "an"}, "a1 Z9", b"a1 Z9"),
    ({"kind": "ns"}, "1-2/3", b"1-2/3"),
]


@pytest.mark.parametrize(("row", "value", "wire"), BOTH_WAYS)
def test_an_element_is_written_and_read_as_its_row_says(row, value, wire):
    spec = spec_of(**row)
    wire = value.encode("cp500") if wire is None else wire
    assert encode_element(spec, value, 0) == wire
    assert decode_element(spec, b"??" + wire + b"tail", 2) == (value, 2 + len(wire))


READ_ONLY = [
    (TRACK, "62=30", b"\x05\x62\xd3\x0f"),
    (TRACK, "62=30", b"\x05\x62\xd3\x0d"),
    ({"kind": "z", "length": 37, "prefix_digits": 2}, "62=3", b"0462D3"),
    ({"kind": "b", "wire": "hex", "length": 2}, b"\xab\xcd", b"aBcD"),
    (COUNTED, "123", b"\x02\xe1\x23"),
]


@pytest.mark.parametrize(("row", "value", "wire"), READ_ONLY)
def test_what_real_estates_send_is_read_too(row, value, wire):
    assert decode_element(spec_of(**row), wire, 0) == (value, len(wire))


NOT_READ = [
    ({}, b"1234", Rule.SHORT),
    ({}, b"1234x", Rule.NOT_DECIMAL),
    ({}, b"1234\xb2", Rule.NOT_DECIMAL),
    ({"wire": "bcd", "length": 4}, b"\x12\x3a", Rule.NOT_DECIMAL),
    ({"wire": "bcd"}, b"\x12\x34\x56", Rule.PAD_NIBBLE),
    ({"wire": "bcd", "pad_side": "right"}, b"\x12\x34\x5f", Rule.PAD_NIBBLE),
    (PACKED, b"", Rule.SHORT),
    (PACKED, b"\x03\x01", Rule.SHORT),
    (PACKED, b"\x0a", Rule.LENGTH_NOT_DECIMAL),
    (PACKED, b"\x06\x12\x34\x56", Rule.TOO_LONG),
    ({**PACKED, "length_min": 2}, b"\x01\x01", Rule.TOO_SHORT),
    (COUNTED, b"\x04\x12\x34\x56\x78", Rule.TOO_LONG),
    (COUNTED, b"\x03\x12\x34\x56", Rule.TOO_LONG),  # six digits where five are the most
    ({"prefix_digits": 2}, b"+1" + b"1", Rule.LENGTH_NOT_DECIMAL),
    ({"prefix_digits": 2}, b" 1" + b"1", Rule.LENGTH_NOT_DECIMAL),
    ({"prefix_digits": 2}, b"1_" + b"1", Rule.LENGTH_NOT_DECIMAL),
    ({"prefix_digits": 2}, b"1", Rule.SHORT),
    (TRACK, b"\x02\x6a", Rule.NOT_TRACK),
    ({"kind": "xn"}, b"X1234", Rule.NOT_SIGNED),
    ({"kind": "xn", "wire": "bcd"}, b"C\x12\x3f", Rule.NOT_SIGNED),
    ({"kind": "a"}, b"abcd1", Rule.NOT_LETTERS),
    ({"kind": "an"}, b"abc.1", Rule.NOT_ALPHANUMERIC),
    ({"kind": "ans"}, b"abc\n1", Rule.NOT_PRINTABLE),
    ({"kind": "ans"}, b"abc\xe91", Rule.NOT_PRINTABLE),
    ({"kind": "ns"}, b"123a1", Rule.NOT_DIGITS_AND_SIGNS),
    ({"kind": "b", "wire": "hex", "length": 1}, b"x1", Rule.NOT_HEX),
    ({"kind": "b", "wire": "hex", "length": 2}, b"1 23", Rule.NOT_HEX),
    (
        {"kind": "b", "wire": "hex", "prefix_digits": 3, "counts": "bytes"},
        b"003ABC",
        Rule.NOT_HEX,
    ),
]


@pytest.mark.parametrize(("row", "wire", "rule"), NOT_READ)
def test_an_element_that_breaks_its_row_is_refused(row, wire, rule):
    with pytest.raises(CodecError) as caught:
        decode_element(spec_of(**row), wire, 0)
    assert (caught.value.de, caught.value.name, caught.value.rule) == (2, "x", rule)


NOT_WRITTEN = [
    ({}, b"12345", Rule.NOT_TEXT),
    ({}, 12345, Rule.NOT_TEXT),
    ({}, None, Rule.NOT_TEXT),
    ({"kind": "b", "wire": "binary"}, "12345", Rule.NOT_BYTES),
    ({"kind": "b", "wire": "binary"}, bytearray(5), Rule.NOT_BYTES),
    ({"kind": "b", "wire": "binary"}, b"1234", Rule.WRONG_LENGTH),
    ({}, "1234", Rule.WRONG_LENGTH),
    ({}, "123456", Rule.WRONG_LENGTH),
    ({"prefix_digits": 2}, "123456", Rule.TOO_LONG),
    ({"prefix_digits": 2, "length_min": 2}, "1", Rule.TOO_SHORT),
    ({}, "1234x", Rule.NOT_DECIMAL),
    ({}, "१२३४५", Rule.NOT_DECIMAL),
    ({"wire": "bcd"}, "1234a", Rule.NOT_DECIMAL),
    ({"kind": "ans"}, "商户123", Rule.NOT_PRINTABLE),
    ({"kind": "ans", "content": "lenient"}, "商户123", Rule.NOT_ENCODABLE),
]


@pytest.mark.parametrize(("row", "value", "rule"), NOT_WRITTEN)
def test_a_value_that_breaks_its_row_is_not_written(row, value, rule):
    with pytest.raises(CodecError) as caught:
        encode_element(spec_of(**row), value, 7)
    assert (caught.value.offset, caught.value.rule) == (7, rule)


def test_a_short_text_is_filled_where_the_row_says_so():
    spec = spec_of(kind="ans", fill="blanks")
    assert encode_element(spec, "ab", 0) == b"ab   "
    assert decode_element(spec, b"ab   ", 0) == ("ab   ", 5)
