import tomllib
from pathlib import Path

import pytest

from switch.codec import CodecError, Dialect, Rule, load_dialect
from switch.codec.bitmap import read_bitmap, write_bitmap
from switch.codec.framing import Framer, frame_bytes
from switch.codec.tpdu import split_transport

VECTORS = Path(__file__).parents[2] / "vectors"
_TABLE = tomllib.loads((VECTORS / "messages.toml").read_text("utf-8"))
MESSAGES = [pytest.param(vector, id=vector["name"]) for vector in _TABLE["message"]]


def dialect_of(vector):
    own = VECTORS / f"{vector['dialect']}.toml"
    return Dialect.from_toml(own.read_text("utf-8")) if own.exists() else load_dialect(own.stem)


def wire_of(vector):
    text = vector.get("text")
    return bytes.fromhex(vector["hex"]) if text is None else text.encode("ascii")


def frame_of(vector):
    return bytes.fromhex(vector.get("before", "")) + wire_of(vector)


def fields_of(vector, message):
    dialect = dialect_of(vector)
    return {
        name: bytes.fromhex(value) if dialect.specs[name].is_binary else value
        for name, value in message.items()
    }


@pytest.mark.parametrize("vector", MESSAGES)
def test_a_vector_says_what_it_is_known_to_say(vector):
    dialect = dialect_of(vector)
    message = dialect.decode(wire_of(vector))
    assert message.fields == fields_of(vector, vector["fields"])
    assert [dialect.specs[name].de for name in message.fields] == vector["elements"]


@pytest.mark.parametrize("vector", MESSAGES)
def test_a_vector_is_written_as_it_was_read(vector):
    dialect = dialect_of(vector)
    for _ in range(60):  # table-driven at first, then compiled
        assert dialect.encode(dialect.decode(wire_of(vector))) == wire_of(vector)


@pytest.mark.parametrize("vector", MESSAGES)
def test_a_vector_comes_through_the_framer_whole_and_byte_by_byte(vector):
    prefix = dialect_of(vector).table.link.prefix
    stream = frame_bytes(prefix, frame_of(vector))
    assert Framer(prefix).receive_data(stream) == [frame_of(vector)]
    framer = Framer(prefix)
    frames = [frame for byte in stream for frame in framer.receive_data(bytes((byte,)))]
    assert frames == [frame_of(vector)]
    assert not framer.is_inside_frame


@pytest.mark.parametrize("vector", MESSAGES)
def test_a_vector_with_a_tail_leaves_the_tail_to_the_next_frame(vector):
    prefix = dialect_of(vector).table.link.prefix
    stream = frame_bytes(prefix, frame_of(vector))
    framer = Framer(prefix)
    assert framer.receive_data(stream * 3 + stream[:-1]) == [frame_of(vector)] * 3
    assert framer.is_inside_frame
    assert framer.receive_data(stream[-1:]) == [frame_of(vector)]


@pytest.mark.parametrize("vector", MESSAGES)
def test_a_message_with_a_tail_is_refused(vector):
    with pytest.raises(CodecError) as caught:
        dialect_of(vector).decode(wire_of(vector) + b"\0")
    assert caught.value.rule is Rule.TRAILING
    assert caught.value.offset == len(wire_of(vector))


@pytest.mark.parametrize("vector", MESSAGES)
def test_a_message_cut_anywhere_is_refused(vector):
    dialect, wire = dialect_of(vector), wire_of(vector)
    for size in range(len(wire)):
        with pytest.raises(CodecError) as caught:
            dialect.decode(wire[:size])
        assert caught.value.rule is Rule.SHORT


@pytest.mark.parametrize("name", ["sign-on-a", "sign-on-b", "sale", "reversal"])
def test_the_transport_of_a_pos_vector_is_split_off(name):
    [vector] = [vector for vector in _TABLE["message"] if vector["name"] == name]
    transport = split_transport(frame_of(vector))
    assert (transport.tpdu + transport.header) == bytes.fromhex(vector["before"])
    assert transport.message == wire_of(vector)


@pytest.mark.parametrize("vector", _TABLE["bitmap"], ids=lambda vector: vector["hex"])
def test_a_bitmap_vector_has_its_elements(vector):
    wire, elements = bytes.fromhex(vector["hex"]), tuple(vector["elements"])
    assert read_bitmap("binary", wire, 0) == (elements, 8)
    assert write_bitmap("binary", elements) == wire
    assert write_bitmap("hex", elements) == vector["hex"].encode()


@pytest.mark.parametrize("vector", _TABLE["composite"], ids=lambda vector: vector["name"])
def test_a_composite_vector_has_its_parts(vector):
    dialect = dialect_of(vector)
    assert dialect.split(vector["element"], vector["value"]) == vector["parts"]
    assert dialect.join(vector["element"], vector["parts"]) == vector["value"]
