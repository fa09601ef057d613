import pytest

from switch.codec.errors import DialectError, Rule
from switch.codec.field_spec import FieldSpec, Part


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"de": 1}, "no such data element"),
        ({"de": 65}, "no such data element"),
        ({"de": 129}, "no such data element"),
        ({"wire": "binary"}, "wire against kind"),
        ({"kind": "ans", "wire": "bcd"}, "wire against kind"),
        ({"kind": "b"}, "wire against kind"),
        ({"length_min": 13, "prefix_digits": 2}, "length_min against length"),
        ({"length": 0}, "no length"),
        ({"length_min": 1}, "length_min of a fixed length"),
        ({"length": 100, "prefix_digits": 2}, "prefix too small"),
        ({"kind": "z"}, "a track has a length"),
        (
            {"kind": "z", "wire": "bcd", "prefix_digits": 2},
            "the separator of a packed track is D",
        ),
        ({"counts": "bytes"}, "counts without a prefix"),
        (
            {"counts": "bytes", "wire": "bcd", "prefix_digits": 2},
            "a length in bytes needs pad nibbles that are no digits",
        ),
        ({"pad_nibbles": ""}, "pad_nibbles must be lower-case hex"),
        ({"pad_nibbles": "F"}, "pad_nibbles must be lower-case hex"),
        ({"kind": "xn"}, "length of xn"),
        ({"content": "lenient"}, "lenient"),
        ({"fill": "blanks"}, "fill"),
        ({"secrecy": "parts"}, "secrecy of parts without parts"),
        (
            {"parts": (Part(name="a", length=1, rest=True), Part(name="b", length=1))},
            "only the last part may be the rest",
        ),
        ({"parts": (Part(name="a", length=1),) * 2}, "a part twice"),
        ({"parts_repeat_from": 1}, "nothing to repeat"),
        ({"parts": (Part(name="a", length=1),), "parts_repeat_from": 1}, "nothing to repeat"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(row, why):
    spec = FieldSpec(**{"de": 4, "name": "amount", "kind": "n", "length": 12, **row})
    with pytest.raises(DialectError, match=f"^DE {spec.de} amount: {why}$"):
        spec.check()


@pytest.mark.parametrize(
    ("row", "units", "size"),
    [
        ({"kind": "n", "wire": "bcd"}, 3, 2),
        ({"kind": "n", "wire": "ascii"}, 3, 3),
        ({"kind": "xn", "wire": "bcd"}, 9, 5),
        ({"kind": "xn", "wire": "ascii"}, 9, 9),
        ({"kind": "b", "wire": "hex"}, 8, 16),
        ({"kind": "b", "wire": "binary"}, 8, 8),
    ],
)
def test_units_take_so_many_bytes(row, units, size):
    assert FieldSpec(de=2, name="x", length=9, **row).count_bytes(units) == size


@pytest.mark.parametrize(
    ("prefix", "digits", "size"),
    [("ascii", 2, 2), ("ebcdic", 3, 3), ("bcd", 2, 1), ("bcd", 3, 2), ("binary", 3, 2)],
)
def test_a_prefix_takes_so_many_bytes(prefix, digits, size):
    spec = FieldSpec(de=2, name="x", kind="n", length=9, prefix=prefix, prefix_digits=digits)
    assert spec.prefix_size == size


def test_a_row_makes_its_own_errors():
    spec = FieldSpec(de=4, name="amount_transaction", kind="n", length=12)
    assert str(spec.error(23, Rule.NOT_DECIMAL)).startswith("DE 4 amount_transaction at offset 23")
