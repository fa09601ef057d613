import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.codec.tlv import Tlv, TlvError, decode_tlv, encode_tlv, find_tlv

PRIMITIVE = st.builds(
    Tlv, st.sampled_from(["5A", "82", "9F26", "9F7B", "DF31", "9F8101"]), st.binary(max_size=300)
)
OBJECTS = st.lists(
    st.recursive(
        PRIMITIVE,
        lambda inner: st.builds(
            Tlv,
            st.sampled_from(["70", "BF0C", "E1"]),
            st.just(b""),
            st.lists(inner, max_size=3).map(tuple),
        ),
        max_leaves=6,
    ).filter(lambda tlv: depth(tlv) <= 4),
    max_size=6,
).map(tuple)


def depth(tlv):
    return 1 + max(map(depth, tlv.children), default=int(tlv.is_constructed))


@given(OBJECTS)
def test_what_is_written_is_read_again(objects):
    assert decode_tlv(encode_tlv(objects)) == objects


@given(st.binary(max_size=100))
def test_random_bytes_are_read_or_refused(content):
    try:
        objects = decode_tlv(content)
    except TlvError:
        return
    assert decode_tlv(encode_tlv(objects)) == objects


def test_chip_data_is_listed():
    objects = decode_tlv(bytes.fromhex("9F2608 1122334455667788 9505 0000048000 9C01 00"))
    assert [tlv.tag for tlv in objects] == ["9F26", "95", "9C"]
    assert objects[2].value == b"\0"


def test_zero_bytes_between_objects_are_passed_over():
    assert [tlv.tag for tlv in decode_tlv(bytes.fromhex("0000 9C0100 00 9A03240101 00"))] == [
        "9C",
        "9A",
    ]


def test_an_object_is_found_at_any_depth():
    objects = decode_tlv(bytes.fromhex("9C0100 7009 5A026200 9F2602ABCD"))
    assert find_tlv(objects, "9F26") == Tlv("9F26", b"\xab\xcd")
    assert find_tlv(objects, "9C") == Tlv("9C", b"\0")
    assert find_tlv(objects, "82") is None


@pytest.mark.parametrize(
    ("content", "offset", "why"),
    [
        ("9F", 0, "inside the tag"),
        ("9F81", 0, "inside the tag"),
        ("9F81818101 00", 0, "tag too long"),
        ("9C", 1, "before the length"),
        ("9C0100 9A", 4, "before the length"),
        ("9C80", 1, "indefinite"),
        ("9C83000001 00", 1, "indefinite or too long"),
        ("9C82 01", 1, "inside the length"),
        ("9C02 00", 0, "inside the object"),
        ("7003 9C02 00", 2, "inside the object"),
        ("70087006700470027000", 8, "nested too deep"),
        ("9C00" * 257, 512, "too many objects"),
    ],
)
def test_what_is_no_tlv_is_refused_with_its_place(content, offset, why):
    with pytest.raises(TlvError, match=why) as caught:
        decode_tlv(bytes.fromhex(content))
    assert caught.value.offset == offset


@pytest.mark.parametrize("tag", ["", "9", "zz", "9F", "9C9C", "00", "9c"])
def test_what_is_no_tag_is_not_written(tag):
    with pytest.raises(TlvError, match="not a tag"):
        encode_tlv([Tlv(tag or "", b"")])


@pytest.mark.parametrize(
    ("size", "length"), [(127, "7F"), (128, "8180"), (255, "81FF"), (256, "820100")]
)
def test_a_length_is_written_in_its_shortest_form(size, length):
    assert encode_tlv([Tlv("9C", bytes(size))]).hex().upper().startswith("9C" + length)


def test_a_value_beyond_two_length_bytes_is_refused():
    with pytest.raises(TlvError, match="value too long"):
        encode_tlv([Tlv("9C", bytes(65_536))])


def test_an_object_does_not_show_its_value():
    assert repr(Tlv("5A", b"\x62")) == "Tlv(5A)"
