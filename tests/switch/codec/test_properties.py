"""Properties of whole dialects: round trips, two paths with one result, and pyiso8583 as oracle.

Known differences from pyiso8583: it reads signs, blanks and underscores in an ASCII length, takes
any character or nibble as content, refuses pad nibbles other than the one it writes, keeps the
pad nibble of a fixed number, knows no rule for the place of a MAC or for message types, and
leaves a track's separator as it is on the wire.
"""

from pathlib import Path

import iso8583
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.bench_codec import pyiso8583_spec
from switch.codec import CodecError, Dialect, Message, load_dialect
from switch.codec.compiled_decoder import compile_decoder
from switch.codec.compiled_encoder import compile_encoder
from switch.codec.mti import known_mtis
from switch.codec.table_driven import TableDriven

_VECTORS = Path(__file__).parents[2] / "vectors"
SHIPPED = [load_dialect(name) for name in ("iso1987-ascii", "iso1987-binary", "unionpay-pos")]
DIALECTS = SHIPPED + [
    Dialect.from_toml((_VECTORS / f"{name}.toml").read_text("utf-8"))
    for name in ("ebcdic-estate", "odd-estate")
]
_ALPHABETS = {
    "n": "0123456789",
    "z": "0123456789=",
    "a": "ABCxyz ",
    "an": "0189AZaz ",
    "ans": "".join(map(chr, range(0x20, 0x7F))),
    "ns": "0123456789 -/=@[`{~",
}
by_name = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)


def values(spec):
    """Draw what an element may hold; a variable one is often empty, full or odd."""
    low = spec.length_min if spec.is_variable else spec.length
    if spec.is_binary:
        return st.binary(min_size=low, max_size=spec.length)
    if spec.kind == "xn":
        digits = st.text("0123456789", min_size=spec.length - 1, max_size=spec.length - 1)
        return st.tuples(st.sampled_from("CD"), digits).map("".join)
    if spec.content == "lenient":
        anything = st.characters(min_codepoint=0, max_codepoint=255)
        return st.text(anything, min_size=low, max_size=spec.length)
    return st.text(_ALPHABETS[spec.kind], min_size=low, max_size=spec.length)


@st.composite
def messages(draw, dialect):
    """Draw a message that the dialect can write; at most one MAC, and only at the end."""
    plain = [spec for spec in dialect.table.specs if spec.de not in {64, 128}]
    specs = draw(st.lists(st.sampled_from(plain), unique=True, max_size=20))
    macs = [spec for spec in dialect.table.specs if spec.de in {64, 128}]
    mac = draw(st.sampled_from([None, *macs]))
    if mac is not None and all(spec.de < mac.de for spec in specs):
        specs.append(mac)
    mti = draw(st.sampled_from(sorted(known_mtis(dialect.table.mti_versions))))
    return Message(mti, {spec.name: draw(values(spec)) for spec in specs})


def compile_both(dialect, message):
    table_driven = TableDriven(dialect.table)
    elements = table_driven.list_elements(message.fields)
    specs = table_driven.order_specs(elements)
    head = 2 if dialect.table.mti == "bcd" else 4
    maps = 16 if elements and elements[-1] > 64 else 8
    start = head + maps * (1 if dialect.table.bitmap == "binary" else 2)
    return (
        compile_decoder(dialect.table, specs, start),
        compile_encoder(dialect.table, specs, message.fields),
    )


def result_of(function, *arguments):
    try:
        return function(*arguments)
    except CodecError as error:
        return str(error)


@by_name
@given(data=st.data())
def test_what_is_written_is_read_again(dialect, data):
    message = data.draw(messages(dialect))
    assert dialect.decode(dialect.encode(message)) == message


@by_name
@given(data=st.data())
def test_the_compiled_path_gives_what_the_table_gives(dialect, data):
    message = data.draw(messages(dialect))
    table_driven = TableDriven(dialect.table)
    decode, encode = compile_both(dialect, message)
    wire = table_driven.encode(message)
    assert encode(message.mti, message.fields) in {wire, None}
    assert decode(wire) in (message, None)
    are_full = all(message.fields.values())
    if are_full:  # only runs of empty values are left to the table
        assert encode(message.mti, message.fields) == wire
        assert decode(wire) == message


@by_name
@given(data=st.data())
def test_the_compiled_path_accepts_no_more_than_the_table(dialect, data):
    message = data.draw(messages(dialect))
    table_driven = TableDriven(dialect.table)
    decode, _ = compile_both(dialect, message)
    wire = bytearray(table_driven.encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(wire) - 1))
        match data.draw(st.sampled_from(["change", "cut", "insert"])):
            case "change":
                wire[place] = data.draw(st.integers(0, 255))
            case "cut":
                del wire[place : place + 1]
            case "insert":
                wire.insert(place, data.draw(st.integers(0, 255)))
        if not wire:
            return
    map_start = 2 if dialect.table.mti == "bcd" else 4
    untouched = table_driven.encode(message)
    map_end = map_start + (16 if dialect.table.bitmap == "binary" else 32)
    wire[map_start:map_end] = untouched[map_start:map_end]  # a decoder is for one bitmap
    found = decode(bytes(wire))
    assert found is None or found == result_of(table_driven.decode, bytes(wire))


@by_name
@given(data=st.data())
def test_the_compiled_encoder_accepts_no_more_than_the_table(dialect, data):
    message = data.draw(messages(dialect))
    if not message.fields:
        return
    _, encode = compile_both(dialect, message)
    name = data.draw(st.sampled_from(sorted(message.fields)))
    odd = st.one_of(st.text(max_size=20), st.binary(max_size=20), st.none(), st.integers())
    message.fields[name] = data.draw(odd)
    mti = data.draw(st.sampled_from([message.mti, "0299", "", "9200"]))
    found = encode(mti, message.fields)
    wanted = result_of(TableDriven(dialect.table).encode, Message(mti, message.fields))
    assert found is None or found == wanted


@by_name
@given(wire=st.binary(max_size=200))
def test_random_bytes_are_decoded_or_refused_by_a_rule(dialect, wire):
    result = result_of(dialect.decode, wire)
    assert isinstance(result, Message) or " at offset " in result


@pytest.mark.parametrize("dialect", SHIPPED, ids=lambda dialect: dialect.name)
@given(data=st.data())
def test_pyiso8583_reads_what_we_write_and_writes_what_we_read(dialect, data):
    message = data.draw(messages(dialect))
    wire = dialect.encode(message)
    spec = pyiso8583_spec(dialect.table.specs)
    for row in spec.values():
        row["data_enc"] = "latin-1" if row["data_enc"] == "ascii" else row["data_enc"]
    document, _ = iso8583.decode(wire, spec)
    theirs = {de: value for de, value in document.items() if de.isdecimal() and de != "1"}
    ours = {str(dialect.specs[name].de): name for name in message.fields}
    assert theirs.keys() == ours.keys()
    for de, name in ours.items():
        assert _as_theirs(dialect.specs[name], message.fields[name]) == theirs[de]
    assert iso8583.encode(document, spec)[0] == wire


def _as_theirs(spec, value):
    """Write a value as pyiso8583 gives it."""
    if spec.is_binary:
        return value.hex().upper()
    if spec.wire != "bcd":
        return value
    if spec.kind == "xn":
        return value[0].encode().hex() + value[1:]
    if not spec.is_variable and spec.length % 2:
        return f"{value}0" if spec.pad_side == "right" else f"0{value}"
    return value.replace("=", "D")
