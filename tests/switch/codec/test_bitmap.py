import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.codec.bitmap import read_bitmap, write_bitmap
from switch.codec.errors import CodecError, Rule

ELEMENTS = st.sets(st.integers(2, 128).filter(lambda de: de != 65)).map(sorted)


@pytest.mark.parametrize("form", ["binary", "hex"])
@given(elements=ELEMENTS)
def test_a_bitmap_is_read_as_it_was_written(form, elements):
    wire = write_bitmap(form, elements)
    assert read_bitmap(form, b"??" + wire + b"tail", 2) == (tuple(elements), 2 + len(wire))


def test_the_first_bit_is_the_highest_of_the_first_byte():
    assert read_bitmap("binary", bytes.fromhex("4000000000000001"), 0) == ((2, 64), 8)


def test_hex_is_read_in_both_cases():
    assert read_bitmap("hex", b"302004C020C09811", 0) == read_bitmap("hex", b"302004c020c09811", 0)


def test_a_second_map_without_elements_is_accepted():
    assert read_bitmap("binary", bytes.fromhex("C0" + "00" * 15), 0) == ((2,), 16)


@pytest.mark.parametrize(
    ("form", "wire", "rule"),
    [
        ("binary", bytes(7), Rule.SHORT),
        ("binary", b"\x80" + bytes(14), Rule.SHORT),
        ("binary", (b"\x80" + bytes(7)) * 2, Rule.THIRD_BITMAP),
        ("hex", b"0" * 15, Rule.SHORT),
        ("hex", b"8" + b"0" * 30, Rule.SHORT),
        ("hex", b"8000000000000000" * 2, Rule.THIRD_BITMAP),
        ("hex", b"00000000000000 0", Rule.NOT_HEX),
        ("hex", b"0x00000000000000", Rule.NOT_HEX),
        ("hex", b"80000000000000000_00000000000000", Rule.NOT_HEX),
    ],
)
def test_a_broken_bitmap_is_refused(form, wire, rule):
    with pytest.raises(CodecError) as caught:
        read_bitmap(form, wire, 0)
    assert (caught.value.de, caught.value.name, caught.value.rule) == (1, "bitmap", rule)
