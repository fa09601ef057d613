import pytest

from switch.codec.field_spec import FieldSpec
from switch.codec.prefix_table import list_prefixes, write_prefix


@pytest.mark.parametrize(
    ("prefix", "digits", "want"),
    [
        ("ascii", 2, b"16"),
        ("ascii", 3, b"016"),
        ("ebcdic", 2, b"\xf1\xf6"),
        ("bcd", 2, b"\x16"),
        ("bcd", 3, b"\x00\x16"),
        ("binary", 2, b"\x10"),
        ("binary", 3, b"\x00\x10"),
    ],
)
def test_a_length_is_written_as_the_row_says(prefix, digits, want):
    spec = FieldSpec(de=2, name="x", kind="n", length=19, prefix=prefix, prefix_digits=digits)
    assert write_prefix(spec, 16) == want


def test_every_allowed_length_is_listed_and_no_other():
    spec = FieldSpec(de=2, name="x", kind="n", length=4, length_min=2, prefix_digits=2)
    assert list_prefixes(spec) == {2: b"02", 3: b"03", 4: b"04"}


def test_a_length_in_bytes_counts_what_is_on_the_wire():
    spec = FieldSpec(
        de=55, name="x", kind="b", length=2, prefix_digits=3, wire="hex", counts="bytes"
    )
    assert list_prefixes(spec) == {0: b"000", 1: b"002", 2: b"004"}
