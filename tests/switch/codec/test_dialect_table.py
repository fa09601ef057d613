import pytest

from switch.codec.dialect_table import list_dialects, parse_dialect_table, read_dialect_text
from switch.codec.errors import DialectError

MINIMAL = """
name = "minimal"
mti_versions = "0"
mti = "ascii"
bitmap = "hex"
[link]
prefix = "binary-2"
transport = "none"
[defaults]
digits = "ascii"
track = "ascii"
text = "ascii"
binary = "hex"
prefix = "ascii"
[fields]
4 = { name = "amount", kind = "n", length = 12 }
2 = { name = "pan", kind = "n", length = 19, prefix_digits = 2 }
"""


@pytest.mark.parametrize("name", list_dialects())
def test_every_dialect_of_the_codec_has_all_elements_and_is_sound(name):
    table = parse_dialect_table(read_dialect_text(name))
    assert table.name == name
    assert [spec.de for spec in table.specs] == [*range(2, 65), *range(66, 129)]


def test_the_three_dialects_are_there():
    assert list_dialects() == ("iso1987-ascii", "iso1987-binary", "unionpay-pos")


def test_rows_come_in_order_of_their_elements():
    assert [spec.de for spec in parse_dialect_table(MINIMAL).specs] == [2, 4]


def rows_of(text):
    return {spec.de: spec for spec in parse_dialect_table(text).specs}


def test_an_extension_changes_only_what_it_names():
    head = 'name = "mine"\nextends = "iso1987-binary"\ndrop = [128]\n'
    basis = rows_of(read_dialect_text("iso1987-binary"))
    mine = rows_of(head + "[fields]\n2 = { length = 16 }\n")
    assert basis.keys() - mine.keys() == {128}
    assert {de for de in mine if mine[de] != basis[de]} == {2}
    assert (mine[2].length, mine[2].name, mine[2].pad_side) == (16, "pan", "right")


def test_dropped_elements_take_their_parts_along():
    text = 'name = "mine"\nextends = "iso1987-ascii"\ndrop = [90]\n'
    assert 90 not in {spec.de for spec in parse_dialect_table(text).specs}


def test_a_shape_is_a_row_again_with_parts_of_its_own():
    shape = "[shapes.two]\nelement = 4\nparts = [{ name = 'half', length = 6 }]\n"
    [two] = parse_dialect_table(MINIMAL + shape + "parts_repeat_max = 2\n").shapes
    assert (two.de, two.name, two.kind, two.length, two.parts_repeat_max) == (4, "two", "n", 12, 2)
    assert [part.name for part in two.parts] == ["half"]


def test_shapes_are_kept_by_what_extends_their_dialect():
    table = parse_dialect_table('name = "mine"\nextends = "unionpay-pos"\n')
    assert "upload_list" in {shape.name for shape in table.shapes}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name = ", "dialect table: "),
        ("extends = 'iso1987-ascii'", "missing required field `name`"),
        ("name = 'x'\nextends = 'nothing'", "no dialect 'nothing'; there are iso1987-ascii"),
        ("name = 'x'\nextends = '../errors'", "no dialect"),
        ("name = 'x'\ncolour = 1", "unknown field `colour`"),
        ("name = 'x'", "missing required field"),
        (MINIMAL.replace('mti = "ascii"', 'mti = "latin"'), "Invalid enum value 'latin'"),
        (MINIMAL.replace('"binary-2"', '"binary-3"'), "Invalid enum value 'binary-3'"),
        (MINIMAL.replace('"amount"', '"pan"'), "one name for two elements"),
        (MINIMAL.replace("length = 12", "length = 0"), "DE 4 amount: no length"),
        (MINIMAL.replace("length = 12", "size = 12"), "unknown field `size`"),
        (MINIMAL + "[parts]\n3 = [{ name = 'a', length = 1 }]", "parts of elements it does not"),
        (MINIMAL + "[shapes.a]\nelement = 3\nparts = []", "a shape of an element it does not have"),
        (MINIMAL + "[shapes.amount]\nelement = 4\nparts = []", "one name for two elements"),
        (MINIMAL + "[shapes.a]\nelement = 4\nparts = []\nsize = 1", "unknown field `size`"),
    ],
)
def test_a_wrong_table_is_refused(text, why):
    with pytest.raises(DialectError, match=why):
        parse_dialect_table(text)


def test_a_table_that_extends_itself_is_refused(monkeypatch):
    text = 'name = "loop"\nextends = "loop"\n'
    monkeypatch.setattr("switch.codec.dialect_table.read_dialect_text", lambda _: text)
    with pytest.raises(DialectError, match="extends too many tables, or itself"):
        parse_dialect_table(text)


def test_only_the_dialects_of_the_codec_are_read():
    with pytest.raises(DialectError):
        read_dialect_text("../dialects/unionpay-pos")
